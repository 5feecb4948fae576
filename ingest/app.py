"""The daemon: one composition root, one TaskGroup, an orderly stop, another configuration while it runs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import Connection

from dispatch import accord
from dispatch.rights import takes_secrets
from dispatch.stranded import stranded
from ingest import heaps, vetting
from ingest.chaining import ChainKeeper
from ingest.chores import Chore
from ingest.clock_keeper import BEAT as CALENDAR
from ingest.clock_keeper import ClockKeeper, follow
from ingest.clock_watch import ClockWatch
from ingest.config import Config
from ingest.console.app import create_console
from ingest.console.context import CONSOLE, Console
from ingest.console.probes import Probed, create_probes
from ingest.console.settings import ConsoleSettings, FileAccess
from ingest.control import serve_control
from ingest.correcting import pens_of
from ingest.crew import CLOSING, Changes, Crew, Part, Plan
from ingest.depot_watch import DepotWatch
from ingest.health import Health
from ingest.heartbeat import Heartbeat
from ingest.in_force import InForce
from ingest.listening import CannotListen, Listener
from ingest.metrics import Metrics
from ingest.office import Office, calendar_of, kind_of, within
from ingest.operations import perform
from ingest.parts import Parts, answer_due
from ingest.pulse import Pulse
from ingest.rereading import Rereading, Unusable
from ingest.supervisor import Supervisor
from ingest.sweeping import sweep
from ingest.worker_process import WorkerMissing
from store import ledger
from store.failure import is_passing, place_of

log = structlog.get_logger()
STAGES = ("poll", "read", "dispatch", "keep", "console", "probes")
LISTENING = frozenset({"console", "probes"})
"""The console answers probes as well; without it they can be had alone."""
RELEASE = timedelta(minutes=1)
"""So often held events are looked at: one may have been written just as a target was given the right to it."""
SWEEP = timedelta(minutes=1)
RENEWAL = timedelta(hours=1)
"""So often the age of the data key is looked at, and whether the database has lost it: only we have it then."""
TRIMMING = timedelta(minutes=5)
WATCH = timedelta(minutes=1)
ANNOUNCEMENT = timedelta(minutes=1)
PATIENCE = timedelta(seconds=10)
"""What can be done a minute later need not hold up a new configuration."""


@dataclass
class Daemon:
    """An office at work. `stopping` ends it."""

    office: Office
    stages: frozenset[str] = frozenset(STAGES)
    supervisor: Supervisor = field(default_factory=Supervisor)
    file: Path | None = None
    """The configuration's: it is reread; none: what the office was opened with stays."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        office = self.office
        self._process = secrets.token_hex(8)  # among those on one database
        self.metrics = Metrics()
        self.metrics.watch(office.store, office.clock)
        self.pulse = Pulse(office.store, self.metrics, office.clock, (), ())
        self.depot = DepotWatch(office.store.blobs, self.metrics, office.clock)
        self.in_force = office.in_force = InForce(office.clock())
        self._rereading: Rereading | None = None
        if self.file is not None:
            begins, ends = self.supervisor.reloading, self._tell
            self._rereading = Rereading(
                self.file, office.config, self.in_force, office.clock, self._reload, begins, ends
            )
        self._scheduler = AsyncIOScheduler(timezone=office.config.service.zone)
        self._crew = Crew(office.store.wakes)
        self._group = asyncio.TaskGroup()
        self._console: Console | None = None
        self._listener = Listener()
        self._control: web.AppRunner | None = None

    async def open(self) -> None:
        """Take up what an earlier life left, listen, build the parts: whatever the configuration may be too bad for.

        Raises:
            CannotListen: the console's address is taken or not ours.
            Unusable: a door cannot be built.
        """
        await self._take_back_leases()
        await self._announce_now(self.office.config)
        await self._release_held_now()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._warm())
                group.create_task(self._listen())
        except* CannotListen as refused:
            raise refused.exceptions[0] from None
        if self.office.store.exclusive:  # else a command works on the database itself
            self._control = await serve_control(self.office)
        await self._crew.prepare(self._plans(self.office.config))

    async def work(self) -> None:
        """Until told to stop; then what is under way ends, and the rest is given back."""
        self._scheduler.start()
        log.info("started", stages=sorted(self.stages), channels=self._doors, targets=len(self.office.config.targets))
        async with self._group:
            self._crew.begin(self._group)
            self._tell()
            await self.stopping.wait()
            log.info("stopping")
            self.office.store.wakes.ring_all()
            await self._crew.stop(last=self.office.store.stop_waiting)

    def reread(self) -> None:
        """Take up what the configuration's files say by now; if that is no good, say so and go on as before."""
        if self._rereading is not None:
            self._rereading.ask()

    async def close(self) -> None:
        """Let go of everything at once; what does not let go in time is left."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        ends = {"parts": self._crew.close(), "console": self._listener.close()}
        if self._control is not None:
            ends["control"] = self._control.cleanup()
        await asyncio.gather(*(within(CLOSING, act, what) for what, act in ends.items()))
        if not self.office.store.exclusive:
            leaving = self.office.store.write(lambda conn: accord.leave(conn, self._process))
            await within(CLOSING, leaving, "announcement")
        await self.office.close()
        log.info("stopped")

    async def _reload(self, config: Config) -> Changes:
        """Work by another configuration: what it changes ends and begins anew, all else goes on.

        Raises Unusable, ConfigErrors: nothing has changed.
        """
        calendar = await asyncio.to_thread(calendar_of, config)
        changes = await self._crew.prepare(self._plans(config))
        try:
            await self._listener.move(config.listen)
        except CannotListen as error:
            await self._crew.dismiss()
            raise Unusable(("listen",), str(error)) from error
        await self._crew.stop(changes.ending)
        await self._crew.close(changes.ending)
        await self._announce_now(config)  # before anything is given by it that others would take back
        self.office.take_up(config, calendar)
        self._look_at(config)
        self._crew.begin(self._group)
        await self._release_held_now()
        return changes

    def _plans(self, config: Config) -> dict[str, Plan]:
        """All that is to run by this configuration."""
        return dict(self._planned(Parts(self.office, config, self.metrics, self._scheduler)))

    def _planned(self, parts: Parts) -> Iterator[tuple[str, Plan]]:
        if "poll" in self.stages:
            yield from parts.doors()
        if "read" in self.stages:
            yield from parts.reading()
        if "dispatch" in self.stages:
            yield from parts.targets()
        if self.stages & {"keep", *LISTENING}:
            yield "pulse", Plan(None, lambda: Part(finishing=[self.pulse.run]))
        yield "depot", Plan(None, lambda: Part(finishing=[self.depot.run]))  # who waits for it hears by this
        if "keep" in self.stages:
            yield from parts.alarms(self.in_force.said, lambda: self.depot.trouble, self.pulse.answer_by)
            keeper = ClockKeeper(self.office.store, self.office.desk, self.office.almanac, self.office.clock)
            yield "clocks", Plan(None, lambda: Part(finishing=[keeper.run]))
            yield "retention", parts.retention()
            chain = ChainKeeper(self.office.store, self.office.clock)
            yield "history chain", Plan(None, lambda: Part(finishing=[chain.run]))
            yield "chores", Plan(None, lambda: Part(finishing=[chore.run for chore in self._chores()]))
        else:  # the clocks' keeper does it
            following = Chore("calendar followed", CALENDAR, partial(follow, self.office.almanac, self.office.desk))
            yield "calendar", Plan(None, lambda: Part(finishing=[following.run]))
        renewing = Chore("data key renewed", RENEWAL, self.office.renew_key)  # each seals
        yield "data key", Plan(None, lambda: Part(finishing=[renewing.run]))
        watch = ClockWatch(self.office.store, self._scheduler)
        yield "clock watch", Plan(None, lambda: Part(finishing=[Chore("clock watched", WATCH, watch.look).run]))
        if not self.office.store.exclusive:
            announcing = Chore("configuration announced", ANNOUNCEMENT, self._announce)
            yield "announcement", Plan(None, lambda: Part(finishing=[announcing.run]))
        if (patience := self.supervisor.patience) is not None:
            beating = Heartbeat(self.office.store, patience, self.supervisor.beat)
            yield "heartbeat", Plan(None, lambda: Part(finishing=[beating.run]))
        if (rereading := self._rereading) is not None:
            yield "configuration", Plan(None, lambda: Part(cut=[rereading.run]))

    def _chores(self) -> Iterator[Chore]:
        """What the stage `keep` does beside its lanes, each by the configuration in force when it does it."""
        yield Chore("held events released", RELEASE, self._release_held)
        yield Chore("ledger and sessions swept", SWEEP, partial(sweep, self.office.store, self.office.clock))
        yield Chore("memory given back", TRIMMING, partial(asyncio.to_thread, heaps.trim))

    def _look_at(self, config: Config) -> None:
        """Have pulse and console go by this configuration."""
        channels = {name: one.settings for name, one in config.channels.items() if one.settings.enabled}
        self.pulse.watch(
            list(channels),
            [name for name, one in config.targets.items() if one.enabled],
            {name: partial(answer_due, one, config) for name, one in channels.items()},
        )
        if self._console is not None:
            self._console.settings = console_settings(config)

    def _tell(self) -> None:
        """Tell whoever watches us which configuration is in force."""
        refused = self.in_force.refused
        self.metrics.configuration_refused.set(refused is not None)
        self.metrics.configuration_read.set(self.in_force.read_at.timestamp())
        if refused is not None:
            self.supervisor.ready("configuration refused; the old one stays in force")
            return
        self.supervisor.ready(f"{self._doors} doors, {len(self.office.config.targets)} targets")

    @property
    def _doors(self) -> int:
        channels = self.office.config.channels.values() if "poll" in self.stages else ()
        return sum(one.settings.enabled for one in channels)

    async def _take_back_leases(self) -> None:
        """What was under way when an earlier life was killed need not wait for its lease to run out."""
        store, now = self.office.store, self.office.clock()
        if not store.exclusive:
            return
        try:
            count = await store.write(lambda conn: ledger.release_all(conn, now=now))
        except Exception as error:
            if not is_passing(error):
                raise
            log.warning("steps of an earlier life wait for their leases to run out", error=place_of(error))
        else:
            if count:
                log.warning("steps of an earlier life taken up again", count=count)

    async def _announce(self) -> None:
        await self._announced(self.office.config)

    async def _announced(self, config: Config) -> None:
        """Tell the other processes on this database by what we go."""
        now, process = self.office.clock(), self._process

        def tell(conn: Connection) -> None:
            accord.announce(conn, process, config.targets, now)
            if config.attachments.clamd is not None:
                vetting.announce(conn, process, now)

        await self.office.store.write(tell)

    async def _announce_now(self, config: Config) -> None:
        """As the chore does, without waiting for its turn."""
        if self.office.store.exclusive:
            return
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await self._announced(config)
        except Exception as error:  # noqa: BLE001 - whatever the store's trouble, the chore comes back to it
            log.warning("configuration not announced yet", error=place_of(error))

    async def _release_held(self) -> None:
        office, now = self.office, self.office.clock()
        released, after = 0, 0
        while True:
            act = partial(office.desk.outbox.release, now=now, after=after)
            count, last = await office.store.write(act)
            released += count
            if last is None:
                break
            after = last
        if released:
            log.info("held events of restricted cases released", count=released)

    async def _release_held_now(self) -> None:
        """As the chore does, without waiting for its turn."""
        self._warn_of_held()
        await self._warn_of_stranded()
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await self._release_held()
        except Exception as error:  # noqa: BLE001 - whatever the store's trouble, the chore comes back to it
            log.warning("held events not released yet", error=place_of(error))

    def _warn_of_held(self) -> None:
        config = self.office.config
        if without := [
            name
            for name in config.channels
            if not any(takes_secrets(target, name) for target in config.targets.values())
        ]:
            log.warning("no target takes restricted cases of these channels: they are held", channels=without)

    async def _warn_of_stranded(self) -> None:
        targets = self.office.config.targets
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                found = await self.office.store.read(lambda conn: stranded(conn, targets))
        except Exception as error:  # noqa: BLE001 - whatever the store's trouble, the alarm comes back to it
            log.warning("what is owed to targets not looked at", error=place_of(error))
            return
        for name, count in found.items():
            log.warning("target left the configuration; what is owed to it is sent nowhere", target=name, count=count)

    async def _warm(self) -> None:
        """What waits is read at once. A reading process that does not start is told of by the steps that need it."""
        if "read" in self.stages:
            with suppress(WorkerMissing):
                await self.office.room.pool.warm()

    async def _listen(self) -> None:
        self._look_at(self.office.config)
        if not self.stages & LISTENING:
            return
        app = self._offered()
        await self.pulse.look()
        await self._listener.open(app, self.office.config.listen)
        if self._console is not None:
            log.info("console", url=self.office.config.public_url)

    def _offered(self) -> web.Application:
        """The console, or only what monitors ask."""
        office = self.office

        def health() -> Health:
            return replace(self.pulse.health, blobs=self.depot.state)

        if "console" not in self.stages:
            return create_probes(Probed(health, self.metrics.registry, lambda: office.config.listen.metrics_from))
        app = create_console(
            office.store,
            console_settings(office.config),
            desk=office.desk,
            act=partial(perform, office),
            health=health,
            now=office.clock,
            registry=self.metrics.registry,
            in_force=self.in_force,
        )
        self._console = app[CONSOLE]
        return app


def console_settings(config: Config) -> ConsoleSettings:
    """The console's part of the configuration."""
    fields, pen = pens_of(config)
    return ConsoleSettings(
        service=config.service.name,
        public_url=config.service.public_url,
        time_zone=config.service.time_zone,
        language=config.service.language,
        secure_cookies=config.public_url.startswith("https://"),
        metrics_from=config.listen.metrics_from,
        trusted_proxies=config.listen.trusted_proxies,
        targets={
            name: FileAccess(tuple(one.get_secret_value() for one in target.token), target)
            for name, target in config.targets.items()
            if target.token
        },
        reporters={name: target for name, target in config.targets.items() if target.reports is not None},
        channels={name: kind_of(one).value for name, one in config.channels.items()},
        polled={name: one.settings.enabled for name, one in config.channels.items()},
        titles={name: one.settings.title for name, one in config.channels.items() if one.settings.title},
        fields=fields,
        pen=pen,
    )

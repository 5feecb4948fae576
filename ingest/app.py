"""The daemon: one composition root, one TaskGroup, an orderly stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from adapters.base import Adapter
from dispatch.worker import TargetWorker
from ingest import channels
from ingest.alarms.keeper import AlarmKeeper, Telling
from ingest.alarms.looking import Places
from ingest.alarms.sinks import teller_of
from ingest.alarms.watch import Speaker, tell_lane
from ingest.alarms.words import FOLDER as WORDS
from ingest.attachments import fetch_lane
from ingest.catalogue import load_words
from ingest.clock_keeper import ClockKeeper
from ingest.config import Channel, Config
from ingest.config_channels import ChannelSettings
from ingest.console.app import create_console
from ingest.console.settings import ConsoleSettings, FileAccess
from ingest.control import serve_control
from ingest.correcting import pens_of
from ingest.depot_watch import DepotWatch
from ingest.fetcher import Fetcher
from ingest.heartbeat import Heartbeat
from ingest.inbox import LETTER_LANE, READ_LANE
from ingest.metrics import Metrics
from ingest.office import Office, kind_of, within
from ingest.operations import perform
from ingest.poller import PATIENCE, Poller
from ingest.pulse import Pulse
from ingest.stage import Stage
from ingest.supervisor import Supervisor
from ingest.worker_process import WorkerMissing
from store import ledger

log = structlog.get_logger()
STAGES = ("poll", "read", "dispatch", "keep", "console")
GRACE = timedelta(seconds=6)
"""How long work under way may take to end after SIGTERM; with what follows, the process is gone within 10 s."""
CLOSING = timedelta(seconds=1.5)
"""How long doors and listeners may take to close, all at once."""
SILENT_ROUNDS = 3
"""A door that has missed so many polls in a row, and the time one may take, is not open, whatever it last said."""

Run = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
READ_BATCH = 50
FETCHES_AT_ONCE = 4


class CannotListen(Exception):
    """The console's address is taken or not ours."""


@dataclass
class Daemon:
    """An office at work. `stopping` ends it."""

    office: Office
    stages: frozenset[str] = frozenset(STAGES)
    supervisor: Supervisor = field(default_factory=Supervisor)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        office = self.office
        self.metrics = Metrics()
        self.metrics.watch(office.store, office.clock)
        self.pulse = Pulse(
            office.store,
            self.metrics,
            office.clock,
            [name for name, one in office.config.channels.items() if one.settings.enabled],
            [name for name, one in office.config.targets.items() if one.enabled],
            {name: partial(answer_due, one.settings, office.config) for name, one in office.config.channels.items()},
        )
        self.depot = DepotWatch(office.store.blobs.depot, self.metrics)
        self._scheduler = AsyncIOScheduler(timezone=office.config.service.zone)
        self._adapters: list[Adapter] = []
        self._runners: list[web.AppRunner] = []
        self._pollers: list[Run] = []
        self._workers: list[Run] = []

    async def open(self) -> None:
        """Take up what an earlier life left, listen, build the doors: whatever the configuration may be too bad for.

        Raises:
            CannotListen: the console's address is taken or not ours.
        """
        await self._take_back_leases()
        await self._release_held()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._warm())
                group.create_task(self._listen())
        except* CannotListen as refused:
            raise refused.exceptions[0] from None
        if self.office.store.exclusive:  # else a command works on the database itself
            self._runners.append(await serve_control(self.office))
        self._open_doors()
        self._hire_workers()

    async def work(self) -> None:
        """Until told to stop; then what is under way ends, and the rest is given back."""
        self._scheduler.start()
        log.info(
            "started",
            stages=sorted(self.stages),
            channels=len(self._adapters),
            targets=len(self.office.config.targets),
        )
        self.supervisor.ready(f"{len(self._adapters)} doors, {len(self.office.config.targets)} targets")
        await self._work()

    async def close(self) -> None:
        """Let go of everything at once; what does not let go in time is left."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        ends = {f"door {number}": adapter.close() for number, adapter in enumerate(self._adapters)}
        ends |= {f"listener {number}": runner.cleanup() for number, runner in enumerate(self._runners)}
        await asyncio.gather(*(within(CLOSING, act, what) for what, act in ends.items()))
        await self.office.close()
        log.info("stopped")

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            polling = [group.create_task(run(self.stopping)) for run in self._pollers]
            working = [group.create_task(run(self.stopping)) for run in self._workers]
            await self.stopping.wait()
            log.info("stopping")
            for task in polling:
                task.cancel()  # a poll changes nothing at the source, and what it brought is stored or comes again
            self.office.store.wakes.ring_all()
            late = set(polling) | set(working)
            if late:
                _, late = await asyncio.wait(late, timeout=GRACE.total_seconds())
            self.office.store.stop_waiting()
            for task in late:
                task.cancel()  # its leases are given back

    def _open_doors(self) -> None:
        """A poller and a fetcher for every open channel."""
        for name, channel in self.office.config.channels.items():
            if channel.settings.enabled and "poll" in self.stages:
                adapter = channel.build()
                self._adapters.append(adapter)
                self._pollers.append(self._poller(name, channel, adapter).run)
                self._workers.append(self._fetcher(name, adapter).run)

    def _poller(self, name: str, channel: Channel, adapter: Adapter) -> Poller:
        office = self.office
        start = channel.settings.start(office.clock(), office.config.service.zone)
        poller = Poller(name, adapter, office.store, office.clock, start, self.metrics.stored)
        trigger = trigger_of(channel.settings, office.config)
        self._scheduler.add_job(poller.ring, trigger, misfire_grace_time=None, coalesce=True, name=name)
        poller.due.set()
        return poller

    def _fetcher(self, name: str, adapter: Adapter) -> Stage:
        office = self.office
        fetcher = Fetcher(name, adapter, office.store, office.desk, office.clock)
        paused = partial(channels.is_paused, name=name)
        return Stage(fetch_lane(name), fetcher.fetch, office.store, office.clock, width=FETCHES_AT_ONCE, held=paused)

    def _hire_workers(self) -> None:
        office, found = self.office, self._workers
        if "read" in self.stages:
            reader = office.reader
            read = Stage(READ_LANE, reader.read_batch, office.store, office.clock, batch=READ_BATCH, width=2)
            letters = Stage(
                LETTER_LANE, reader.read_letters, office.store, office.clock, lease=timedelta(minutes=20), width=1
            )
            found += [read.run, letters.run]
        if "dispatch" in self.stages:
            for name, target in office.config.targets.items():
                worker = TargetWorker(name, target, office.store, office.clock, self.metrics.attempted)
                found.append(worker.run)
        if self.stages & {"keep", "console"}:
            found += [self.pulse.run, self.depot.run]
        if "keep" in self.stages:
            found.append(ClockKeeper(office.store, office.desk, office.almanac, office.clock).run)
            found += [watch.run for watch in alarms_of(office)]
        if (patience := self.supervisor.patience) is not None:
            found.append(Heartbeat(office.store, patience, self.supervisor.beat).run)

    async def _take_back_leases(self) -> None:
        """What was under way when an earlier life was killed need not wait for its lease to run out."""
        store, now = self.office.store, self.office.clock()
        if store.exclusive and (count := await store.write(lambda conn: ledger.release_all(conn, now=now))):
            log.warning("steps of an earlier life taken up again", count=count)

    async def _release_held(self) -> None:
        office, now = self.office, self.office.clock()
        released = await office.store.write(lambda conn: office.desk.outbox.release(conn, now))
        if released:
            log.info("held events of restricted cases released", count=released)
        if not any(target.takes_restricted for target in office.config.targets.values()):
            log.warning("no target takes restricted cases: they are held until one does (restricted: true)")

    async def _warm(self) -> None:
        """What waits is read at once. A reading process that does not start is told of by the steps that need it."""
        if "read" in self.stages:
            with suppress(WorkerMissing):
                await self.office.room.pool.warm()

    async def _listen(self) -> None:
        if "console" not in self.stages:
            return
        config, office = self.office.config, self.office
        console = create_console(
            office.store,
            console_settings(config),
            desk=office.desk,
            act=partial(perform, office),
            health=lambda: replace(self.pulse.health, blobs=self.depot.state),
            now=office.clock,
            registry=self.metrics.registry,
        )
        await self.pulse.look()
        runner = web.AppRunner(console, access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        host, port = config.listen.host, config.listen.port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise CannotListen(
                f"listen: cannot use {host}:{port}: {os.strerror(error.errno) if error.errno else error}"
            ) from error
        self._runners.append(runner)
        log.info("console", url=config.public_url)


def alarms_of(office: Office) -> list[AlarmKeeper | Stage]:
    """What watches, and what tells whom; nothing without a sink."""
    config, settings = office.config, office.config.alarms
    if not settings.sinks:
        return []
    speaker = Speaker(load_words(WORDS, config.service.language), config.service.name, config.service.zone)
    keeper = AlarmKeeper(office.store, settings, places_of(config), speaker, office.almanac, office.clock)
    telling = {
        name: Telling(office.store, name, teller_of(sink), office.clock) for name, sink in settings.sinks.items()
    }
    return [keeper, *(Stage(tell_lane(name), one.work, office.store, office.clock) for name, one in telling.items())]


def places_of(config: Config) -> Places:
    """What alarms look at."""
    channels = {name: one for name, one in config.channels.items() if one.settings.enabled}
    targets = {name: one for name, one in config.targets.items() if one.enabled}
    folders = [
        config.data.folder,
        *(path for one in channels.values() if (path := getattr(one.adapter, "archive", None))),
    ]
    files: list[Path | None] = []
    for target in targets.values():
        files += [target.ca_file, target.client_cert.cert_file if target.client_cert else None]
    for one in channels.values():
        tls = getattr(one.adapter, "tls", None)
        files += [getattr(one.adapter, "ca_file", None), getattr(tls, "ca_file", None)]
    return Places(
        frozenset(channels),
        frozenset(targets),
        tuple(folders),
        tuple(dict.fromkeys(one for one in files if one is not None)),
    )


def answer_due(settings: ChannelSettings, config: Config, last: datetime) -> datetime:
    """By when a door that answered last at `last` has answered again if all is well."""
    due = last + SILENT_ROUNDS * (settings.every + settings.jitter)
    if settings.cron is not None:
        schedule = CronTrigger.from_crontab(settings.cron, timezone=config.service.zone)
        due = last
        for _ in range(SILENT_ROUNDS):
            due = schedule.get_next_fire_time(due, due + timedelta(seconds=1)) or due
        due += settings.jitter
    return due + PATIENCE


def trigger_of(settings: ChannelSettings, config: Config) -> CronTrigger | IntervalTrigger:
    """When to poll."""
    jitter = settings.jitter.total_seconds() or None
    if settings.cron is not None:
        trigger = CronTrigger.from_crontab(settings.cron, timezone=config.service.zone)
        trigger.jitter = jitter
        return trigger
    return IntervalTrigger(seconds=settings.every.total_seconds(), timezone=config.service.zone, jitter=jitter)


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
            name: FileAccess(target.token.get_secret_value(), target)
            for name, target in config.targets.items()
            if target.token is not None
        },
        reporters={name: target for name, target in config.targets.items() if target.reports is not None},
        channels={name: kind_of(one).value for name, one in config.channels.items()},
        fields=fields,
        pen=pen,
    )

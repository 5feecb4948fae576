"""The daemon: one composition root, one TaskGroup, an orderly stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from adapters.base import Adapter
from dispatch.worker import TargetWorker
from ingest.attachments import fetch_lane
from ingest.config import Channel, Config
from ingest.config_channels import ChannelSettings
from ingest.console.app import create_console
from ingest.console.settings import ConsoleSettings, FileAccess
from ingest.control import serve_control
from ingest.fetcher import Fetcher
from ingest.inbox import LETTER_LANE, READ_LANE
from ingest.metrics import Metrics
from ingest.office import Office, kind_of
from ingest.poller import Poller
from ingest.pulse import Pulse
from ingest.stage import Stage
from store import ledger

log = structlog.get_logger()
STAGES = ("poll", "read", "dispatch", "keep", "console")
GRACE = timedelta(seconds=7)
"""How long work under way may take to end after SIGTERM; with what follows, the process is gone within 10 s."""
READ_BATCH = 20
FETCHES_AT_ONCE = 4


class CannotListen(Exception):
    """The console's address is taken or not ours."""


@dataclass
class Daemon:
    """An office at work. `stopping` ends it."""

    office: Office
    stages: frozenset[str] = frozenset(STAGES)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        office = self.office
        self.metrics = Metrics()
        self.pulse = Pulse(
            office.store,
            self.metrics,
            office.clock,
            [name for name, one in office.config.channels.items() if one.settings.enabled],
            [name for name, one in office.config.targets.items() if one.enabled],
        )
        self._adapters: list[Adapter] = []

    async def run(self) -> None:
        """Work until told to stop, then let what is under way end, and give back the rest."""
        scheduler = AsyncIOScheduler(timezone=self.office.config.service.zone)
        runners: list[web.AppRunner] = []
        await self._take_back_leases()
        await self._release_held()
        try:
            if "console" in self.stages:
                runners.append(await self._listen())
            if self.office.store.exclusive:
                runners.append(await serve_control(self.office))
            pollers, fetchers = self._doors(scheduler)
            workers = [*fetchers, *self._workers()]
            scheduler.start()
            log.info(
                "started",
                stages=sorted(self.stages),
                channels=len(self._adapters),
                targets=len(self.office.config.targets),
            )
            await self._work(pollers, workers)
        finally:
            if scheduler.running:
                scheduler.shutdown(wait=False)
            for adapter in self._adapters:
                await adapter.close()
            for runner in runners:
                await runner.cleanup()
            log.info("stopped")

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT stop the daemon in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)

    async def _work(self, pollers: list[Coroutine[Any, Any, None]], workers: list[Coroutine[Any, Any, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            polling = [group.create_task(one) for one in pollers]
            working = [group.create_task(one) for one in workers]
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

    def _doors(
        self, scheduler: AsyncIOScheduler
    ) -> tuple[list[Coroutine[Any, Any, None]], list[Coroutine[Any, Any, None]]]:
        """A poller and a fetcher for every open channel."""
        pollers, fetchers = [], []
        for name, channel in self.office.config.channels.items():
            if channel.settings.enabled and "poll" in self.stages:
                adapter = channel.build()
                self._adapters.append(adapter)
                pollers.append(self._poller(scheduler, name, channel, adapter).run(self.stopping))
                fetchers.append(self._fetcher(name, adapter).run(self.stopping))
        return pollers, fetchers

    def _poller(self, scheduler: AsyncIOScheduler, name: str, channel: Channel, adapter: Adapter) -> Poller:
        office = self.office
        start = channel.settings.start(office.clock(), office.config.service.zone)
        poller = Poller(name, adapter, office.store, office.clock, start, self.metrics.stored)
        trigger = trigger_of(channel.settings, office.config)
        scheduler.add_job(poller.due.set, trigger, misfire_grace_time=None, coalesce=True, name=name)
        poller.due.set()
        return poller

    def _fetcher(self, name: str, adapter: Adapter) -> Stage:
        office = self.office
        fetcher = Fetcher(name, adapter, office.store, office.desk, office.clock)
        return Stage(fetch_lane(name), fetcher.fetch, office.store, office.clock, width=FETCHES_AT_ONCE)

    def _workers(self) -> list[Coroutine[Any, Any, None]]:
        office, stopping = self.office, self.stopping
        found: list[Coroutine[Any, Any, None]] = []
        if "read" in self.stages:
            reader = office.reader
            read = Stage(READ_LANE, reader.read_batch, office.store, office.clock, batch=READ_BATCH, width=2)
            letters = Stage(
                LETTER_LANE, reader.read_letters, office.store, office.clock, lease=timedelta(minutes=20), width=1
            )
            found += [read.run(stopping), letters.run(stopping)]
        if "dispatch" in self.stages:
            for name, target in office.config.targets.items():
                worker = TargetWorker(
                    name, target, office.store, office.desk.outbox, office.clock, self.metrics.attempted
                )
                found.append(worker.run(stopping))
        if self.stages & {"keep", "console"}:
            found.append(self.pulse.run(stopping))
        return found

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

    async def _listen(self) -> web.AppRunner:
        config, office = self.office.config, self.office
        console = create_console(
            office.store,
            console_settings(config),
            health=lambda: self.pulse.health,
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
        log.info("console", url=config.public_url)
        return runner


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
        channels={name: kind_of(one).value for name, one in config.channels.items()},
    )

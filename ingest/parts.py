"""What runs by a configuration, each part with all that it depends on: doors, targets, reading, alarms."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Connection

from adapters.base import Adapter
from dispatch.settings import TargetSettings
from dispatch.worker import TargetWorker
from ingest import channels
from ingest.alarms.blackout import Blackout
from ingest.alarms.conditions import DepotSeen
from ingest.alarms.keeper import AlarmKeeper, Telling
from ingest.alarms.looking import AnswerBy, Places
from ingest.alarms.settings import Sink
from ingest.alarms.sinks import teller_of
from ingest.alarms.watch import Speaker, tell_lane
from ingest.alarms.words import FOLDER as WORDS
from ingest.attachments import fetch_lane
from ingest.catalogue import load_words
from ingest.config import Channel, Config
from ingest.config_channels import ChannelSettings
from ingest.config_files import files_in
from ingest.crew import Part, Plan
from ingest.fetcher import Fetcher
from ingest.inbox import AGAIN, LETTER_LANE, READ_LANE
from ingest.listings import REMOVAL_LANE
from ingest.metrics import Metrics
from ingest.office import Office
from ingest.poller import PATIENCE, Poller
from ingest.rereading import Unusable
from ingest.retention import BATCH, Retention
from ingest.stage import Stage
from ingest.steady_clock import SteadyClock
from ingest.vetting import vetting
from store.beats import left

SILENT_ROUNDS = 3
"""A door that has missed so many polls in a row, and the time one may take, is not open, whatever it last said."""
READ_BATCH = 50
READ_LONGEST = LETTER_LONGEST = timedelta(minutes=20)
A_FETCH = timedelta(minutes=25)
"""A large file over a slow line may take twenty."""
FETCHES_AT_ONCE = 4
LATE = timedelta(seconds=10)
"""So much behind its schedule a door is asked without it: the clock was set back."""


@dataclass(frozen=True)
class Parts:
    """Plans the parts of a daemon by one configuration."""

    office: Office
    config: Config
    metrics: Metrics
    scheduler: AsyncIOScheduler

    def doors(self) -> Iterator[tuple[str, Plan]]:
        """A poller and a fetcher for every open channel."""
        for name, one in self.config.channels.items():
            if one.settings.enabled:
                terms = (one, self._files(one.adapter), self.config.service.zone)
                yield f"channel {name}", Plan(terms, partial(self._door, name, one))

    def targets(self) -> Iterator[tuple[str, Plan]]:
        for name, one in self.config.targets.items():
            yield f"target {name}", Plan((one, self._files(one)), partial(self._target, name, one), not one.idempotent)

    def reading(self) -> Iterator[tuple[str, Plan]]:
        """The reader goes by whatever configuration is in force."""
        yield "reading", Plan(None, self._reading)
        clamd = self.config.attachments.clamd
        yield "vetting", Plan(clamd, partial(self._vetting, clamd))

    def alarms(
        self, refused: Callable[[], str | None], depot: Callable[[], DepotSeen | None], answer_by: AnswerBy
    ) -> Iterator[tuple[str, Plan]]:
        """What watches, also where nobody is told: alarms stand on the overview, and end; and what tells whom."""
        settings, service = self.config.alarms, self.config.service
        places = places_of(self.config)
        terms = (settings, self._files(settings), places, service)
        yield "alarms", Plan(terms, partial(self._alarms, places, refused, depot, answer_by))
        for name, sink in settings.sinks.items():
            yield f"alarm sink {name}", Plan((sink, self._files(sink)), partial(self._sink, name, sink))

    def retention(self) -> Plan:
        """What removes originals whose time has come, if ever; what was begun is ended in any case."""
        keeps, zone = self.config.retention.originals, self.config.service.zone
        return Plan((keeps, zone), partial(self._retention, keeps, zone))

    def _retention(self, keeps: timedelta | None, zone: tzinfo) -> Part:
        store, clock = self.office.store, self.office.clock
        steady = SteadyClock(clock).is_steady
        retention = Retention(store, clock, zone, keeps or timedelta.max, steady)
        deleting = Stage(REMOVAL_LANE, retention.delete, store, clock, batch=BATCH)
        return Part(finishing=[deleting.run] if keeps is None else [deleting.run, retention.run])

    def _files(self, settings: object) -> dict[Path, str | None]:
        """What the files hold that settings refer to."""
        return {path: self.config.seen.contents.get(path) for path in files_in(settings)}

    def _door(self, name: str, channel: Channel) -> Part:
        try:
            adapter = channel.build()
        except OSError as error:
            raise Unusable(("channels", name), f"cannot be opened: {error.strerror or error}") from error
        poller = self._poller(name, channel, adapter)
        trigger = trigger_of(channel.settings, self.config)
        job = self.scheduler.add_job(poller.ring, trigger, misfire_grace_time=None, coalesce=True, name=name)
        poller.due.set()

        async def close() -> None:
            with suppress(JobLookupError):  # the scheduler has ended
                job.remove()
            await adapter.close()

        return Part(finishing=[self._fetcher(name, adapter).run], cut=[poller.run], close=close)

    def _poller(self, name: str, channel: Channel, adapter: Adapter) -> Poller:
        office, zone = self.office, self.config.service.zone
        return Poller(
            name,
            adapter,
            office.store,
            office.clock,
            channel.settings.start(office.clock(), zone),
            self.metrics.stored,
            longest=longest_wait(channel.settings),
            start=partial(channel.settings.start, zone=zone),
        )

    def _fetcher(self, name: str, adapter: Adapter) -> Stage:
        office = self.office
        fetcher = Fetcher(name, adapter, office.store, office.desk, office.clock)
        return Stage(
            fetch_lane(name),
            fetcher.fetch,
            office.store,
            office.clock,
            longest=A_FETCH,
            width=FETCHES_AT_ONCE,
            held=partial(channels.is_paused, name=name),
        )

    def _target(self, name: str, target: TargetSettings) -> Part:
        office = self.office
        worker = TargetWorker(name, target, office.store, office.clock, self.metrics.attempted, self._agreed)
        return Part(finishing=[worker.run], patience=worker.longest)

    def _agreed(self, conn: Connection, now: datetime) -> bool:
        return self.office.desk.outbox.agreed(conn, now)  # by the rights in force then

    def _reading(self) -> Part:
        reader, store, clock = self.office.reader, self.office.store, self.office.clock
        stage = partial(Stage, store=store, clock=clock)
        read = stage(
            READ_LANE, reader.read_batch, longest=READ_LONGEST, batch=READ_BATCH, width=2, behind=AGAIN[READ_LANE]
        )
        letters = stage(LETTER_LANE, reader.read_letters, longest=LETTER_LONGEST, behind=AGAIN[LETTER_LANE])
        return Part(finishing=[read.run, letters.run])

    def _vetting(self, clamd: str | None) -> Part:
        return Part(finishing=[vetting(clamd, self.office.store, self.office.desk, self.office.clock).run])

    def _alarms(
        self,
        places: Places,
        refused: Callable[[], str | None],
        depot: Callable[[], DepotSeen | None],
        answer_by: AnswerBy,
    ) -> Part:
        service, settings, clock, store = self.config.service, self.config.alarms, self.office.clock, self.office.store
        speaker = Speaker(load_words(WORDS, service.language), service.name, service.zone)
        tellers = {name: teller_of(sink) for name, sink in settings.sinks.items()}
        keeper = AlarmKeeper(
            store,
            settings,
            places,
            speaker,
            self.office.almanac,
            clock,
            Blackout(settings.store_down, speaker, tellers, clock),
            refused,
            depot,
            answer_by,
            None if store.exclusive else socket.gethostname(),
            self._agreed,
        )
        return Part(finishing=[keeper.run])

    def _sink(self, name: str, sink: Sink) -> Part:
        store, clock = self.office.store, self.office.clock
        telling = Telling(store, name, teller_of(sink), clock)
        return Part(finishing=[Stage(tell_lane(name), telling.work, store, clock).run])


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
        frozenset(config.alarms.sinks),
        tuple(folders),
        tuple(dict.fromkeys(one for one in files if one is not None)),
        config.alarms.backups,
        frozenset(config.targets) - frozenset(targets),
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


def longest_wait(settings: ChannelSettings) -> timedelta | None:
    """At the latest so long after a visit a door is due again; None: it keeps hours of its own."""
    return None if settings.cron is not None else settings.every + settings.jitter + LATE


def trigger_of(settings: ChannelSettings, config: Config) -> CronTrigger | IntervalTrigger:
    """When to poll."""
    jitter = settings.jitter.total_seconds() or None
    if settings.cron is not None:
        trigger = CronTrigger.from_crontab(settings.cron, timezone=config.service.zone)
        trigger.jitter = jitter
        return trigger
    zone, every = config.service.zone, settings.every
    begins = datetime.now(zone) + left(every)  # together with what else is done now and then
    return IntervalTrigger(seconds=every.total_seconds(), start_date=begins, timezone=zone, jitter=jitter)

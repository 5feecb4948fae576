"""What the configuration makes: the store and everything that works on it, before anything runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import make_url

from adapters.document import pointer_to
from dispatch.outbox import Outbox
from ingest.almanac import Almanac
from ingest.calendar_files import read_calendar
from ingest.cases import CaseDesk
from ingest.clockwork import Clockwork
from ingest.config import Channel, Config
from ingest.in_force import InForce
from ingest.reader import Door, Reader
from ingest.reading_room import ReadingRoom
from ingest.workers import WorkerLimits, WorkerPool
from normalize.calendar import WorkCalendar
from normalize.case import ChannelKind
from store.address import shown
from store.engine import Store, open_store
from store.failure import place_of

log = structlog.get_logger()

KIND_OF = {
    "sunshine": ChannelKind.SUNSHINE,
    "hotline": ChannelKind.HOTLINE,
    "mailbox": ChannelKind.MAILBOX,
    "letters": ChannelKind.LETTER,
}
CLOSING = timedelta(seconds=1)
READERS = 1
"""It keeps up with one process that stores and delivers what it reads."""
READER_LIMITS = WorkerLimits(memory=2**30, tasks=1000, idle=timedelta(seconds=30), answer=512 * 2**20)
SCAN_WORKERS = 1
"""One recognises a page in about a second with two threads and takes 1.1 GB: more would take the office's server."""


@dataclass
class Office:
    """One installation, opened; close it at the end. All its parts go by `config`, whichever that is now."""

    config: Config
    store: Store
    desk: CaseDesk
    almanac: Almanac
    reader: Reader
    room: ReadingRoom
    scans: WorkerPool
    clock: Callable[[], datetime]
    in_force: InForce | None = None
    """Of the daemon that works by it; none: a command works here for a moment."""

    def take_up(self, config: Config, calendar: WorkCalendar) -> None:
        """Go by another configuration of the same store, and its calendar, from now on."""
        self.almanac.turn_to(calendar, config.calendar)
        self.desk.go_by(_desk(config, calendar, self.store))
        self.reader.doors, self.room.rules, self.config = doors_of(config.channels), config.rules, config

    def tell_if_new(self) -> None:
        """Whoever meant another folder or database should hear of it before its sources are asked for everything."""
        if self.store.new:
            config = self.config
            place = shown(make_url(config.database)) if config.shared else str(self.store.folder)
            log.warning("new installation made", place=place)

    async def renew_key(self) -> None:
        """Have the store seal with a fresh data key once the one in use is a quarter old."""
        if await self.store.renew_key(self.config.sealing.master(), self.clock()):
            log.info("data key renewed")

    async def close(self) -> None:
        """Let go; what was handed to the store is written first."""
        await within(CLOSING, self.scans.close(), "scan workers")
        await within(CLOSING, self.room.pool.close(), "reading worker")
        own = ThreadPoolExecutor(1, thread_name_prefix="store-close")  # others may hang
        await asyncio.get_running_loop().run_in_executor(own, self.store.close)
        own.shutdown(wait=False)


async def within(longest: timedelta, act: Awaitable[None], what: str) -> None:
    """Close one thing: neither its failure nor its slowness keeps the others open."""
    try:
        async with asyncio.timeout(longest.total_seconds()):
            await act
    except Exception as error:  # noqa: BLE001 - the way out is an outer loop too
        log.warning("did not close", what=what, error=place_of(error))


def open_office(config: Config, clock: Callable[[], datetime] | None = None, *, begins: bool = True) -> Office:
    """Open the store and put the parts together; without a `clock` all go by the store's.

    Raises:
        StoreBusy, StoreUnreachable, StoreRefused, TablesNewer, SealBroken: as `open_store` does.
    """
    now = clock() if clock else None
    store = open_store(config.database, config.data.folder, config.sealing.master(), now, config.bucket, begins=begins)
    clock = clock or store.clock
    with ExitStack() as undo:
        undo.callback(store.close)
        almanac = Almanac(calendar_of(config), config.calendar)
        desk = _desk(config, almanac.calendar, store)
        scans = scan_workers()
        room = ReadingRoom(WorkerPool("normalize.reading_process", READERS, READER_LIMITS), config.rules)
        reader = Reader(store, desk, doors_of(config.channels), room, scans, clock)
        undo.pop_all()
        return Office(config, store, desk, almanac, reader, room, scans, clock)


def _desk(config: Config, calendar: WorkCalendar, store: Store) -> CaseDesk:
    return CaseDesk(
        sealer=store.sealer,
        blobs=store.blobs,
        outbox=Outbox(config.targets, store.sealer, config.service.zone),
        clockwork=Clockwork(config.rules.clocks, config.rules.reminders, calendar),
        zone=config.service.zone,
        public_url=config.public_url,
        vets=config.attachments.clamd is not None,
    )


def calendar_of(config: Config) -> WorkCalendar:
    """Raises ConfigErrors: its file cannot be used."""
    return WorkCalendar.from_years({}) if config.calendar is None else read_calendar(config.calendar)


def scan_workers() -> WorkerPool:
    return WorkerPool("normalize.ocr", SCAN_WORKERS)


def kind_of(channel: Channel) -> ChannelKind:
    """What the case calls the channel; a platform described in YAML says it itself."""
    said: str | None = getattr(channel.adapter, "channel_kind", None)
    return ChannelKind(said) if said else KIND_OF[channel.settings.kind]


def _records(channel: Channel) -> str:
    """Where an answer of the channel's platform holds its records; channels that are no platform have none."""
    listing = getattr(channel.adapter, "listing", None)
    return pointer_to(listing.records.split(".")) if listing is not None and listing.records else ""


def doors_of(channels: Mapping[str, Channel]) -> dict[str, Door]:
    """What the reader must know of each channel."""
    return {
        name: Door(
            kind=kind_of(one),
            platform=one.settings.platform or getattr(one.adapter, "platform", None),
            fields=getattr(one.adapter, "map", None),
            records=_records(one),
        )
        for name, one in channels.items()
    }

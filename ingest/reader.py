"""The reading stage: Raws become readings off the event loop, readings become cases in one transaction each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from adapters.fieldmap import FieldMap
from ingest import inbox
from ingest.cases import CaseDesk
from ingest.inbox import RawRow
from ingest.readings import PreparedReading, prepare
from ingest.worker_process import WorkerFailed, WorkerMissing, WorkerRefused
from ingest.workers import WorkerPool
from normalize.case import ChannelKind
from normalize.read import read
from normalize.reading import Reading, Source, Unreadable
from normalize.rules import Rules
from normalize.scan import Scan
from store import crashpoint, ledger
from store.blobs import Kept, find
from store.engine import Store
from store.failure import is_passing, place_of
from store.ledger import Claim
from store.sealing import SealBroken

log = structlog.get_logger()
SCAN_TIMEOUT = timedelta(minutes=15)
"""For a whole batch of scans, at most 200 pages; one takes a second or two."""
SCAN_ATTEMPTS = 2
SCAN_RETRY = timedelta(minutes=1)
RACES = 3
"""Two processes may make the same case at once; who loses finds it made at the next try."""

Content: TypeAlias = bytes | SealBroken | KeyError | OSError
"""A Raw's bytes, or why they cannot be had."""


@dataclass(frozen=True)
class Door:
    """What the reader must know of a configured channel."""

    kind: ChannelKind
    platform: str | None = None
    fields: FieldMap | None = None
    records: str = ""
    """Where a platform's answer holds its records (RFC 6901)."""


async def recognise(scans: WorkerPool, content: bytes) -> Scan:
    """The scan in a file. Raises WorkerRefused (it is none), WorkerFailed (the worker died over it)."""
    return Scan.from_json(await scans.call({}, content, SCAN_TIMEOUT))


@dataclass(frozen=True)
class Reader:
    """Reads what lies in the inbox."""

    store: Store
    desk: CaseDesk
    doors: Mapping[str, Door]
    rules: Rules
    scans: WorkerPool
    clock: Callable[[], datetime]

    async def read_batch(self, claims: Sequence[Claim]) -> None:
        """Mails and records: a batch is parsed in one go off the loop."""
        loaded = await self.store.read(lambda conn: [self._load(conn, held) for held in claims])
        found = await asyncio.to_thread(lambda: [self._read(row, self._open(kept), None) for row, kept in loaded])
        ends = await asyncio.gather(
            *(self._finish(held, row, one) for held, (row, _), one in zip(claims, loaded, found, strict=True)),
            return_exceptions=True,
        )
        for failure in ends:
            if failure is not None:
                raise failure  # the stage puts back those that have not ended

    async def read_letters(self, claims: Sequence[Claim]) -> None:
        """Scans, one at a time: recognised in a worker process that may crash, hang or grow at its own cost."""
        for held in claims:
            row, kept = await self.store.read(partial(self._load, held=held))
            content = await asyncio.to_thread(self._open, kept)
            try:
                scan = None
                if isinstance(content, bytes) and not row.meta.get("refused"):
                    scan = await recognise(self.scans, content)
            except WorkerMissing:
                raise  # nothing is wrong with the scan
            except WorkerRefused as error:
                await self._finish(held, row, f"the scan cannot be read: {error}")
            except WorkerFailed as error:
                await self._failed(held, row, error)
            else:
                crashpoint.reach("mid_ocr")
                await self._finish(held, row, await asyncio.to_thread(self._read, row, content, scan))

    async def _failed(self, held: Claim, row: RawRow, error: WorkerFailed) -> None:
        """A worker died over it, which may be the machine's fault: once more, then it is kept aside."""
        if held.attempts >= SCAN_ATTEMPTS:
            await self._finish(held, row, f"the scan cannot be read: {error}")
            return
        log.warning("recognising failed", channel=row.channel, raw=row.id, attempt=held.attempts, error=str(error))
        due = self.clock() + SCAN_RETRY
        await self.store.write(partial(ledger.postpone, held=held, due=due, reason=str(error)))

    def _load(self, conn: Connection, held: Claim) -> tuple[RawRow, Kept | SealBroken | KeyError]:
        """The Raw, or what is wrong with it: that must not hold up what was claimed beside it."""
        raw_id = held.payload["raw"]
        try:
            row = inbox.load(conn, self.store.sealer, raw_id)
            return row, find(conn, row.sha256)
        except (SealBroken, KeyError) as error:
            return inbox.unopened(conn, raw_id), error

    def _open(self, kept: Kept | SealBroken | KeyError) -> Content:
        """A Raw's bytes, or why there are none; off the loop and outside a transaction, since a bucket takes time."""
        try:
            return self.store.blobs.open(kept) if isinstance(kept, Kept) else kept
        except (SealBroken, OSError) as error:
            return error

    def _read(self, row: RawRow, content: Content, scan: Scan | None) -> list[PreparedReading] | str | OSError:
        """The readings of a Raw, or why there are none; OSError: the disk's trouble, which says nothing about it."""
        if isinstance(content, OSError):
            return content
        if not isinstance(content, bytes):
            log.error("original damaged", channel=row.channel, raw=row.id, error=content.args[0])
            return str(content.args[0])
        door = self.doors.get(row.channel)
        if door is None:
            return f"channel {row.channel} is not in the configuration any more; add it again and read this anew"
        try:
            found = read(content, row.pointer, self.source(row, door), self.rules, door.fields, scan)
            return self._prepare(row, found)
        except Unreadable as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - foreign bytes found a bug of ours: one item is kept aside, not lost
            log.error("reader failed", channel=row.channel, raw=row.id, error=place_of(error))
            return f"the reader failed: {place_of(error)}"

    def _prepare(self, row: RawRow, found: Sequence[Reading]) -> list[PreparedReading] | OSError:
        try:
            return [prepare(one, row.sha256, self.store.blobs, self.store.sealer) for one in found]
        except OSError as error:  # here, where no foreign bytes are parsed, it is the disk
            return error

    def source(self, row: RawRow, door: Door) -> Source:
        """What is known of a Raw besides its bytes."""
        return Source(
            channel=row.channel,
            channel_kind=door.kind,
            kind=row.kind,
            locator=row.locator,
            received_at=row.received_at,
            fetched_at=row.fetched_at,
            platform=door.platform,
            meta={"sha256": row.sha256, "key": row.key, **row.meta},
        )

    async def _finish(self, held: Claim, row: RawRow, found: list[PreparedReading] | str | OSError) -> None:
        """Write the result and end the step together; what cannot be written is kept aside like what cannot be read.

        Raises the store's and the disk's own trouble: the step comes back, or it has ended after all.
        """
        if isinstance(found, OSError):
            raise found
        try:
            touched = await self.store.write(lambda conn: self._accept(conn, held, row, found))
        except ledger.LeaseLost:
            log.warning("reading outlived its lease", channel=row.channel, raw=row.id)
            return
        except Exception as error:
            if is_passing(error) or (isinstance(error, IntegrityError) and held.attempts < RACES):
                raise
            log.error("case could not be written", channel=row.channel, raw=row.id, error=place_of(error))
            reason = f"the case could not be written: {place_of(error)}"
            touched = await self.store.write(lambda conn: self._accept(conn, held, row, reason))
        for case_id in touched:
            log.info("case kept", channel=row.channel, raw=row.id, case_id=case_id)

    def _accept(self, conn: Connection, held: Claim, row: RawRow, found: list[PreparedReading] | str) -> list[str]:
        now = self.clock()
        ledger.done(conn, held)
        if isinstance(found, str):
            inbox.mark(conn, row.id, "quarantined", found, now)
            log.warning("kept aside", channel=row.channel, raw=row.id)
            return []
        return self.desk.accept(conn, row, found, now)

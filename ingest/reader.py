"""The reading stage: Raws become readings off the event loop, readings become cases in one transaction each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from adapters.fieldmap import FieldMap
from ingest import inbox
from ingest.cases import CaseDesk, Read, Touched
from ingest.inbox import End, RawRow
from ingest.reading_room import ReadingRoom, Told
from ingest.readings import PreparedReading, prepare
from ingest.worker_process import WorkerFailed, WorkerMissing, WorkerRefused
from ingest.workers import WorkerPool
from normalize.case import ChannelKind
from normalize.reading import Disposition, Source
from normalize.reading_process import Asked, Unread
from normalize.scan import Scan
from store import crashpoint, ledger
from store.blobs import Kept, find_all, is_large, missing
from store.engine import Store
from store.failure import is_passing, place_of
from store.ledger import Claim
from store.sealing import SealBroken

log = structlog.get_logger()
SCAN_TIMEOUT = timedelta(minutes=15)
"""For a whole batch of scans, at most 200 pages; one takes a second or two."""
ATTEMPTS = 2
RETRY = timedelta(minutes=1)
"""Once more, when its reader has died over a Raw."""
TOGETHER = 32 * 2**20
"""So many bytes of Raws are in memory at once, and again where they are sealed: a mail may have 64 MiB."""
NEW_DOOR = timedelta(minutes=15)
"""So long after it came a Raw of a channel that we do not know may be of one that other hosts know already."""
LEFT = timedelta(minutes=1)
RACES = 3
"""Two processes may make the same case at once; who loses finds it made at the next try."""

Content: TypeAlias = bytes | SealBroken | KeyError | OSError
"""A Raw's bytes, or why they cannot be had."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A Raw in our hands, and where its bytes are, or why they cannot be had."""

    held: Claim
    row: RawRow
    kept: Kept | SealBroken | KeyError


@dataclass(frozen=True, eq=False)
class Taken:
    """A Raw in our hands, with its bytes and, of a scan, what was recognised in it."""

    held: Claim
    row: RawRow
    content: Content
    scan: Scan | None = None


@dataclass(frozen=True)
class Done:
    """A Raw in our hands, and what came of reading it: readings, or why there are none."""

    held: Claim
    row: RawRow
    found: list[PreparedReading] | str | OSError | WorkerFailed


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


@dataclass
class Reader:
    """Reads what lies in the inbox."""

    store: Store
    desk: CaseDesk
    doors: Mapping[str, Door]
    """As configured now: what is under way may have been asked for by earlier ones."""
    room: ReadingRoom
    scans: WorkerPool
    clock: Callable[[], datetime]

    async def read_batch(self, claims: Sequence[Claim]) -> None:
        """Mails and records: read together, written together, as many at a time as may lie in memory.

        Raises the disk's trouble with some of them when the others are done.
        """
        failure: OSError | None = None
        known = await self._known(await self._load(claims))
        near = [one for one in known if not _lies_in_depot(one)]
        far = [one for one in known if _lies_in_depot(one)]  # last: a depot may take its time
        for some in (*_portions(near), *_portions(far)):
            try:
                await self._read_and_finish(await self._open(some))
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def read_letters(self, claims: Sequence[Claim]) -> None:
        """Scans, one at a time: recognised in a worker process that may crash, hang or grow at its own cost."""
        for loaded in await self._known(await self._load(claims)):
            held, (taken,) = loaded.held, await self._open([loaded])
            try:
                if isinstance(taken.content, bytes) and not taken.row.meta.get("refused"):
                    taken = replace(taken, scan=await recognise(self.scans, taken.content))
            except WorkerMissing:
                raise  # nothing is wrong with the scan
            except WorkerRefused as error:
                await self._finish_all([Done(held, taken.row, f"the scan cannot be read: {error}")])
            except WorkerFailed as error:
                await self._finish_all([Done(held, taken.row, error)])
            else:
                crashpoint.reach("mid_ocr")
                await self._read_and_finish([taken])

    async def _load(self, claims: Sequence[Claim]) -> list[Loaded]:
        """The Raws as the database has them; small ones with their sealed bytes."""
        return await self.store.read(partial(self._find, claims=claims))

    def _find(self, conn: Connection, claims: Sequence[Claim]) -> list[Loaded]:
        rows = inbox.find(conn, [held.payload["raw"] for held in claims])
        blobs = find_all(conn, [row.blob for row in rows.values()])
        found = []
        for held in claims:
            row = rows[held.payload["raw"]]
            try:
                found.append(
                    Loaded(held, inbox.opened(row, self.store.sealer), blobs.get(row.blob) or missing(row.blob))
                )
            except SealBroken as error:
                found.append(Loaded(held, inbox.unopened(row), error))
        return found

    async def _known(self, loaded: Sequence[Loaded]) -> list[Loaded]:
        """Without those of channels that are new on another host, or still there: they are left to it, uncounted.

        Another configuration reaches one host before the others.
        """
        young = self.clock() - NEW_DOOR
        left = [
            one
            for one in loaded
            if one.row.channel not in self.doors and one.held.created_at > young and not one.row.closed
        ]
        if not left or self.store.exclusive:
            return list(loaded)
        await self.store.write(partial(_leave, left=[one.held for one in left], due=self.clock() + LEFT))
        log.info(
            "left to other hosts: channel not in our configuration", channels=sorted({one.row.channel for one in left})
        )
        return [one for one in loaded if one not in left]

    async def _open(self, loaded: Sequence[Loaded]) -> list[Taken]:
        """With their bytes, or what is wrong with them: that must not hold up what was claimed beside.

        Off the loop and outside a transaction, since a depot takes time; what several records lie in is opened once.
        """
        act = partial(self._opened, loaded)
        try:
            return await self.store.blobs.apart(act, at_depot=any(map(_lies_in_depot, loaded)))
        except OSError as error:
            return [Taken(one.held, one.row, error) for one in loaded]

    def _opened(self, loaded: Sequence[Loaded]) -> list[Taken]:
        contents: dict[str, Content] = {}
        for one in loaded:
            if isinstance(one.kept, Kept) and one.kept.sha256 not in contents:
                contents[one.kept.sha256] = self._content(one.kept)
        return [
            Taken(one.held, one.row, contents[one.kept.sha256] if isinstance(one.kept, Kept) else one.kept)
            for one in loaded
        ]

    def _content(self, kept: Kept) -> Content:
        try:
            return self.store.blobs.open(kept)
        except (SealBroken, OSError) as error:
            return error

    async def _read_and_finish(self, taken: Sequence[Taken]) -> None:
        async with aclosing(self._read(taken)) as results:
            async for done in results:
                await self._finish_all(done)

    async def _read(self, taken: Sequence[Taken]) -> AsyncGenerator[list[Done], None]:
        """What came of each, as soon as it is known; of what a person has settled meanwhile, nothing.

        Raises WorkerMissing.
        """
        refused = {one: self._why_not(one) for one in taken if not one.row.closed}
        readable, at = [one for one, why in refused.items() if why is None], 0
        far: list[tuple[Taken, Told]] = []
        async with aclosing(self.room.read([self._asked(one) for one in readable])) as answers:
            async for told in answers:
                pairs = list(zip(readable[at : at + len(told)], told, strict=True))
                at += len(told)
                far += [pair for pair in pairs if _brings_large(pair[1])]
                near = [pair for pair in pairs if not _brings_large(pair[1])]
                yield await asyncio.to_thread(self._done_all, near)
        settled = [Done(one.held, one.row, []) for one in taken if one.row.closed]
        yield settled + [self._done(one, why) for one, why in refused.items() if why is not None]
        if far:
            yield await self._done_at_depot(far)

    async def _done_at_depot(self, pairs: Sequence[tuple[Taken, Told]]) -> list[Done]:
        try:
            return await self.store.blobs.apart(partial(self._done_all, pairs), at_depot=True)
        except OSError as error:
            return [Done(one.held, one.row, error) for one, _ in pairs]

    def _done_all(self, pairs: Sequence[tuple[Taken, Told]]) -> list[Done]:
        return [self._done(*pair) for pair in pairs]

    def _why_not(self, one: Taken) -> str | OSError | None:
        """Why it cannot be read; OSError: the disk's trouble, which says nothing about it."""
        if isinstance(one.content, OSError):
            return one.content
        if not isinstance(one.content, bytes):
            log.error("original damaged", channel=one.row.channel, raw=one.row.id, error=one.content.args[0])
            return str(one.content.args[0])
        if one.row.channel not in self.doors:
            return f"channel {one.row.channel} is not in the configuration any more; add it again and read this anew"
        return None

    def _asked(self, one: Taken) -> Asked:
        door = self.doors[one.row.channel]
        content = one.content if isinstance(one.content, bytes) else b""
        return Asked(content, one.row.pointer, self.source(one.row, door), door.fields, one.scan)

    def _done(self, one: Taken, told: Told | str | OSError) -> Done:
        """The result, its attachments sealed and on disk. Slow: off the event loop."""
        row = one.row
        if isinstance(told, Unread):
            if told.fault:
                log.error("reader failed", channel=row.channel, raw=row.id, error=told.reason)
            return Done(one.held, row, f"the reader failed: {told.reason}" if told.fault else told.reason)
        if not isinstance(told, list):
            return Done(one.held, row, told)
        try:
            found = [prepare(reading, row.sha256, self.store.blobs, self.store.sealer) for reading in told]
        except OSError as error:
            return Done(one.held, row, error)
        return Done(one.held, row, found)

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

    async def _finish_all(self, done: Sequence[Done]) -> None:
        """End these steps with their results: in one transaction, or, when that cannot be written, each in its own.

        Raises the store's and the disk's own trouble: what has not ended comes back.
        """
        to_write = [one for one in done if not isinstance(one.found, Exception)]
        if len(to_write) > 1 and await self._finish_together(to_write):
            done = [one for one in done if isinstance(one.found, Exception)]
        for failure in await asyncio.gather(*map(self._finish, done), return_exceptions=True):
            if failure is not None:
                raise failure

    async def _finish_together(self, done: Sequence[Done]) -> bool:
        """False: one of them cannot be written, so none was."""
        try:
            touched = await self.store.write(lambda conn: self._accept(conn, done))
        except Exception as error:
            if is_passing(error):
                raise
            return False
        _tell(done, touched)
        return True

    async def _finish(self, done: Done) -> None:
        """Write the result and end the step together; what cannot be written is kept aside like what cannot be read."""
        held, row = done.held, done.row
        if isinstance(done.found, WorkerFailed):
            await self._failed(held, row, done.found)
            return
        if isinstance(done.found, OSError):
            raise done.found
        try:
            touched = await self.store.write(lambda conn: self._accept(conn, [done]))
        except ledger.LeaseLost:
            log.warning("reading outlived its lease", channel=row.channel, raw=row.id)
            return
        except Exception as error:
            if is_passing(error) or (isinstance(error, IntegrityError) and held.attempts < RACES):
                raise
            log.error("case could not be written", channel=row.channel, raw=row.id, error=place_of(error))
            done = replace(done, found=f"the case could not be written: {place_of(error)}")
            touched = await self.store.write(lambda conn: self._accept(conn, [done]))
        _tell([done], touched)

    async def _failed(self, held: Claim, row: RawRow, error: WorkerFailed) -> None:
        """A worker died over it, which may be the machine's fault: once more, then it is kept aside."""
        if held.attempts >= ATTEMPTS:
            await self._finish(Done(held, row, f"reading it failed: {error}"))
            return
        log.warning("reading failed", channel=row.channel, raw=row.id, attempt=held.attempts, error=str(error))
        due = self.clock() + RETRY
        await self.store.write(partial(ledger.postpone, held=held, due=due, reason=str(error)))

    def _accept(self, conn: Connection, done: Sequence[Done]) -> list[Touched]:
        """End the steps with their results. Raises LeaseLost."""
        now = self.clock()
        ledger.done_many(conn, [one.held for one in done])
        unread = [End(one.row.id, "quarantined", one.found) for one in done if isinstance(one.found, str)]
        inbox.mark(conn, unread, now)
        read = [Read(one.row, one.found) for one in done if isinstance(one.found, list)]
        return self.desk.accept(conn, read, now)


def _leave(conn: Connection, left: Sequence[Claim], due: datetime) -> None:
    for held in left:
        ledger.postpone(conn, held, due=due, reason="left to hosts that know its channel", charged=False)


def _lies_in_depot(one: Loaded) -> bool:
    return isinstance(one.kept, Kept) and one.kept.in_depot


def _brings_large(told: Told) -> bool:
    """Whether an attachment is to be laid into the depot."""
    return isinstance(told, list) and any(
        part.content is not None and is_large(part.content) for reading in told for part in reading.parts
    )


def _portions(loaded: Sequence[Loaded]) -> Iterator[list[Loaded]]:
    """As many at a time as have `TOGETHER` bytes, or one; what several of them lie in counts once."""
    some: list[Loaded] = []
    sizes: dict[str, int] = {}
    for one in loaded:
        own = {one.kept.sha256: one.kept.size} if isinstance(one.kept, Kept) else {}
        if some and sum((sizes | own).values()) > TOGETHER:
            yield some
            some, sizes = [], {}
        some.append(one)
        sizes |= own
    if some:
        yield some


def _is_kept_aside(done: Done) -> bool:
    if isinstance(done.found, list):
        return any(one.reading.disposition is Disposition.QUARANTINE for one in done.found)
    return isinstance(done.found, str)


def _tell(done: Sequence[Done], touched: Sequence[Touched]) -> None:
    for one in done:
        if _is_kept_aside(one):
            log.warning("kept aside", channel=one.row.channel, raw=one.row.id)
    for row, case_id in touched:
        log.info("case kept", channel=row.channel, raw=row.id, case_id=case_id)

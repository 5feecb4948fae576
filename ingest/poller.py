"""One task per channel: when the schedule says so, settle what is unsettled, poll, store, settle; else back off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from adapters.base import Adapter, Batch, ChannelRefused, ChannelUnavailable, Cursor
from adapters.start import MADE, check_clock, check_has_come
from ingest import channels, inbox
from ingest.channels import DoorLost
from ingest.clock_watch import SET, offset
from ingest.keeping import Keeper
from store import crashpoint, ledger
from store.blobs import Prepared, is_large
from store.database_clock import uninterrupted
from store.engine import Store, StoreFailed
from store.failure import is_passing, place_of
from store.ledger import Claim, LeaseLost

log = structlog.get_logger()
BACKOFF_FIRST = timedelta(seconds=5)
BACKOFF_LONGEST = timedelta(minutes=15)
OURS_LONGEST = timedelta(seconds=40)
"""Where the store or the machine is in trouble, not the source: when that is over, the door is visited soon."""
LONGEST_ASKED = timedelta(hours=6)
"""A source may ask for patience, not for oblivion."""
PATIENCE = timedelta(minutes=20)
"""A visit that brings neither a batch nor its end for so long hangs; a batch over a slow line may take ten minutes."""
SETTLE_PATIENCE = timedelta(minutes=4)
SETTLE_LEASE = SETTLE_PATIENCE + timedelta(minutes=1)
PAUSE_LOOK = timedelta(seconds=30)
"""So often a paused door is looked at, should the word that it was resumed be lost."""
RESUME_LOOK = timedelta(hours=1)
"""For that word is waited so long at a time; of several processes none waits longer than a second."""
UNCOUNTED = 4
"""Failures in a row to assume while they cannot be written down: the store itself is in trouble."""

T = TypeVar("T")

Counter = Callable[[str, int], None]


@dataclass
class Poller:
    """Keeps one door. `due` is set by the schedule; the poller owns back-off, and never polls twice at once."""

    name: str
    adapter: Adapter
    store: Store
    clock: Callable[[], datetime]
    start_from: datetime
    """Counts for a channel seen for the first time; later its first value stands."""
    stored: Counter
    """Told how many new matters a batch brought."""
    due: asyncio.Event = field(default_factory=asyncio.Event)
    resumed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a person has resumed the door: it is visited whatever it waits for."""
    not_before: datetime | None = None
    """While the door fails: when it is tried again; while it is paused: when that is asked again."""
    longest: timedelta | None = None
    """At the latest so long after a visit comes the next, whatever the clock says that the schedule goes by."""
    patience: timedelta = PATIENCE
    offset: Callable[[], float] = offset
    start: Callable[[datetime], datetime] | None = None
    """`start_from` by the moment of that first sight: asked again where the clock was far behind at it."""
    ticks: Callable[[], float] = uninterrupted
    keeper: Keeper = field(init=False)
    """Of several processes one polls."""
    _failed_by: float = 0.0
    """The clock's offset when the door failed: a platform refuses what is signed at a wrong time."""
    _enrolled: bool = False
    _made: datetime = field(init=False)
    """By the clock of then, or as it was put right."""
    _made_at: float = field(init=False)
    _said: set[int] = field(default_factory=set)
    """Settle rows whose failure was said."""

    def __post_init__(self) -> None:
        self._made, self._made_at = self.clock(), self.ticks()
        self.keeper = Keeper(self.name, self.store, self.clock, self.start_from)

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until stopping. Cancelled at any moment, nothing is lost: what was not stored is polled again."""
        await self.keeper.keep(lambda: self._poll(stopping))

    async def _poll(self, stopping: asyncio.Event) -> None:
        resumed_at = await self._resumed_at()
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(resumed_at, stopping))
            while not stopping.is_set():
                await self._wait()
                await self.round()
            listening.cancel()

    async def _listen(self, before: datetime | None, stopping: asyncio.Event) -> None:
        """Have the door visited at once when a person has resumed it, also where another process was told so."""
        while not stopping.is_set():
            await self.store.wakes.wait(channels.lane(self.name), RESUME_LOOK)
            since = await self._resumed_at()
            if since not in (None, before):
                self.resumed.set()
                self.due.set()
            before = since or before

    async def _resumed_at(self) -> datetime | None:
        try:
            return await self.store.read(lambda conn: channels.resumed_at(conn, self.name))
        except (StoreFailed, SQLAlchemyError):  # whose trouble every visit says
            return None

    async def ring(self) -> None:
        """The schedule's voice; a coroutine function, since the scheduler calls others from a thread.

        A door that failed by another clock need not wait any longer.
        """
        if self.not_before is not None and abs(self.offset() - self._failed_by) >= SET.total_seconds():
            self.resumed.set()
        self.due.set()

    async def enrol(self) -> None:
        """Make the channel's row; anew, where it was made by a clock that was far behind and nothing was read."""
        now, made, rightly = self.clock(), self._made, self._rightly()
        misled = self._is_misled()
        if misled and self.start is not None:
            self.start_from = self.keeper.start_from = self.start(rightly)

        def write(conn: Connection) -> None:
            channels.enrol(conn, self.name, self.start_from, now)
            if self.start is not None:
                channels.begin_anew(conn, self.name, self.start_from, now)

        await self.store.write(write)
        self._enrolled, self._made = True, rightly if misled else made

    def _rightly(self) -> datetime:
        """When this was made, by the clock as it goes now."""
        return self.clock() - timedelta(seconds=self.ticks() - self._made_at)

    def _is_misled(self) -> bool:
        return self._made < MADE <= self._rightly()

    async def _wait(self) -> None:
        """Until the schedule says so; after a failure until the back-off is over, whatever the schedule says. A person
        who resumes the door is waited for no longer.
        """
        if self.not_before is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self.longest is None else self.longest.total_seconds()):
                    await self.due.wait()
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(max((self.not_before - self.clock()).total_seconds(), 0)):
                    await self.resumed.wait()
        self.due.clear()
        self.resumed.clear()

    async def round(self) -> None:
        """One visit to the source; its failure is written down, and said when it is news."""
        try:
            paused = await self._is_paused()
            if not paused:
                await self._visit()
        except DoorLost:
            raise
        except Exception as error:  # noqa: BLE001 - the channel's outer loop: one door's bug must not shut the others
            await self._failed(error)
        else:
            self.not_before = self.clock() + PAUSE_LOOK if paused else None

    async def _is_paused(self) -> bool:
        return await self.store.read(lambda conn: channels.is_paused(conn, self.name))

    async def _visit(self) -> None:
        """Settle, poll, settle; a door that is paused meanwhile is left after the batch at hand."""
        if not self._enrolled or self._is_misled():
            await self.enrol()
        await self._settle()
        row = await self.store.read(lambda conn: channels.state(conn, self.name))
        if row.cursor is None:
            check_clock(self.name, self.clock())
            check_has_come(self.name, row.start_from, self.clock())
        async with aclosing(self.adapter.poll(row.cursor, row.start_from)) as batches:
            while (batch := await self._watched(anext(batches, None), self.patience)) is not None:
                await self._take(batch, row.cursor)
                if await self._is_paused():
                    return
                await self._settle()
        now = self.clock()
        if await self.keeper.write(lambda conn: channels.answered(conn, self.name, now)):
            log.info("channel is back", channel=self.name)

    async def _take(self, batch: Batch, before: Cursor | None) -> None:
        """Store a batch: raw first, with its cursor, then nothing can be lost any more."""
        new = await self.store.read(lambda conn: inbox.unknown(conn, self.name, batch.raws)) if batch.raws else ()
        if not new and not batch.skipped and batch.settle is None and batch.cursor == before:
            return
        needed = {one.blob for one in new}
        large = any(is_large(batch.blobs[index]) for index in needed)
        kept = await self.store.blobs.apart(partial(self._prepare, batch, needed), at_depot=large)
        now = self.clock()

        def write(conn: Connection) -> list[int]:
            return inbox.store_batch(
                conn, self.name, batch, new, kept, blobs=self.store.blobs, sealer=self.store.sealer, now=now
            )

        ids = await self.keeper.write(write)
        if ids:
            crashpoint.reach("after_raw_commit")
        if batch.skipped:
            log.warning("older matters were left at the source", channel=self.name, count=batch.skipped)
        if ids:
            self.stored(self.name, len(ids))
            log.info("matters taken in", channel=self.name, count=len(ids))

    def _prepare(self, batch: Batch, indexes: set[int]) -> dict[int, Prepared]:
        return {index: self.store.blobs.prepare(batch.blobs[index]) for index in indexes}

    async def _settle(self) -> None:
        """Acknowledge at the source every batch that was stored, also those of an earlier life.

        One that fails is tried again later by itself: polling goes on, as storing what is known changes nothing.
        """
        while claims := await self._unsettled():
            for held in claims:
                try:
                    await self._settle_one(held)
                except asyncio.CancelledError:
                    await asyncio.shield(self._give_back([held]))
                    raise

    async def _settle_one(self, held: Claim) -> None:
        try:
            token = inbox.settle_token(self.store.sealer, self.name, held.payload)
            await self._watched(self.adapter.settle(token), SETTLE_PATIENCE)
        except Exception as error:  # noqa: BLE001 - one row's trouble must not shut the door
            await self._settle_later(held, error)
            return
        crashpoint.reach("mid_settle")
        await self.keeper.write(lambda conn: ledger.done(conn, held))
        self._said.discard(held.id)

    async def _unsettled(self) -> list[Claim]:
        """Claimed; cancelled while the store is slow, what is claimed all the same is given back."""
        now, lane = self.clock(), inbox.settle_lane(self.name)
        claiming = asyncio.ensure_future(
            self.keeper.write(lambda conn: ledger.claim(conn, lane, now=now, lease=SETTLE_LEASE))
        )
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.wait([claiming])
            if claiming.exception() is None:
                await asyncio.shield(self._give_back(claiming.result()))
            raise

    async def _give_back(self, claims: Sequence[Claim]) -> None:
        """Whoever is next settles them at once; where that cannot be written down, when their leases have run out."""
        for held in claims:
            try:
                await self._postpone(held, timedelta(0), "stopped", charged=False)
            except (LeaseLost, DoorLost):
                pass  # it ended, or another has the door
            except Exception as error:  # noqa: BLE001 - a full disk here must not keep us from ending
                log.error("step not put back", lane=held.lane, row=held.id, error=place_of(error))

    async def _settle_later(self, held: Claim, error: Exception) -> None:
        said = _said(error)
        if held.id not in self._said:
            self._said.add(held.id)
            say = log.warning if isinstance(error, ChannelUnavailable) else log.error
            say("not acknowledged at the source; tried again", channel=self.name, step=held.id, error=said)
        await self._postpone(held, _backoff(held.attempts), said)

    async def _postpone(self, held: Claim, wait: timedelta, reason: str, *, charged: bool = True) -> None:
        due = self.clock() + wait
        await self.keeper.write(lambda conn: ledger.postpone(conn, held, due=due, reason=reason, charged=charged))

    async def _watched(self, act: Awaitable[T], patience: timedelta) -> T:
        """What the adapter answers. Raises ChannelUnavailable: it hangs, which no time-out of its own has noticed."""
        try:
            async with asyncio.timeout(patience.total_seconds()) as watch:
                return await act
        except TimeoutError as error:
            if not watch.expired():
                raise
            raise ChannelUnavailable(f"{self.name}: nothing came for {patience}; expected an answer") from error

    async def _failed(self, error: Exception) -> None:
        now, said, self._failed_by = self.clock(), _said(error), self.offset()
        state = channels.REFUSED if isinstance(error, ChannelRefused) else channels.UNAVAILABLE
        whole = isinstance(error, ChannelUnavailable | ChannelRefused) and error.reached_end
        try:
            failures, news = await self.keeper.write(
                lambda conn: channels.failed(conn, self.name, state, said, now, reached_end=whole)
            )
        except Exception as trouble:  # noqa: BLE001 - the channel's outer loop: it outlives a full disk
            log.error("channel's failure not written down", channel=self.name, error=place_of(trouble), failure=said)
            failures, news = UNCOUNTED, False
            whole = False
        self.not_before = None if whole else now + _patience_with(error, failures)
        if news:
            say = log.error if state == channels.REFUSED else log.warning
            say("channel " + state, channel=self.name, error=said)


def _patience_with(error: Exception, failures: int) -> timedelta:
    """How long to leave a source alone that has failed so many times in a row."""
    asked = error.retry_after if isinstance(error, ChannelUnavailable) else None
    if asked is not None:
        return max(BACKOFF_FIRST, min(asked, LONGEST_ASKED))
    wait = BACKOFF_LONGEST if isinstance(error, ChannelRefused) else _backoff(failures)
    return min(wait, OURS_LONGEST) if is_passing(error) else wait


def _backoff(failures: int) -> timedelta:
    steps: int = 2 ** min(failures - 1, 16)
    return min(BACKOFF_FIRST * steps, BACKOFF_LONGEST)


def _said(error: Exception) -> str:
    """The words of our own errors; of others the place only, as their words may be a citizen's."""
    ours = isinstance(error, ChannelUnavailable | ChannelRefused)
    return str(error) if ours else f"unexpected: {place_of(error)}"

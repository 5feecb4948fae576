"""One task per channel: when the schedule says so, settle what is unsettled, poll, store, settle; else back off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from adapters.base import Adapter, Batch, ChannelRefused, ChannelUnavailable, Cursor
from ingest import channels, inbox
from store import crashpoint, ledger
from store.blobs import Prepared
from store.engine import Store
from store.failure import place_of
from store.ledger import Claim

log = structlog.get_logger()
BACKOFF_FIRST = timedelta(seconds=5)
BACKOFF_LONGEST = timedelta(minutes=15)
SETTLE_LEASE = timedelta(minutes=5)

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
    not_before: datetime | None = None
    """While the door fails: when it is tried again."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until stopping. Cancelled at any moment, nothing is lost: what was not stored is polled again."""
        await self.enrol()
        while not stopping.is_set():
            await self._wait()
            await self.round()

    async def enrol(self) -> None:
        now = self.clock()
        await self.store.write(lambda conn: channels.enrol(conn, self.name, self.start_from, now))

    async def _wait(self) -> None:
        """Until the schedule says so; after a failure until the back-off is over, whatever the schedule says."""
        if self.not_before is None:
            await self.due.wait()
        else:
            await asyncio.sleep(max((self.not_before - self.clock()).total_seconds(), 0))
        self.due.clear()

    async def round(self) -> None:
        """One visit to the source; its failure is written down, and said when it is news."""
        try:
            await self._visit()
        except (ChannelUnavailable, ChannelRefused) as error:
            await self._failed(error, str(error))
        except Exception as error:  # noqa: BLE001 - the channel's outer loop: one door's bug must not shut the others
            await self._failed(error, f"unexpected: {place_of(error)}")
        else:
            self.not_before = None

    async def _visit(self) -> None:
        await self._settle()
        row = await self.store.read(lambda conn: channels.state(conn, self.name))
        async with aclosing(self.adapter.poll(row.cursor, row.start_from)) as batches:
            async for batch in batches:
                await self._take(batch, row.cursor)
                await self._settle()
        now = self.clock()
        if await self.store.write(lambda conn: channels.answered(conn, self.name, now)):
            log.info("channel is back", channel=self.name)

    async def _take(self, batch: Batch, before: Cursor | None) -> None:
        """Store a batch: raw first, with its cursor, then nothing can be lost any more."""
        new = await self.store.read(lambda conn: inbox.unknown(conn, self.name, batch.raws)) if batch.raws else ()
        if not new and not batch.skipped and batch.settle is None and batch.cursor == before:
            return
        kept = await asyncio.to_thread(self._prepare, batch, {one.blob for one in new})
        now = self.clock()

        def write(conn: Connection) -> list[int]:
            return inbox.store_batch(
                conn, self.name, batch, new, kept, blobs=self.store.blobs, sealer=self.store.sealer, now=now
            )

        ids = await self.store.write(write)
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
        """Acknowledge at the source every batch that was stored, also those of an earlier life."""
        while claims := await self._unsettled():
            for held in claims:
                try:
                    await self.adapter.settle(inbox.settle_token(self.store.sealer, self.name, held.payload))
                except (ChannelUnavailable, ChannelRefused) as error:
                    await self._postpone(held, str(error))
                    raise
                except asyncio.CancelledError:
                    await asyncio.shield(self._postpone(held, "stopped"))
                    raise
                crashpoint.reach("mid_settle")
                await self.store.write(lambda conn, held=held: ledger.done(conn, held))  # type: ignore[misc]

    async def _unsettled(self) -> list[Claim]:
        now, lane = self.clock(), inbox.settle_lane(self.name)
        return await self.store.write(lambda conn: ledger.claim(conn, lane, now=now, lease=SETTLE_LEASE))

    async def _postpone(self, held: Claim, reason: str) -> None:
        due = self.clock()
        await self.store.write(lambda conn: ledger.postpone(conn, held, due=due, reason=reason))

    async def _failed(self, error: Exception, said: str) -> None:
        now = self.clock()
        state = channels.REFUSED if isinstance(error, ChannelRefused) else channels.UNAVAILABLE

        failures, news = await self.store.write(lambda conn: channels.failed(conn, self.name, state, said, now))
        asked = getattr(error, "retry_after", None)
        wait = BACKOFF_LONGEST if state == channels.REFUSED else BACKOFF_FIRST * 2 ** min(failures - 1, 16)
        self.not_before = now + (asked or min(wait, BACKOFF_LONGEST))
        if news:
            say = log.error if state == channels.REFUSED else log.warning
            say("channel " + state, channel=self.name, error=said)

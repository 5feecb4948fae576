"""The loop every stage runs: claim a lane's due rows, do them, sleep until rung or due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from store import crashpoint, ledger
from store.beats import left, rest
from store.engine import Store, StoreUnreachable
from store.failure import is_passing, place_of
from store.ledger import Claim, LeaseLost

log = structlog.get_logger()
IDLE = timedelta(minutes=1)
"""Wake-ups are hints: without one a lane is looked at this often."""
LEASE = timedelta(minutes=1)
"""After so long others take up what a dead process had in hand; who lives renews it."""
RENEWALS = 3
"""In the length of a lease: two may fail."""
RETRY_FIRST = timedelta(seconds=5)
RETRY_LONGEST = timedelta(minutes=10)
OURS_LONGEST = timedelta(seconds=40)
"""Where the store or the machine is in trouble, not the work: when that is over, it goes on within a minute."""


@dataclass(frozen=True)
class Stage:
    """A lane and what is done with its rows.

    `work` gets up to `batch` claims and ends each of them (done, postponed or given up) in its own transactions;
    `width` such calls run at once. What it does not end, because it failed, is postponed with back-off.
    """

    lane: str
    work: Callable[[Sequence[Claim]], Awaitable[None]]
    store: Store
    clock: Callable[[], datetime]
    lease: timedelta = LEASE
    longest: timedelta = timedelta(minutes=5)
    """So long leases are renewed. A step that may be what kills its workers is left alone for all of it."""
    batch: int = 1
    width: int = 1
    held: Callable[[Connection], bool] = lambda _: False
    """Whether, for now, none of its rows may be claimed."""
    behind: str | None = None
    """A lane whose rows are done as well, while its own has none that is due; who adds to that rings this one."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what is under way; cancelled, give it back."""
        under_way: set[asyncio.Task[None]] = set()
        failures = 0
        async with asyncio.TaskGroup() as group:
            while not stopping.is_set():
                free = len(under_way) < self.width
                try:
                    claims = await self._claim() if free else None
                    idle = await self._idle() if claims == [] else IDLE
                except Exception as error:  # noqa: BLE001 - the stage's outer loop: it outlives the store's trouble
                    failures += 1
                    if not isinstance(error, StoreUnreachable):  # which the store has said
                        log.error("no step can be claimed", lane=self.lane, error=place_of(error))
                    await rest(stopping, min(_backoff(failures), IDLE))  # whoever rings must not hurry what fails
                    continue
                failures = 0
                if claims:
                    crashpoint.reach("after_claim")
                    task = group.create_task(self._do(claims))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                    task.add_done_callback(lambda _: self.store.wakes.ring([self.lane]))  # once there is room for more
                elif not stopping.is_set():  # told so while the store was asked
                    await self.store.wakes.wait(self.lane, idle)

    async def _claim(self) -> list[Claim] | None:
        """None: the lane is held. Cancelled while the store is slow, what it claims all the same is put back."""

        def claim(conn: Connection) -> list[Claim] | None:
            if self.held(conn):
                return None
            now = self.clock()  # not before: writing waits for a database that is gone, and a lease would be over
            claims: list[Claim] = []
            for lane in self._lanes:
                claims = claims or ledger.claim(conn, lane, now=now, lease=self.lease, limit=self.batch)
            if suspects := [one for one in claims if one.attempts >= ledger.SUSPECT]:
                ledger.renew(conn, suspects, until=now + self.longest)
            return claims

        claiming = asyncio.ensure_future(self.store.write(claim))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            await asyncio.wait([claiming])
            if claiming.exception() is None:
                await asyncio.shield(self._put_back(claiming.result() or [], "stopped", timedelta(0)))
            raise

    @property
    def _lanes(self) -> tuple[str, ...]:
        return (self.lane,) if self.behind is None else (self.lane, self.behind)

    async def _idle(self) -> timedelta:
        dues = await self.store.read(lambda conn: [ledger.next_due(conn, lane) for lane in self._lanes])
        waits = [max(due - self.clock(), timedelta(0)) for due in dues if due is not None]
        return min([*waits, left(IDLE)])

    async def _do(self, claims: Sequence[Claim]) -> None:
        renewing = asyncio.create_task(self._renew([one for one in claims if one.attempts < ledger.SUSPECT]))
        try:
            await self.work(claims)
        except asyncio.CancelledError:
            await asyncio.shield(self._put_back(claims, "stopped", timedelta(0)))
            raise
        except Exception as error:  # noqa: BLE001 - the stage's outer loop: the rows come back, the stage goes on
            log.error("step failed", lane=self.lane, error=place_of(error), rows=[one.id for one in claims])
            await self._put_back(claims, place_of(error), OURS_LONGEST if is_passing(error) else RETRY_LONGEST)
        finally:
            renewing.cancel()

    async def _renew(self, claims: Sequence[Claim]) -> None:
        """Hold on to what is under way, as long as it may take."""
        for _ in range(self.longest // self.lease * RENEWALS):
            await asyncio.sleep(self.lease.total_seconds() / RENEWALS)
            try:
                await self.store.write(lambda conn: ledger.renew(conn, claims, until=self.clock() + self.lease))
            except Exception as error:  # noqa: BLE001 - the next time may be in time
                if not isinstance(error, StoreUnreachable):
                    log.warning("lease not renewed", lane=self.lane, error=place_of(error))

    async def _put_back(self, claims: Sequence[Claim], reason: str, longest: timedelta) -> None:
        """For `longest` at most; for no time at all, the attempt does not count. Also while the store fails, as on a
        full disk, again and again, unless that is no time at all; in the end their leases bring them back.
        """
        until = self.clock() + self.lease
        for one in claims:
            failures = 0
            while not await self._postponed(one, reason, min(_backoff(one.attempts), longest)):
                failures += 1
                if not longest or self.clock() >= until:
                    break
                await asyncio.sleep(_backoff(failures).total_seconds())

    async def _postponed(self, held: Claim, reason: str, wait: timedelta) -> bool:
        due = self.clock() + wait
        try:
            await self.store.write(partial(ledger.postpone, held=held, due=due, reason=reason, charged=bool(wait)))
        except LeaseLost:
            pass  # it was ended before the failure
        except Exception as error:  # noqa: BLE001 - the stage's outer loop
            log.error("step not put back", lane=self.lane, row=held.id, error=place_of(error))
            return False
        return True


def _backoff(failures: int) -> timedelta:
    steps: int = 2 ** min(failures - 1, 10)
    return min(RETRY_FIRST * steps, RETRY_LONGEST)

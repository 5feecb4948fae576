"""The loop of a stage: it outlives whatever its store or its work do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

import pytest
from sqlalchemy import Connection

from ingest import stage
from ingest.stage import Stage
from store import ledger
from store.acts import TransactionLost
from store.engine import Store, open_store
from store.ledger import Claim, LeaseLost
from tests.clock import utc_now

T = TypeVar("T")
LANE = "work"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store("sqlite", tmp_path, b"k" * 32)
    yield opened
    opened.close()


class FullDisk:
    """A store whose disk is full for the first writes from now."""

    def __init__(self, store: Store, failures: int) -> None:
        self._store = store
        self.failures = failures
        self.wakes = store.wakes
        self.read = store.read

    async def write(self, act: Callable[[Connection], T]) -> T:
        if self.failures > 0:
            self.failures -= 1
            raise TransactionLost("disk is full")
        return await self._store.write(act)


async def run_until(running: Stage, done: asyncio.Event) -> None:
    stopping = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(running.run(stopping))
        await done.wait()
        stopping.set()
        running.store.wakes.ring_all()


async def test_a_claim_that_fails_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "RETRY_FIRST", timedelta(milliseconds=1))
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now()))
    done = asyncio.Event()

    async def work(claims: Sequence[Claim]) -> None:
        await store.write(lambda conn: ledger.done_many(conn, claims))
        done.set()

    troubled = cast("Store", FullDisk(store, failures=3))
    await run_until(Stage(LANE, work, troubled, utc_now), done)

    assert store.read_now(ledger.counts) == {}


@pytest.mark.parametrize(("failures", "lease"), [(3, timedelta(minutes=5)), (1000, timedelta(milliseconds=50))])
async def test_a_step_is_put_back_when_the_disk_has_room_again_or_comes_back_when_its_lease_runs_out(
    store: Store, monkeypatch: pytest.MonkeyPatch, failures: int, lease: timedelta
) -> None:
    monkeypatch.setattr(stage, "RETRY_FIRST", timedelta(milliseconds=1))
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now()))
    done, tries = asyncio.Event(), 0
    disk = FullDisk(store, failures=0)

    async def work(claims: Sequence[Claim]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            disk.failures = failures
            asyncio.get_running_loop().call_later(0.5, setattr, disk, "failures", 0)
            raise ValueError("no")
        await store.write(lambda conn: ledger.done_many(conn, claims))
        done.set()

    await run_until(Stage(LANE, work, cast("Store", disk), utc_now, lease=lease), done)

    assert (tries, store.read_now(ledger.counts)) == (2, {})


@pytest.mark.parametrize(("error", "longest"), [(TransactionLost("no"), 1), (ValueError("no"), 10)])
async def test_a_step_that_failed_often_waits_long_unless_it_was_the_store_that_failed(
    store: Store, error: Exception, longest: int
) -> None:
    begun = utc_now()
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=begun))
    for _ in range(9):
        (held,) = await store.write(
            lambda conn: ledger.claim(conn, LANE, now=begun + timedelta(hours=1), lease=timedelta(minutes=1))
        )
        await store.write(lambda conn, held=held: ledger.postpone(conn, held, due=begun, reason="before"))  # type: ignore[misc]
    failed = asyncio.Event()

    async def work(_: Sequence[Claim]) -> None:
        failed.set()
        raise error

    await run_until(Stage(LANE, work, store, utc_now), failed)

    due = store.read_now(lambda conn: ledger.next_due(conn, LANE))
    assert due is not None
    assert timedelta(minutes=longest) / 2 < due - begun <= timedelta(minutes=longest) + timedelta(seconds=20)


async def test_cancelled_while_a_slow_store_claims_it_leaves_nothing_in_its_hands(store: Store) -> None:
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now()))
    asked, goes_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> bool:
        asked.set()
        return not goes_on.wait(20)

    async def work(_: Sequence[Claim]) -> None:
        pytest.fail("it was told to end")

    running = asyncio.create_task(Stage(LANE, work, store, utc_now, held=slow).run(asyncio.Event()))
    assert await asyncio.to_thread(asked.wait, 20)
    running.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    await asyncio.wait([running])

    assert store.read_now(ledger.counts) == {LANE: {"ready": 1}}
    assert await store.write(lambda conn: ledger.claim(conn, LANE, now=utc_now(), lease=timedelta(minutes=1))) != []


async def test_what_is_stopped_in_the_middle_has_not_been_tried(store: Store) -> None:
    """However often the daemon is restarted while it reads: else it might be taken for what kills its workers."""
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now()))
    begun = asyncio.Event()

    async def work(_: Sequence[Claim]) -> None:
        begun.set()
        await asyncio.sleep(60)

    running = asyncio.create_task(Stage(LANE, work, store, utc_now).run(asyncio.Event()))
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])
    (held,) = await store.write(lambda conn: ledger.claim(conn, LANE, now=utc_now(), lease=timedelta(minutes=1)))

    assert held.attempts == 1


async def test_with_room_for_one_the_next_is_claimed_as_soon_as_that_has_ended(store: Store) -> None:
    for _ in range(3):
        await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now()))
    done = asyncio.Event()

    async def work(claims: Sequence[Claim]) -> None:
        await store.write(lambda conn: ledger.done_many(conn, claims))
        if not store.read_now(ledger.counts):
            done.set()

    await run_until(Stage(LANE, work, store, utc_now), done)  # sooner than a stage sleeps without a hint


class Outage(FullDisk):
    """A store whose first writes wait for a database that is gone, five minutes each."""

    now = utc_now()

    async def write(self, act: Callable[[Connection], T]) -> T:
        if self.failures > 0:
            self.failures -= 1
            self.now += timedelta(minutes=5)
        return await self._store.write(act)


async def test_what_is_claimed_when_the_database_is_back_is_held_from_then_on(store: Store) -> None:
    outage, done, taken = Outage(store, failures=1), asyncio.Event(), list[Claim]()
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=outage.now))

    async def work(claims: Sequence[Claim]) -> None:
        other = await store.write(lambda conn: ledger.claim(conn, LANE, now=outage.now, lease=timedelta(minutes=1)))
        taken.extend(other)
        await store.write(lambda conn: ledger.done_many(conn, claims))
        done.set()

    await run_until(Stage(LANE, work, cast("Store", outage), lambda: outage.now), done)

    assert taken == []


async def test_what_takes_long_is_held_on_to_and_claimed_by_nobody_else(store: Store) -> None:
    """By a clock that goes on only when the lease was renewed."""
    begins = now = utc_now()
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=begins))
    lease, begun, may_end = timedelta(milliseconds=60), asyncio.Event(), asyncio.Event()

    async def work(claims: Sequence[Claim]) -> None:
        begun.set()
        await may_end.wait()
        await store.write(lambda conn: ledger.done_many(conn, claims))

    ended = asyncio.Event()
    holding = Stage(LANE, work, store, lambda: now, lease=lease, longest=1000 * lease)
    running = asyncio.create_task(run_until(holding, ended))
    await begun.wait()
    while now < begins + 3 * lease:
        async with asyncio.timeout(20):
            while store.read_now(lambda conn: ledger.next_due(conn, LANE)) != now + lease:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        now += lease / 2
        others = await store.write(lambda conn: ledger.claim(conn, LANE, now=now, lease=lease))  # noqa: B023
        assert others == []
    may_end.set()
    ended.set()
    await running

    assert store.read_now(ledger.counts) == {}


async def test_what_takes_longer_than_it_may_comes_to_others(store: Store) -> None:
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now()))
    lease, came, fences = timedelta(milliseconds=60), asyncio.Event(), []

    async def work(claims: Sequence[Claim]) -> None:
        fences.append(claims[0].fence)
        if len(fences) == 1:
            await came.wait()
            with pytest.raises(LeaseLost):
                await store.write(lambda conn: ledger.done_many(conn, claims))
            return
        await store.write(lambda conn: ledger.done_many(conn, claims))
        came.set()

    await run_until(Stage(LANE, work, store, utc_now, lease=lease, longest=2 * lease, width=2), came)

    assert fences == [1, 2]


async def test_a_step_that_may_kill_its_workers_is_left_alone_for_as_long_as_it_may_take(store: Store) -> None:
    await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now()))
    lease, longest = timedelta(seconds=1), timedelta(hours=1)
    for _ in range(ledger.SUSPECT - 1):
        await store.write(lambda conn: ledger.claim(conn, LANE, now=utc_now(), lease=lease))
        await store.write(lambda conn: ledger.release_all(conn, now=utc_now()))
    begun = asyncio.Event()

    async def work(_: Sequence[Claim]) -> None:
        begun.set()
        await asyncio.sleep(60)

    running = asyncio.create_task(Stage(LANE, work, store, utc_now, lease=lease, longest=longest).run(asyncio.Event()))
    await begun.wait()
    due = store.read_now(lambda conn: ledger.next_due(conn, LANE))
    running.cancel()
    await asyncio.wait([running])

    assert due is not None
    assert due - utc_now() > longest / 2


async def test_what_stands_behind_is_done_while_nothing_else_is_due(store: Store) -> None:
    """However much of it there is, and however long it has been due."""
    order, done = list[str](), asyncio.Event()

    def add(conn: Connection, *lanes: str) -> None:
        for lane in lanes:
            ledger.enqueue(conn, lane, {}, now=utc_now())

    async def work(claims: Sequence[Claim]) -> None:
        order.extend(one.lane for one in claims)
        await store.write(lambda conn: ledger.done_many(conn, claims))
        if len(order) == 2:
            await store.write(lambda conn: add(conn, LANE))
        if len(order) == 5:
            done.set()

    await store.write(lambda conn: add(conn, "again", "again", "again", LANE))
    await run_until(Stage(LANE, work, store, utc_now, behind="again"), done)

    assert order == [LANE, "again", LANE, "again", "again"]

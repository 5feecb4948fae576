"""The loop of a stage: it outlives whatever its store or its work do."""

from __future__ import annotations

import asyncio
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
from store.ledger import Claim
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


async def test_with_room_for_one_the_next_is_claimed_as_soon_as_that_has_ended(store: Store) -> None:
    for _ in range(3):
        await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now()))
    done = asyncio.Event()

    async def work(claims: Sequence[Claim]) -> None:
        await store.write(lambda conn: ledger.done_many(conn, claims))
        if not store.read_now(ledger.counts):
            done.set()

    await run_until(Stage(LANE, work, store, utc_now), done)  # sooner than a stage sleeps without a hint

"""The loop of a stage: it outlives whatever its store or its work do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

import pytest
from sqlalchemy import Connection, select

from ingest import stage
from ingest.stage import Stage
from store import ledger
from store.acts import TransactionLost
from store.engine import Store, open_store
from store.ledger import Claim
from store.schema import ledger as ledger_rows
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


async def test_a_step_that_cannot_be_put_back_comes_back_when_its_lease_runs_out(store: Store) -> None:
    ids = [await store.write(lambda conn: ledger.enqueue(conn, LANE, {}, now=utc_now())) for _ in range(2)]
    failed = asyncio.Event()
    disk = FullDisk(store, failures=0)

    async def work(claims: Sequence[Claim]) -> None:
        failed.set()
        disk.failures = 1
        raise ValueError("no")

    await run_until(Stage(LANE, work, cast("Store", disk), utc_now, batch=2), failed)

    rows = store.read_now(lambda conn: conn.execute(select(ledger_rows).order_by(ledger_rows.c.id)).all())
    assert [(row.id, row.leased, row.reason is None) for row in rows] == [(ids[0], True, True), (ids[1], False, False)]

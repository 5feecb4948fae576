"""On either engine a function is a transaction, a batch is many, and every waiter hears what became of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from store.engine import BATCH, Store, StoreClosed, TransactionLost, open_store
from store.schema import history, raw
from tests.store.acts import WAIT, all_settled, kinds, note, one_batch
from tests.store.keys import MASTER


async def test_what_was_written_is_read(store: Store) -> None:
    assert await store.write(lambda conn: conn.execute(select(text("40 + 2"))).scalar_one()) == 42
    await store.write(note("a"))

    assert await store.read(lambda conn: conn.execute(select(history.c.kind)).scalars().all()) == ["a"]


async def test_an_act_that_fails_is_undone_and_its_error_told(store: Store) -> None:
    def act(conn: Connection) -> None:
        note("half")(conn)
        raise LookupError("the rest is missing")

    with pytest.raises(LookupError, match="the rest is missing"):
        await store.write(act)
    assert kinds(store) == []


@pytest.mark.parametrize("error", [StopIteration("end"), asyncio.CancelledError("gone"), GeneratorExit("gone")])
async def test_whatever_an_act_raises_its_waiter_hears_of_it(store: Store, error: BaseException) -> None:
    def act(_conn: Connection) -> None:
        raise error

    with pytest.raises((RuntimeError, type(error))):
        await asyncio.wait_for(store.write(act), WAIT)
    with pytest.raises((RuntimeError, type(error))):
        store.submit(act).result(WAIT)
    await store.write(note("next"))


def test_one_poisonous_act_costs_one_act(store: Store) -> None:
    def poison(conn: Connection) -> None:
        note("poison")(conn)
        conn.execute(insert(raw).values(id=1))

    def exit_(conn: Connection) -> None:
        note("exit")(conn)
        raise SystemExit(3)

    with one_batch(store):
        futures = [store.submit(act) for act in (note("a"), poison, note("b"), exit_, note("c"))]

    assert isinstance(futures[1].exception(WAIT), IntegrityError)
    assert isinstance(futures[3].exception(WAIT), SystemExit)
    assert [futures[number].result(WAIT) for number in (0, 2, 4)] == [None] * 3
    assert kinds(store) == ["a", "b", "c"]


@pytest.mark.parametrize("ending", ["ROLLBACK", "COMMIT"])
def test_when_the_transaction_is_lost_under_an_act_nobody_is_told_that_it_was_written(
    store: Store, ending: str
) -> None:
    def lose(conn: Connection) -> None:
        conn.exec_driver_sql(ending)
        raise LookupError("and fails")

    with one_batch(store):
        futures = [store.submit(act) for act in (note("before"), lose, note("after"))]

    told = [future.exception(WAIT) for future in futures]
    assert all(isinstance(one, TransactionLost) for one in told[:2])
    assert ("after" in kinds(store)) == (told[2] is None)  # it was not begun, or lost with the others
    store.submit(note("next")).result(WAIT)
    assert kinds(store)[-1] == "next"


async def test_reading_cannot_write(store: Store) -> None:
    with pytest.raises(DBAPIError, match=r"readonly|read-only"):
        await store.read(note("a"))
    assert kinds(store) == []


async def test_a_reader_sees_one_moment_however_long_it_looks(store: Store) -> None:
    def look(conn: Connection) -> tuple[int, int]:
        count = "SELECT count(*) FROM history"
        before = conn.exec_driver_sql(count).scalar_one()
        store.submit(note("meanwhile")).result(WAIT)
        return before, conn.exec_driver_sql(count).scalar_one()

    assert await store.read(look) == (0, 0)
    assert kinds(store) == ["meanwhile"]


def test_a_waiter_that_leaves_before_its_turn_was_never_there(store: Store) -> None:
    with one_batch(store):
        futures = [store.submit(note(str(number))) for number in range(5)]
        assert futures[0].cancel()
        assert futures[3].cancel()

    for number in (1, 2, 4):
        futures[number].result(WAIT)
    with pytest.raises(CancelledError):
        futures[0].result(WAIT)
    assert kinds(store) == ["1", "2", "4"]


async def test_a_waiter_that_leaves_during_its_turn_is_written_unheard(store: Store) -> None:
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(WAIT)
        note("slow")(conn)

    waiting = asyncio.ensure_future(store.write(slow))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    all_settled(store)

    await store.write(note("next"))
    assert kinds(store) == ["slow", "next"]


async def test_tasks_that_leave_and_stay_in_one_batch_each_get_their_own(store: Store) -> None:
    def answer(number: int) -> Callable[[Connection], int]:
        def act(conn: Connection) -> int:
            note(str(number))(conn)
            if number == 7:
                raise LookupError("seven")
            return number

        return act

    with one_batch(store):
        tasks = [asyncio.ensure_future(store.write(answer(number))) for number in range(10)]
        await asyncio.sleep(0)  # each has handed its act over
        tasks[2].cancel()
        tasks[9].cancel()
        await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in (results[2], results[7], results[9])] == [
        asyncio.CancelledError,
        LookupError,
        asyncio.CancelledError,
    ]
    assert [result for result in results if isinstance(result, int)] == [0, 1, 3, 4, 5, 6, 8]
    assert kinds(store) == ["0", "1", "3", "4", "5", "6", "8"]


def test_a_loop_that_is_closed_meanwhile_is_nobodys_loss(store: Store) -> None:
    go_on = threading.Event()

    async def leave() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def slow(conn: Connection) -> None:
            loop.call_soon_threadsafe(begun.set)
            assert go_on.wait(WAIT)
            note("slow")(conn)

        task = asyncio.ensure_future(store.write(slow))
        await begun.wait()
        task.cancel()

    asyncio.run(leave())
    go_on.set()
    all_settled(store)
    store.submit(note("next")).result(WAIT)

    assert kinds(store) == ["slow", "next"]


def test_many_threads_and_leaving_waiters_never_stop_the_writer(store: Store) -> None:
    kept: list[Future[None]] = []

    def submit(worker: int) -> None:
        for number in range(100):
            future = store.submit(note(f"{worker}.{number}"))
            if number % 3 or not future.cancel():
                kept.append(future)

    workers = [threading.Thread(target=submit, args=(worker,)) for worker in range(4)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join(WAIT)
    for future in kept:
        future.result(WAIT)

    assert len(kinds(store)) == len(kept)


def test_closing_finishes_what_was_submitted_and_refuses_what_comes_after(tmp_path: Path, database: str) -> None:
    store = open_store(database, tmp_path, MASTER)
    futures = [store.submit(note(str(number))) for number in range(3 * BATCH)]
    store.close()

    assert [future.result(0) for future in futures] == [None] * 3 * BATCH
    with pytest.raises(StoreClosed, match="was closed"):
        store.submit(note("late"))
    store.close()
    again = open_store(database, tmp_path, MASTER)
    assert sorted(kinds(again)) == sorted(str(number) for number in range(3 * BATCH))
    again.close()

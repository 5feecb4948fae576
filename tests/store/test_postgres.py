"""PostgreSQL beneath the store: batches that meet, connections that break, servers that go and come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from store import postgres as engine
from store.acts import StoreRefused, StoreUnreachable
from store.engine import CANNOT_OPEN, Store, TransactionLost, open_store
from store.schema import case_number, data_key, target
from store.sealing import RENEW_AFTER
from tests.postgres import Server, name_of, shut, throw_out
from tests.store.acts import WAIT, kinds, note, one_batch
from tests.store.keys import MASTER, NOW

pytestmark = pytest.mark.postgres


@pytest.fixture
def address(postgres: Server) -> str:
    return postgres.migrated()


@pytest.fixture
def open_another(address: str, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens one more store on the same database, as another process would."""
    with ExitStack() as closing:

        def opened() -> Store:
            store = open_store(address, tmp_path / "data", MASTER)
            closing.callback(store.close)
            return store

        yield opened


@pytest.fixture
def store(open_another: Callable[[], Store]) -> Store:
    return open_another()


def touch(year: int) -> Callable[[Connection], None]:
    """Change the row of a year, whose lock is held until the transaction ends."""

    def act(conn: Connection) -> None:
        changed = text("UPDATE case_number SET last = last + 1 WHERE year = :year")
        assert conn.execute(changed, {"year": year}).rowcount == 1

    return act


def count(store: Store, year: int) -> int:
    found = select(case_number.c.last).where(case_number.c.year == year)
    return store.read_now(lambda conn: int(conn.execute(found).scalar_one()))


def years(store: Store, *numbers: int) -> None:
    rows = [{"year": number, "last": 0} for number in numbers]
    store.submit(lambda conn: conn.execute(insert(case_number), rows).rowcount).result(WAIT)


def backend(conn: Connection) -> int:
    return int(conn.execute(text("SELECT pg_backend_pid()")).scalar_one())


def test_batches_that_lock_in_opposite_orders_both_get_through(store: Store, open_another: Callable[[], Store]) -> None:
    years(store, *range(20))
    other = open_another()
    for _ in range(5):
        with one_batch(store), one_batch(other):
            futures = [store.submit(touch(year)) for year in range(20)]
            futures += [other.submit(touch(year)) for year in reversed(range(20))]
        for future in futures:
            future.result(WAIT)

    assert [count(store, year) for year in range(20)] == [10] * 20


def test_an_act_that_meets_a_lock_waits_at_the_head_of_a_transaction_of_its_own(
    store: Store, open_another: Callable[[], Store]
) -> None:
    years(store, 1, 2)
    holding, go_on = threading.Event(), threading.Event()

    def hold(conn: Connection) -> None:
        touch(2)(conn)
        holding.set()
        assert go_on.wait(WAIT)

    held = open_another().submit(hold)
    assert holding.wait(WAIT)
    with one_batch(store):
        first, second, third = (store.submit(act) for act in (touch(1), touch(2), note("behind it")))
    first.result(WAIT)
    assert count(store, 1) == 1  # committed, while the second still waits
    assert not second.done()
    go_on.set()

    for future in (held, second, third):
        future.result(WAIT)
    assert count(store, 2) == 2


def test_two_acts_that_lock_each_other_out_by_themselves_both_get_through(
    store: Store, open_another: Callable[[], Store]
) -> None:
    years(store, 1, 2)
    meeting = threading.Barrier(2)
    first_time = [True, True]

    def both(me: int, first: int, second: int) -> Callable[[Connection], None]:
        def act(conn: Connection) -> None:
            touch(first)(conn)
            if first_time[me]:
                first_time[me] = False
                meeting.wait(WAIT)
            touch(second)(conn)

        return act

    futures = [store.submit(both(0, 1, 2)), open_another().submit(both(1, 2, 1))]

    for future in futures:
        future.result(WAIT)
    assert (count(store, 1), count(store, 2)) == (2, 2)


def test_who_looked_for_a_row_that_another_was_making_looks_again(
    store: Store, open_another: Callable[[], Store]
) -> None:
    looked, go_on = threading.Event(), threading.Event()
    row = {"name": "oa", "state": "open", "since": NOW}

    def look_then_make(conn: Connection) -> str:
        if conn.execute(select(target.c.name)).first() is not None:
            return "found"
        looked.set()
        assert go_on.wait(WAIT)
        conn.execute(insert(target).values(row))
        return "made"

    slow = store.submit(look_then_make)
    assert looked.wait(WAIT)
    open_another().submit(lambda conn: conn.execute(insert(target).values(row)).rowcount).result(WAIT)
    go_on.set()

    assert slow.result(WAIT) == "found"


def test_who_met_a_lock_before_looks_again_all_the_same(store: Store, open_another: Callable[[], Store]) -> None:
    years(store, 1)
    other, held, let_go = open_another(), threading.Event(), threading.Event()
    looked, go_on, begun = threading.Event(), threading.Event(), list[int]()
    row = {"name": "oa", "state": "open", "since": NOW}

    def hold(conn: Connection) -> None:
        touch(1)(conn)
        held.set()
        assert let_go.wait(WAIT)

    def look_then_make(conn: Connection) -> str:
        begun.append(1)
        if len(begun) == 2:
            let_go.set()
        touch(1)(conn)
        if conn.execute(select(target.c.name)).first() is not None:
            return "found"
        looked.set()
        assert go_on.wait(WAIT)
        conn.execute(insert(target).values(row))
        return "made"

    holding = other.submit(hold)
    assert held.wait(WAIT)
    with one_batch(store):
        store.submit(note("before"))
        slow = store.submit(look_then_make)
    assert looked.wait(WAIT)
    other.submit(lambda conn: conn.execute(insert(target).values(row)).rowcount).result(WAIT)
    go_on.set()

    assert slow.result(WAIT) == "found"
    assert len(begun) == 3
    holding.result(WAIT)


def test_a_row_made_twice_is_an_error_all_the_same(store: Store) -> None:
    years(store, 1)

    with pytest.raises(IntegrityError):
        years(store, 1)


def test_an_act_that_swallows_an_error_is_undone_and_told(store: Store) -> None:
    def swallow(conn: Connection) -> None:
        note("half")(conn)
        try:
            conn.exec_driver_sql("SELECT 1 / 0")
        except DBAPIError:
            return

    with one_batch(store):
        futures = [store.submit(act) for act in (note("a"), swallow, note("b"))]

    with pytest.raises(RuntimeError, match="went on after one of its statements had failed"):
        futures[1].result(WAIT)
    futures[2].result(WAIT)
    assert kinds(store) == ["a", "b"]


def test_an_act_whose_connection_breaks_is_begun_anew_and_written_once(store: Store, postgres: Server) -> None:
    killed: list[int] = []

    def act(conn: Connection) -> None:
        note("under way")(conn)
        if not killed:
            killed.append(backend(conn))
            postgres.say(f"SELECT pg_terminate_backend({killed[0]})")
            conn.exec_driver_sql("SELECT pg_sleep(10)")

    with one_batch(store):
        futures = [store.submit(one) for one in (note("before"), act, note("after"))]

    for future in futures:
        future.result(WAIT)
    assert kinds(store) == ["before", "under way", "after"]


def test_an_act_that_breaks_every_connection_is_given_up_and_the_others_go_on(store: Store, postgres: Server) -> None:
    begun: list[int] = []

    def deadly(conn: Connection) -> None:
        begun.append(backend(conn))
        postgres.say(f"SELECT pg_terminate_backend({begun[-1]})")
        conn.exec_driver_sql("SELECT pg_sleep(10)")

    with one_batch(store):
        futures = [store.submit(one) for one in (deadly, note("after"))]

    with pytest.raises(StoreUnreachable, match="breaks again and again"):
        futures[0].result(WAIT)
    futures[1].result(WAIT)
    assert len(begun) == 5
    assert kinds(store) == ["after"]


def test_when_the_connection_breaks_at_commit_nobody_is_told_that_it_was_written(
    store: Store, postgres: Server
) -> None:
    def kill(conn: Connection) -> None:
        raw: Any = conn.connection.dbapi_connection
        postgres.say(f"SELECT pg_terminate_backend({raw.info.backend_pid})")

    event.listen(store._database.writing, "commit", kill, once=True)
    with pytest.raises(TransactionLost, match="what was written is not known"):
        store.submit(note("lost")).result(WAIT)
    store.submit(note("next")).result(WAIT)

    assert kinds(store) == ["next"]


def test_while_the_database_is_gone_writers_wait_and_then_go_on(store: Store, address: str, postgres: Server) -> None:
    with shut(postgres, address):
        waiting = [store.submit(note(str(number))) for number in range(10)]
        with pytest.raises(TimeoutError):
            waiting[0].result(0.5)
    for future in waiting:
        future.result(WAIT)

    assert sorted(kinds(store)) == [str(number) for number in range(10)]


def test_while_the_database_is_gone_readers_are_told_after_a_while(
    store: Store, address: str, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.3)
    with shut(postgres, address), pytest.raises(StoreUnreachable, match="not currently accepting connections"):
        kinds(store)

    assert kinds(store) == []


def test_a_reader_whose_connection_breaks_looks_again(store: Store, postgres: Server) -> None:
    broken: list[int] = []

    def look(conn: Connection) -> int:
        if not broken:
            broken.append(backend(conn))
            postgres.say(f"SELECT pg_terminate_backend({broken[0]})")
        return int(conn.exec_driver_sql("SELECT 42").scalar_one())

    assert store.read_now(look) == 42


def test_a_server_whose_disk_is_full_is_known_until_something_could_be_written_again(store: Store) -> None:
    def full(conn: Connection) -> None:
        conn.exec_driver_sql("DO $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$")

    with pytest.raises(OperationalError, match="could not extend file"):
        store.submit(full).result(WAIT)

    assert not store.writable

    store.submit(note("again")).result(WAIT)

    assert store.writable


@pytest.mark.parametrize("ending", [Store.stop_waiting, Store.close])
def test_told_to_stop_nobody_waits_for_a_database_that_is_gone(
    store: Store, address: str, postgres: Server, ending: Callable[[Store], None]
) -> None:
    with shut(postgres, address):
        waiting = [store.submit(note(str(number))) for number in range(10)]
        ending(store)

        for future in waiting:
            with pytest.raises(StoreUnreachable):
                future.result(WAIT)


def test_a_server_that_has_become_a_standby_is_left_for_one_that_takes_writes(
    store: Store, address: str, postgres: Server
) -> None:
    demoted: list[bool] = []

    def act(conn: Connection) -> None:
        if not demoted:
            postgres.say(f"ALTER DATABASE {name_of(address)} SET default_transaction_read_only = on")
            throw_out(postgres, address, but=backend(conn))
            conn.exec_driver_sql("SET TRANSACTION READ ONLY")
            demoted.append(True)
        note("moved")(conn)

    with one_batch(store):
        waiting = [store.submit(one) for one in (note("before"), act, note("after"))]
    with pytest.raises(TimeoutError):
        waiting[1].result(0.5)
    postgres.say(f"ALTER DATABASE {name_of(address)} SET default_transaction_read_only = off")
    for future in waiting:
        future.result(WAIT)

    assert kinds(store) == ["before", "moved", "after"]


@pytest.mark.parametrize(
    ("asked", "got"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")],
)
def test_a_commit_is_on_both_disks_though_the_server_is_set_to_hurry(
    address: str, postgres: Server, tmp_path: Path, asked: str, got: str
) -> None:
    postgres.say(f"ALTER DATABASE {name_of(address)} SET synchronous_commit = {asked}")
    store = open_store(address, tmp_path, MASTER)

    found = store.submit(lambda conn: conn.exec_driver_sql("SHOW synchronous_commit").scalar_one()).result(WAIT)
    store.close()
    assert found == got


def test_an_account_that_may_make_no_tables_is_told_so(postgres: Server, tmp_path: Path) -> None:
    address = postgres.database()
    postgres.say("DROP ROLE IF EXISTS guest")
    postgres.say("CREATE ROLE guest LOGIN")

    with pytest.raises(StoreRefused, match="the database refuses: permission denied for schema public"):
        open_store(address.replace("postgres@", "guest@"), tmp_path, MASTER)


def test_a_text_with_nul_is_kept(store: Store) -> None:
    store.submit(note("a\0b")).result(WAIT)

    assert kinds(store) == ["a\ufffdb"]


def test_what_a_later_process_seals_with_a_new_key_an_earlier_one_opens(address: str, tmp_path: Path) -> None:
    earlier = open_store(address, tmp_path, MASTER, now=NOW)
    later = open_store(address, tmp_path, MASTER, now=NOW + RENEW_AFTER * 2)
    sealed = later.sealer.seal(b"words", "cases:1")

    assert earlier.sealer.open(sealed, "cases:1") == b"words"
    assert later.sealer.lookup("phone", "1") == earlier.sealer.lookup("phone", "1")
    numbers = earlier.read_now(lambda conn: len(conn.execute(select(data_key)).all()))
    assert numbers == 3
    earlier.close()
    later.close()


def test_leases_run_by_the_databases_clock(store: Store) -> None:
    measured = timedelta(seconds=1)  # an offset taken over a socket is right to a good part of a second
    before = store.clock()
    there = store.read_now(lambda conn: conn.exec_driver_sql("SELECT clock_timestamp()").scalar_one())

    assert before - measured <= there <= store.clock() + measured


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("/xinqiao_", "/nowhere_"), 'database "nowhere_.*" does not exist'),
        (("port=", "port=1"), "No such file|port"),
        (("postgres@", "li:geheim@"), 'role "li" does not exist'),
    ],
)
def test_a_database_that_does_not_open_says_why_without_the_password(
    address: str, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    with pytest.raises(CANNOT_OPEN, match=said) as refused:
        open_store(address.replace(*change), tmp_path, MASTER)

    assert "geheim" not in str(refused.value)

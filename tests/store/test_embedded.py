"""What the embedded engine promises beyond any engine's promises: SQLite's own ways are known."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DatabaseError, OperationalError

from store.engine import BATCH, Store, StoreBusy, StoreRefused, TransactionLost, open_store
from tests.store.acts import WAIT, kinds, note, one_batch
from tests.store.keys import MASTER


@pytest.fixture
def store(embedded: Store) -> Store:
    return embedded


def test_what_accumulates_is_committed_together_up_to_the_limit(store: Store) -> None:
    commits = 0

    def count(connection: Connection) -> None:
        nonlocal commits
        commits += 1

    event.listen(store._database.writing, "commit", count)
    with one_batch(store):
        futures = [store.submit(note(str(number))) for number in range(2 * BATCH)]
    for future in futures:
        future.result(WAIT)

    assert commits == 3  # the one that kept the writer busy, and two full ones
    assert kinds(store) == [str(number) for number in range(2 * BATCH)]


@contextmanager
def full_disk(store: Store, spare_pages: int) -> Iterator[None]:
    """The database cannot grow by more pages than these."""

    def limit(pages: int | None) -> Callable[[Connection], None]:
        def act(conn: Connection) -> None:
            used = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
            conn.exec_driver_sql(f"PRAGMA max_page_count={2**31 if pages is None else used + pages}")

        return act

    store.submit(limit(spare_pages)).result(WAIT)
    yield
    store.submit(limit(None)).result(WAIT)


def test_a_full_disk_is_told_to_whom_it_hit_and_the_writer_goes_on(store: Store) -> None:
    with full_disk(store, 20):
        with one_batch(store):
            futures = [store.submit(note(f"{n}", 200_000 if n == 3 else 10)) for n in range(6)]
        told = [future.exception(WAIT) for future in futures]
        written = kinds(store)

        assert isinstance(told[3], OperationalError | TransactionLost)
        assert "disk is full" in str(told[3])
        assert written == [str(n) for n in range(6) if told[n] is None]
        store.submit(note("small")).result(WAIT)
    store.submit(note("large again", 200_000)).result(WAIT)

    assert kinds(store) == [*written, "small", "large again"]
    assert store.read_now(lambda conn: conn.exec_driver_sql("PRAGMA integrity_check").scalar_one()) == "ok"


def test_a_commit_that_fails_is_told_to_every_waiter_and_the_writer_goes_on(store: Store) -> None:
    """A deferred foreign key is checked by COMMIT itself: the act and its savepoint end well, the commit does not."""

    def orphan(conn: Connection) -> None:
        conn.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        conn.exec_driver_sql("INSERT INTO attempt (delivery_id, at, milliseconds, outcome) VALUES (4711, 0, 0, 'sent')")

    with one_batch(store):
        futures = [store.submit(act) for act in (note("a"), orphan, note("b"))]

    for future in futures:
        with pytest.raises(DatabaseError, match="FOREIGN KEY constraint failed"):
            future.result(WAIT)
    store.submit(note("c")).result(WAIT)
    assert kinds(store) == ["c"]


def test_a_folder_is_one_stores(store: Store) -> None:
    with pytest.raises(StoreBusy, match=str(store.folder)):
        open_store("sqlite", store.folder, MASTER)


@pytest.mark.parametrize(
    "left",
    ["restoring/manifest.json", "blobs/5a/x", "backups/2026-03-02.tar", "set-aside-20260302/x", "xinqiao.db-wal"],
)
@pytest.mark.parametrize("empty", [False, True])
def test_none_begins_where_one_is_half_restored_or_has_lost_its_database(
    tmp_path: Path, left: str, empty: bool
) -> None:
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).touch()
    if empty:
        (tmp_path / "xinqiao.db").touch()

    with pytest.raises(StoreRefused, match="has not finished here" if "restoring" in left else "put xinqiao.db back"):
        open_store("sqlite", tmp_path, MASTER)


def test_only_we_may_read_the_folder_and_the_database(store: Store) -> None:
    store.submit(note("a")).result(WAIT)

    assert store.folder.stat().st_mode & 0o777 == 0o700
    files = {path.name: oct(path.stat().st_mode & 0o777) for path in store.folder.iterdir() if path.is_file()}
    assert files == dict.fromkeys(["lock", "xinqiao.db", "xinqiao.db-shm", "xinqiao.db-wal"], "0o600")


def test_a_disk_that_is_full_is_known_until_something_could_be_written_again(store: Store) -> None:
    known = [store.writable]

    with full_disk(store, 0):
        with pytest.raises((OperationalError, TransactionLost)):
            store.submit(note("large", 200_000)).result(WAIT)
        known.append(store.writable)
        store.submit(lambda conn: None).result(WAIT)  # nothing is written
        known.append(store.writable)

    store.submit(note("again", 200_000)).result(WAIT)
    known.append(store.writable)

    assert known == [True, False, False, True]


def test_what_is_wrong_with_an_act_is_not_the_disk_s_fault(store: Store) -> None:
    def wrong(_conn: Connection) -> None:
        raise KeyError("reading")

    with pytest.raises(KeyError):
        store.submit(wrong).result(WAIT)

    assert store.writable


def test_every_commit_waits_for_the_disk(store: Store) -> None:
    def settings(conn: Connection) -> tuple[str, int]:
        connection = cast("sqlite3.Connection", conn.connection.dbapi_connection)
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        return mode, synchronous

    assert store.submit(settings).result(WAIT) == ("wal", 2)


def test_the_writer_outlives_a_folder_that_is_gone_for_a_while(store: Store) -> None:
    """After a transaction that was lost the file is opened anew, which fails as long as the share is gone."""
    away = store.folder.with_name("away")

    def lose(conn: Connection) -> None:
        store.folder.rename(away)
        sqlite = cast("sqlite3.Connection", conn.connection.dbapi_connection)
        sqlite.execute("ROLLBACK")
        raise OSError("disk I/O error")

    with pytest.raises(TransactionLost):
        store.submit(lose).result(WAIT)
    with pytest.raises(OperationalError):
        store.submit(note("gone")).result(WAIT)
    away.rename(store.folder)
    store.submit(note("back")).result(WAIT)

    assert kinds(store) == ["back"]

"""The embedded database: SQLite in the data folder, one writing thread and a few reading ones.

Each act has a savepoint of its own in the transaction of its batch, so that one poisonous act costs one act.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from store import sqlite
from store.acts import Job, TransactionLost
from store.beginning import DATABASE, LOCK, expect_nothing_left, has_begun
from store.crashpoint import reach
from store.failure import is_databases
from store.moved import refuse_if_moved
from store.waiting import Outcome, still_waits, tell
from store.wakes import ANYTHING, noted

T = TypeVar("T")
READERS = 4


class Embedded:
    """A data folder's own database; no other process works on it while it is open."""

    exclusive = True
    writers = 1
    writable = True

    def __init__(self, folder: Path) -> None:
        """Lock the folder.

        Raises:
            StoreBusy: another process writes here.
            StoreRefused: it was moved away, is half restored, or its database is missing.
        """
        with ExitStack() as undo:
            undo.callback(sqlite.lock(folder / LOCK).close)
            refuse_if_moved(folder)
            if not has_begun(folder):
                expect_nothing_left(folder)
            self.writing = sqlite.writing(folder / DATABASE)
            self._conn = undo.enter_context(self.writing.connect())
            self._reading = sqlite.reading(folder / DATABASE, READERS)
            undo.callback(self._reading.dispose)
            self._let_go = undo.pop_all()

    def settle(self, jobs: Sequence[Job]) -> set[str]:
        """Commit a batch; every waiter is told its own act's result or error, or the commit's error."""
        running, lanes = [job for job in jobs if still_waits(job.waiter)], {ANYTHING}
        try:
            before = _changes(self._conn)  # it opens the file anew after a failure, which may fail as well
            outcomes = _commit(self._conn, running)
            changed = _changes(self._conn) != before
            lanes = noted(self._conn) | ({ANYTHING} if changed else set())
            failed = any(is_databases(one.failure) for one in outcomes)
            if failed or changed:  # else nothing was asked of the disk
                self.writable = not failed
        except BaseException as error:  # noqa: BLE001 - the border of the thread: whoever waits must hear of it
            # SQLAlchemy takes a COMMIT that failed for the transaction's end; SQLite does not, and would begin no more.
            self._conn.invalidate()
            outcomes = [Outcome(failure=error)] * len(running)
            self.writable = False
        tell([job.waiter for job in running], outcomes)
        return lanes

    def read(self, act: Callable[[Connection], T]) -> T:
        with self._reading.begin() as conn:
            return act(conn)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def stop_waiting(self) -> None:
        """Nothing here waits for anybody."""

    def close(self) -> None:
        self._let_go.close()


def _changes(conn: Connection) -> int:
    """How many rows it has changed so far."""
    return cast("sqlite3.Connection", conn.connection.dbapi_connection).total_changes


def _commit(conn: Connection, jobs: list[Job]) -> list[Outcome]:
    with conn.begin():
        raw = cast("sqlite3.Connection", conn.connection.dbapi_connection)
        outcomes = [_attempt(conn, raw, job.act) for job in jobs]
        reach("store.commit")
    reach("store.committed")
    return outcomes


def _attempt(conn: Connection, raw: sqlite3.Connection, act: Callable[[Connection], Any]) -> Outcome:
    """Run one act; its own failure is its outcome, the loss of the transaction is raised.

    SQLite may end a transaction by itself (full disk, I/O error). It would take the next savepoint for a transaction of
    its own and commit that, while Python's commit of none is silent: what went before would be lost and reported done.
    """
    raw.execute("SAVEPOINT act")
    try:
        result = act(conn)
        raw.execute("RELEASE act")
    except BaseException as error:
        if not raw.in_transaction:
            raise TransactionLost(f"the transaction was ended under an act: {error}") from error
        raw.execute("ROLLBACK TO act")
        raw.execute("RELEASE act")
        return Outcome(failure=error)
    return Outcome(result)

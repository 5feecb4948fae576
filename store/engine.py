"""The embedded store: SQLite with one writing thread and a few reading ones; a function is a transaction.

A batch is what accumulated while the last commit ran (nobody waits for it to fill), at most `BATCH`, each act in a
savepoint of its own, so that one poisonous act costs one act.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from store import sqlite
from store.blobs import Blobs
from store.crashpoint import reach
from store.migrate import upgrade
from store.sealing import Sealer, load_sealer
from store.sqlite import StoreBusy
from store.waiting import Outcome, Waiter, still_waits, tell
from store.wakes import Wakes, noted

__all__ = ["BATCH", "READERS", "Store", "StoreBusy", "StoreClosed", "TransactionLost"]

T = TypeVar("T")
BATCH = 50
READERS = 4


class StoreClosed(Exception):
    """The store was closed; this act was not begun."""


class TransactionLost(Exception):
    """SQLite ended the transaction under an act (a full disk does that): nothing of its batch was written."""


@dataclass(frozen=True)
class _Job:
    act: Callable[[Connection], Any]
    waiter: Waiter


class Store:
    """Transactions on one data folder: `write` and `read` take a function of a Connection, run off the event loop."""

    exclusive = True
    """No other process works on this store while it is open: who held a lease in an earlier life is dead."""

    def __init__(self, folder: Path, master_key: bytes, *, now: datetime | None = None) -> None:
        """Lock the folder, bring the tables up to date, open the keys.

        Raises:
            StoreBusy: another process writes here.
            TablesNewer: a later version of the program has written here.
            SealBroken: the master key is not this store's.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        with ExitStack() as undo:
            undo.callback(sqlite.lock(folder / "lock").close)
            self._writing = sqlite.writing(folder / "xinqiao.db")
            upgrade(self._writing)
            with self._writing.begin() as conn:
                self.sealer: Sealer = load_sealer(conn, master_key, now or datetime.now(UTC))
            self.blobs = Blobs(folder / "blobs", self.sealer)
            self.blobs.sweep()
            self._reading = sqlite.reading(folder / "xinqiao.db", READERS)
            undo.callback(self._reading.dispose)
            self._let_go = undo.pop_all()
        self.wakes = Wakes()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writer = threading.Thread(target=self._write_forever, name="store-write", daemon=True)
        self._writer.start()

    async def write(self, act: Callable[[Connection], T]) -> T:
        """Run `act` in a durable transaction: when this returns it is on disk. Its exception undoes it alone.

        Cancelled before it began, the act never runs; cancelled later, it is written all the same, unheard.

        Raises:
            StoreClosed: after `close`.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(_Job(act, future))
        return await future

    def submit(self, act: Callable[[Connection], T]) -> Future[T]:
        """As `write`, for threads."""
        future: Future[T] = Future()
        self._put(_Job(act, future))
        return future

    async def read(self, act: Callable[[Connection], T]) -> T:
        """Run `act` on a snapshot; it cannot write."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, act)

    def read_now(self, act: Callable[[Connection], T]) -> T:
        """As `read`, in the calling thread."""
        with self._reading.begin() as conn:
            return act(conn)

    def close(self) -> None:
        """Finish what was submitted, then let go of the folder. Closing twice is closing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._let_go.close()

    def _put(self, job: _Job) -> None:
        with self._closing:
            if self._closed:
                raise StoreClosed(f"{self.folder}: this store was closed")
            self._jobs.put(job)

    def _write_forever(self) -> None:
        with self._writing.connect() as conn:
            while (job := self._jobs.get()) is not None:
                batch, last = self._gather(job)
                _settle(conn, batch)
                self.wakes.ring(noted(conn))
                if last:
                    return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        batch = [first]
        while len(batch) < BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False


def _settle(conn: Connection, batch: list[_Job]) -> None:
    """Run a batch and commit it; every waiter is told its own act's result or error, or the commit's error."""
    running = [job for job in batch if still_waits(job.waiter)]
    try:
        outcomes = _commit(conn, running)
    except BaseException as error:  # noqa: BLE001 - the border of the thread: whoever waits must hear of it
        # SQLAlchemy takes a COMMIT that failed for the transaction's end; SQLite does not, and would begin no other.
        conn.invalidate()
        outcomes = [Outcome(failure=error)] * len(running)
    tell([job.waiter for job in running], outcomes)


def _commit(conn: Connection, jobs: list[_Job]) -> list[Outcome]:
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

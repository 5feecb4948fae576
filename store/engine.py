"""The embedded store: SQLite with one writing thread and a few reading ones; a function is a transaction.

A batch is what accumulated while the last commit ran (nobody waits for it to fill), at most `BATCH`, each act in a
savepoint of its own, so that one poisonous act costs one act.
"""

from __future__ import annotations

import asyncio
import fcntl
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from store.blobs import Blobs
from store.migrate import upgrade
from store.sealing import Sealer, load_sealer
from store.wakes import Wakes, noted

T = TypeVar("T")
BATCH = 50
READERS = 4


class StoreBusy(Exception):
    """Another process has this data folder open for writing."""


@dataclass(frozen=True)
class _Job:
    act: Callable[[Connection], Any]
    future: Future[Any]


class Store:
    """Transactions on one data folder. `write` and `read` take a function of a Connection and run it off the event loop."""

    def __init__(self, folder: Path, master_key: bytes, *, now: datetime | None = None) -> None:
        """Lock the folder, bring the tables up to date, open the keys.

        Raises:
            StoreBusy: another process writes here.
            SealBroken: the master key is not this store's.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._lock = _lock(folder / "lock")
        self._writing = _engine(folder / "xinqiao.db", begin="BEGIN IMMEDIATE", readers=None)
        upgrade(self._writing)
        with self._writing.begin() as conn:
            self.sealer: Sealer = load_sealer(conn, master_key, now or datetime.now(UTC))
        self.blobs = Blobs(folder / "blobs", self.sealer)
        self.wakes = Wakes()
        self._reading = _engine(folder / "xinqiao.db", begin="BEGIN", readers=READERS)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writer = threading.Thread(target=self._write_forever, name="store-write", daemon=True)
        self._writer.start()

    async def write(self, act: Callable[[Connection], T]) -> T:
        """Run `act` in a durable transaction: when this returns it is on disk. Its exception undoes it alone."""
        return await asyncio.wrap_future(self.submit(act))

    def submit(self, act: Callable[[Connection], T]) -> Future[T]:
        """As `write`, for threads."""
        future: Future[T] = Future()
        self._jobs.put(_Job(act, future))
        return future

    async def read(self, act: Callable[[Connection], T]) -> T:
        """Run `act` on a snapshot; it cannot write."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, act)

    def read_now(self, act: Callable[[Connection], T]) -> T:
        with self._reading.begin() as conn:
            return act(conn)

    def close(self) -> None:
        """Finish what was submitted, then let go of the folder."""
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._writing.dispose()
        self._reading.dispose()
        self._lock.close()

    def _write_forever(self) -> None:
        with self._writing.connect() as conn:
            while (job := self._jobs.get()) is not None:
                batch, last = self._gather(job)
                _commit(conn, batch)
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


def _commit(conn: Connection, batch: list[_Job]) -> None:
    """Run a batch and commit it; every future gets its own act's result or error, or the commit's error."""
    outcomes: list[tuple[_Job, Any, BaseException | None]] = []
    try:
        with conn.begin():
            for job in batch:
                if job.future.set_running_or_notify_cancel():
                    outcomes.append((job, *_attempt(conn, job.act)))
    except BaseException as error:  # noqa: BLE001 - the border of the thread: whoever waits must hear of it
        for job in batch:
            if not job.future.done():
                job.future.set_exception(error)
        return
    for job, result, failure in outcomes:
        if failure is not None:
            job.future.set_exception(failure)
        else:
            job.future.set_result(result)


def _attempt(conn: Connection, act: Callable[[Connection], Any]) -> tuple[Any, BaseException | None]:
    try:
        with conn.begin_nested():
            return act(conn), None
    except Exception as error:  # noqa: BLE001 - handed to whoever submitted the act
        return None, error


def _engine(path: Path, *, begin: str, readers: int | None) -> Engine:
    pool: dict[str, Any] = (
        {"poolclass": NullPool} if readers is None else {"poolclass": QueuePool, "pool_size": readers}
    )
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 30}, **pool)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3's, behind SQLAlchemy
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-16384",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if readers is not None:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def start(conn: Connection) -> None:
        conn.exec_driver_sql(begin)

    return engine


def _lock(path: Path) -> Any:  # noqa: ANN401 - an open file
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StoreBusy(f"{path.parent}: another xinqiao process is using this data folder") from error
    return file

"""The store: transactions on one of two databases; a function is a transaction, run off the event loop.

A batch is what accumulated while the last commit ran (nobody waits for it to fill). Embedded, the database is SQLite in
the data folder; beyond one machine it is PostgreSQL, with any number of processes at work on it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from store import chain
from store.acts import (
    BATCH,
    SCHEME,
    Job,
    Jobs,
    StoreClosed,
    StoreFailed,
    StoreRefused,
    StoreUnreachable,
    TransactionLost,
)
from store.beginning import nothing_at
from store.blob_bucket import BlobBucket, Bucket, DepotUnavailable
from store.blob_claim import claim
from store.blob_folder import BlobFolder
from store.blobs import Blobs, Depot
from store.embedded import READERS, Embedded
from store.failure import place_of
from store.migrate import TablesNewer, heads, open_alone, upgrade
from store.sealing import (
    SealBroken,
    Sealer,
    data_keys,
    load_sealer,
    opened_sealer,
    put_back,
    renew_seal,
    vouch_for_beginning,
)
from store.sqlite import StoreBusy
from store.waiting import Outcome, tell
from store.wakes import Wakes

__all__ = [
    "BATCH", "CANNOT_OPEN", "READERS", "Store", "StoreBusy", "StoreClosed", "StoreFailed", "StoreRefused",
    "StoreUnreachable", "TransactionLost", "open_store",
]  # fmt: skip

T = TypeVar("T")
log = structlog.get_logger()
CANNOT_OPEN = (StoreBusy, StoreUnreachable, StoreRefused, TablesNewer, SealBroken)
"""Why a store does not open: each says in a sentence what to do."""
BROWSERS = 2
"""Threads for lists and searches, which may take seconds: whoever reads for the work at hand has others."""
UNFINISHED = timedelta(days=1)
"""Where others may be writing files, one is taken for left behind by a crash only after so long."""


class Database(Protocol):
    """What a store asks of its database."""

    writing: Engine
    writers: int
    """How many threads may call `settle`."""
    exclusive: bool
    writable: bool
    """False: what was last to be written failed, and not by its own fault: a full disk, a lost connection."""

    def settle(self, jobs: Sequence[Job]) -> set[str]:
        """Commit a batch and tell every waiter; the lanes that have got work."""

    def read(self, act: Callable[[Connection], T]) -> T: ...
    def now(self) -> datetime: ...
    def stop_waiting(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class Written:
    """What a writing thread has done so far."""

    transactions: int = 0
    acts: int = 0


class Store:
    """Transactions on one database: `write` and `read` take a function of a Connection."""

    def __init__(self, database: Database, folder: Path, sealer: Sealer, blobs: Blobs, *, new: bool) -> None:
        """Made by `open_store`; `new`: with it an installation began."""
        self.folder, self.sealer, self.blobs, self.new = folder, sealer, blobs, new
        self.wakes = Wakes(polling=not database.exclusive)
        self._database = database
        self._jobs = Jobs(str(folder), database.writers)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._browsers = ThreadPoolExecutor(BROWSERS, thread_name_prefix="store-browse")
        self._written = [Written() for _ in range(database.writers)]
        self._writers = [
            threading.Thread(target=self._write_forever, args=(written,), name=f"store-write-{number}", daemon=True)
            for number, written in enumerate(self._written)
        ]
        for thread in self._writers:
            thread.start()

    @property
    def written(self) -> Written:
        """All transactions this process has made (on PostgreSQL a batch may take more than one), and their acts."""
        return Written(sum(one.transactions for one in self._written), sum(one.acts for one in self._written))

    @property
    def exclusive(self) -> bool:
        """No other process works on this store while it is open: who held a lease in an earlier life is dead."""
        return self._database.exclusive

    @property
    def writable(self) -> bool:
        """False: what was last to be written could not be, through a fault of the disk or the database."""
        return self._database.writable

    def clock(self) -> datetime:
        """The time by which leases run, the same for all processes on this store."""
        return self._database.now()

    async def write(self, act: Callable[[Connection], T]) -> T:
        """Run `act` in a durable transaction: when this returns it is on disk. Its exception undoes it alone.

        It may be begun several times before it is committed (another transaction was in its way, the connection broke):
        it must have no effect but on the database. While the database cannot be reached it waits.
        Cancelled before it began, the act never runs; cancelled later, it is written all the same, unheard.

        Raises:
            StoreClosed: after `close`.
            TransactionLost: it may be written or not.
            StoreUnreachable: after `stop_waiting`, or its connection broke again and again.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(Job(self._equipped(act), future))
        return await future

    def submit(self, act: Callable[[Connection], T]) -> Future[T]:
        """As `write`, for threads."""
        future: Future[T] = Future()
        self._jobs.put(Job(self._equipped(act), future))
        return future

    async def read(self, act: Callable[[Connection], T]) -> T:
        """Run `act` on a snapshot; it cannot write. Raises StoreUnreachable."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, act)

    async def browse(self, act: Callable[[Connection], T]) -> T:
        """As `read`, what a person looks for among everything: it waits for its like, and nothing else for it."""
        return await asyncio.get_running_loop().run_in_executor(self._browsers, self.read_now, act)

    def read_now(self, act: Callable[[Connection], T]) -> T:
        """As `read`, in the calling thread."""
        return self._database.read(act)

    async def renew_key(self, master: bytes, now: datetime) -> bool:
        """Seal with a fresh data key from now on if the newest is a quarter old, whichever process makes it.

        A key that a fail-over to an asynchronous standby lost is put back while a process has it: with it went all that
        was sealed since. False: the one in use is the newest.
        """

        def renew(conn: Connection) -> tuple[int, dict[int, bytes], list[int]]:
            open_alone(conn)  # of two processes one makes it
            lost = self.sealer.lost(data_keys(conn, master))
            put_back(conn, master, lost, now)
            return renew_seal(conn, master, now), data_keys(conn, master), sorted(lost)

        number, keys, lost = await self.write(renew)
        if lost:
            log.warning("data key was lost by the database and is put back", keys=lost)
        return self.sealer.turn_to(number, keys)

    def stop_waiting(self) -> None:
        """From now on a database that cannot be reached is an error at once: it is time to stop."""
        self._database.stop_waiting()

    def close(self) -> None:
        """Finish what was submitted, then let go of the database. Closing twice is closing."""
        if not self._jobs.close():
            return
        self._database.stop_waiting()
        for thread in self._writers:
            thread.join()
        self._readers.shutdown()
        self._browsers.shutdown()
        self.blobs.close()
        self._database.close()

    def _equipped(self, act: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """Whoever writes can stamp what he writes into the history."""

        def run(conn: Connection) -> T:
            chain.equip(conn, self.sealer)
            return act(conn)

        return run

    def _write_forever(self, written: Written) -> None:
        last = False
        while not last:
            batch, last = self._jobs.take()
            if batch:
                try:
                    lanes = self._database.settle(batch)
                except BaseException as error:  # noqa: BLE001 - the thread's outer loop: who writes next needs it
                    log.error("writing failed", error=place_of(error))
                    lanes = set()
                    tell([job.waiter for job in batch], [Outcome(failure=error)] * len(batch))
                written.transactions += 1
                written.acts += len(batch)
                self.wakes.ring(lanes)


def open_store(
    database: str,
    folder: Path,
    master_key: bytes,
    now: datetime | None = None,
    bucket: Bucket | None = None,
    *,
    begins: bool = True,
) -> Store:
    """Open the store kept in `database`, "sqlite" for the data folder's own or the address of a PostgreSQL.

    Large blobs lie in the data folder or, if there is one, in the bucket. Brings the tables up to date, whichever
    process comes first, and opens the keys. Where there are none it `begins` an installation.

    Raises:
        StoreBusy: another process has this data folder.
        StoreUnreachable: PostgreSQL or the bucket does not answer, or not to us.
        StoreRefused: it lets us make no tables, or the file is no database, or the blobs are not this store's; or
            nothing is there and must not be begun, or only what a restore or a loss of the database has left.
        TablesNewer: a later version of the program has written here.
        SealBroken: the master key is not this store's.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _open(_database(database, folder), folder, bucket, master_key, now, begins=begins)
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]  # what follows may quote a row
        raise StoreRefused(f"{folder}: the database refuses: {said}") from error
    except DepotUnavailable as error:
        raise StoreUnreachable(f"{error.filename}: {error.strerror}") from error


def _open(
    opened: Database, folder: Path, bucket: Bucket | None, master_key: bytes, now: datetime | None, *, begins: bool
) -> Store:
    with ExitStack() as undo:
        undo.callback(opened.close)
        new = not opened.read(heads)
        if new and not begins:
            raise StoreRefused(nothing_at(folder))
        upgrade(opened.writing)
        with opened.writing.begin() as conn:
            open_alone(conn)
            load_keys = partial(opened.read, partial(data_keys, master=master_key))
            moment = now or opened.now()
            sealer = load_sealer(conn, master_key, moment, load_keys)
            if sealer.unstamped is None:  # a new store, or one from before migration 0013: once in its life
                vouch_for_beginning(conn, master_key, chain.begin(conn, sealer, moment))
                sealer = opened_sealer(conn, master_key, load_keys)
        alone = opened.exclusive and bucket is None
        depot = depot_at(folder, bucket)
        if not alone:
            opened.read(partial(claim, depot=depot, sealer=sealer))
        depot.sweep(timedelta(0) if alone else UNFINISHED)
        store = Store(opened, folder, sealer, Blobs(depot, sealer), new=new)
        undo.pop_all()
    return store


def depot_at(folder: Path, bucket: Bucket | None) -> Depot:
    """Where large blobs lie. Raises DepotUnavailable: the settings make no client."""
    return BlobFolder(folder / "blobs") if bucket is None else BlobBucket(bucket)


def _database(database: str, folder: Path) -> Database:
    if not database.startswith(SCHEME):
        return Embedded(folder)
    from store.postgres import Postgres  # noqa: PLC0415 - its driver takes 0.1 s to load: only who needs it waits

    return Postgres(database)

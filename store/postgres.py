"""The database beyond one machine: PostgreSQL, a few writing threads, any number of processes.

Acts that have accumulated share a transaction, but who holds locks never waits long for another's: an act that meets a
lock goes to the head of the next transaction, where it holds nothing yet. So batches cannot lock each other out.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import structlog
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError

from store.acts import SCHEME, Job, StoreUnreachable
from store.address import shown
from store.database_clock import DatabaseClock
from store.failure import is_databases
from store.postgres_batch import TRIES, ConnectionBroken, transact
from store.postgres_connections import reading, writing
from store.waiting import Outcome, still_waits, tell
from store.wakes import noted

log = structlog.get_logger()
T = TypeVar("T")
WRITERS = 4
READERS = 4
PATIENCE = 10.0
"""Seconds after which a reader is told that the database cannot be reached; a writer waits."""
PAUSE_FIRST, PAUSE_LONGEST = 0.1, 2.0


class Postgres:
    """A PostgreSQL database shared by processes."""

    exclusive = False
    writers = WRITERS
    writable = True

    def __init__(self, url: str) -> None:
        """Raises StoreUnreachable: it does not answer, or refuses us."""
        self._clock = DatabaseClock()
        try:
            self.writing = writing(url, WRITERS, self._clock)
            self._reading = reading(url, READERS)
        except (ArgumentError, ValueError) as error:
            raise StoreUnreachable(f"database: not a usable address, expected {SCHEME}user@host/name") from error
        self._place = shown(self.writing.url)
        self._hurried = threading.Event()
        self._out = False
        try:
            self.writing.connect().close()
        except DBAPIError as error:
            raise self._unreachable(error) from error

    def settle(self, jobs: Sequence[Job]) -> set[str]:
        """Commit the acts, in as few transactions as their locks allow; every waiter is told its own outcome."""
        waiting = deque(job for job in jobs if still_waits(job.waiter))
        rung: set[str] = set()
        while waiting:
            try:
                with self._connect(self.writing) as conn:
                    rung |= self._transact(conn, waiting)
            except BaseException as error:  # noqa: BLE001 - the border of the thread: whoever waits must hear of it
                self.writable = False
                _tell(waiting, [Outcome(failure=error)] * len(waiting))
        return rung

    def read(self, act: Callable[[Connection], T]) -> T:
        for _ in range(TRIES):
            with self._connect(self._reading, PATIENCE) as conn:
                try:
                    with conn.begin():
                        return act(conn)
                except DBAPIError as error:
                    if not error.connection_invalidated:
                        raise
        raise self._unreachable()

    def now(self) -> datetime:
        return self._clock.now()

    def stop_waiting(self) -> None:
        self._hurried.set()

    def close(self) -> None:
        self.writing.dispose()
        self._reading.dispose()

    def _transact(self, conn: Connection, waiting: deque[Job]) -> set[str]:
        """One transaction of acts from the front; those it settled are told, the others go on waiting."""
        try:
            outcomes = transact(conn, tuple(waiting), self._clock)
        except ConnectionBroken as error:
            self._despair(waiting, error)
            return set()
        rung = set() if conn.invalidated else noted(conn)
        if outcomes:
            self.writable = not any(is_databases(one.failure) for one in outcomes)
        _tell(waiting, outcomes)
        return rung

    def _despair(self, waiting: deque[Job], error: Exception) -> None:
        """Give up the acts under which the connection has broken again and again: perhaps they break it."""
        while waiting and waiting[0].tries >= TRIES:
            _tell(waiting, [Outcome(failure=self._unreachable(error))])

    def _connect(self, engine: Engine, patience: float | None = None) -> Connection:
        """A connection, as soon as there is one. Raises StoreUnreachable after `patience`, and once hurried."""
        pause, waited = PAUSE_FIRST, 0.0
        while True:
            try:
                conn = engine.connect()
            except DBAPIError as error:
                self._say_out(error)
                if (patience is not None and waited >= patience) or self._hurried.wait(pause):
                    raise self._unreachable(error) from error
                waited += pause
                pause = min(pause * 2, PAUSE_LONGEST)
            else:
                self._say_back()
                return conn

    def _say_out(self, error: DBAPIError) -> None:
        if not self._out:
            self._out = True
            log.warning("database does not answer; work waits", reason=str(self._unreachable(error)))

    def _say_back(self) -> None:
        if self._out:
            self._out = False
            log.info("database answers again", database=self._place)

    def _unreachable(self, error: Exception | None = None) -> StoreUnreachable:
        cause = error.orig if isinstance(error, DBAPIError) else None
        said = " ".join(str(cause).split()) if cause else "the connection breaks again and again"
        return StoreUnreachable(f"{self._place}: {said}")


def look(url: str) -> str:
    """What stands behind an address, in a sentence; nothing is changed. Raises StoreUnreachable."""
    database = Postgres(url)
    try:
        return database.read(_described)
    finally:
        database.close()


def _described(conn: Connection) -> str:
    version = conn.exec_driver_sql("SHOW server_version").scalar_one()
    at = MigrationContext.configure(conn).get_current_revision()
    return f"PostgreSQL {version}, {f'tables of migration {at}' if at else 'no tables yet'}"


def _tell(waiting: deque[Job], outcomes: Sequence[Outcome]) -> None:
    """Tell the first so many, and let them go."""
    tell([waiting.popleft().waiter for _ in outcomes], outcomes)

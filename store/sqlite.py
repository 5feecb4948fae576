"""SQLite as we open it: WAL, every commit on disk, one writing connection, a lock that keeps other processes out."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-4096", "temp_store=MEMORY")
_SMALL = "cache_size=-1024"
"""Readers look at few rows; what they miss the system's own cache has."""


class StoreBusy(Exception):
    """Another process has this data folder open for writing."""


def writing(path: Path) -> Engine:
    """An engine whose transactions hold the write lock from their first statement on; only we may read the file."""
    created = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # SQLite gives the WAL the same permissions
    os.close(created)
    engine = create_engine(_address(path), connect_args=_ARGUMENTS, poolclass=NullPool, hide_parameters=True)
    # A deferred BEGIN would fail at once with "database is locked" when it turns to writing, whatever the timeout.
    return _configured(engine, "BEGIN IMMEDIATE", PRAGMAS)


def reading(path: Path, connections: int) -> Engine:
    """An engine whose transactions see a snapshot and cannot write."""
    engine = create_engine(
        _address(path), connect_args=_ARGUMENTS, poolclass=QueuePool, pool_size=connections, hide_parameters=True
    )
    return _configured(engine, "BEGIN", (*PRAGMAS, _SMALL, "query_only=ON"))


def looking(path: Path) -> Engine:
    """As `reading`, from outside: it takes no lock, makes no file, and leaves the daemon's log of changes alone."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=30), poolclass=NullPool,
        hide_parameters=True,
    )  # fmt: skip
    return _configured(engine, "BEGIN", (_SMALL, "query_only=ON"))


def lock(path: Path) -> IO[str]:
    """Take the folder's lock, held until the file returned is closed or the process ends.

    Raises:
        StoreBusy: another process, or another store of this one, holds it.
    """
    file = path.open("a+")
    try:
        path.chmod(0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StoreBusy(f"{path.parent}: another xinqiao process is using this data folder") from error
    # A forked worker that outlives a killed daemon would hold the lock on: it lets go of its copy at birth.
    os.register_at_fork(after_in_child=file.close)
    return file


_ARGUMENTS = {"check_same_thread": False, "timeout": 30}


def _address(path: Path) -> str:
    return f"sqlite:///{path}"


def _configured(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> Engine:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3's, behind SQLAlchemy
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(conn: Connection) -> None:
        conn.exec_driver_sql(begin)

    return engine

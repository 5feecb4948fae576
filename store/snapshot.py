"""One consistent look at a database while others work on it, written to a file that holds all of it.

A snapshot is the first half of a backup, the large blobs are the second: a file lies under its name before the row that
refers to it is committed, so whatever the snapshot refers to is there afterwards. The other way round it would not be.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from store.acts import SCHEME, StoreRefused, StoreUnreachable
from store.address import shown
from store.migrate import refuse_half_filled
from store.postgres_connections import arguments_for

EMBEDDED, DUMP = "xinqiao.db", "xinqiao.pgdump"
PAGES = 1000
"""So many are copied between two words about how far it is."""
Tell = Callable[[str], None]
_LARGE = "SELECT sha256 FROM blob WHERE sealed IS NULL ORDER BY sha256"
_KEYS = "SELECT purpose, wrapped FROM data_key ORDER BY id"
_MIGRATION = "SELECT version_num FROM alembic_version"


class Contents(Protocol):
    """What was in a database at one moment."""

    def migration(self) -> str: ...
    def rows(self) -> dict[str, int]:
        """How many rows each table has."""

    def large_blobs(self) -> Iterator[str]:
        """The hashes of what lies in files."""

    def wrapped_keys(self) -> list[tuple[str, bytes]]:
        """Purpose and wrapped bytes of each data key."""


class Snapshot(Protocol):
    """A moment of a database that is held until it has been written down."""

    engine: str
    """sqlite or postgresql."""
    file: str
    """What its copy is called in a backup."""

    def dump(self, to: Path, tell: Tell) -> Contents:
        """Write all of it. Raises StoreRefused: it is damaged, or the database's own program fails."""


@contextmanager
def snapshot(database: str, folder: Path) -> Iterator[Snapshot]:
    """The state now of what `open_store` would open; what others write meanwhile is not in it.

    The tables may be of an older version: nothing is changed.

    Raises:
        StoreRefused: there is nothing, or no more than half of it.
        StoreUnreachable: PostgreSQL does not answer, or not to us.
    """
    if not database.startswith(SCHEME):
        with _of_folder(folder) as found:
            yield found
    else:
        with _of_postgres(database) as taken:
            yield taken


class DatabaseFile:
    """A database file that nobody writes to, such as one in a backup."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """Raises StoreRefused: it is damaged."""
        try:
            with self._open() as conn:
                (said,) = conn.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            said = str(error)
        if said != "ok":
            raise StoreRefused(f"{self._path}: the database is damaged: {said}")

    def migration(self) -> str:
        with self._open() as conn:
            return str(conn.execute(_MIGRATION).fetchone()[0])

    def rows(self) -> dict[str, int]:
        with self._open() as conn:
            tables = conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
            return {name: _count(conn, name) for (name,) in sorted(tables.fetchall())}

    def large_blobs(self) -> Iterator[str]:
        with self._open() as conn:
            for (sha256,) in conn.execute(_LARGE):
                yield sha256

    def wrapped_keys(self) -> list[tuple[str, bytes]]:
        with self._open() as conn:
            return conn.execute(_KEYS).fetchall()

    def _open(self) -> closing[sqlite3.Connection]:
        # Immutable: no lock, and no -wal and -shm beside a file that is to be hashed.
        return closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?immutable=1", uri=True))


def _count(conn: sqlite3.Connection, table: str) -> int:
    (found,) = conn.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608 - a table of our own
    return int(found)


class _Folder:
    """A data folder's database, daemon at work or not."""

    engine, file = "sqlite", EMBEDDED

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def dump(self, to: Path, tell: Tell) -> Contents:
        def told(_status: int, remaining: int, total: int) -> None:
            tell(f"database: {total - remaining} of {total} pages")

        with closing(sqlite3.connect(to)) as copy:
            self._conn.backup(copy, pages=PAGES, progress=told)
        self._conn.rollback()  # the daemon's log of changes may be taken in again
        copied = DatabaseFile(to)
        copied.check()
        return copied


@contextmanager
def _of_folder(folder: Path) -> Iterator[_Folder]:
    """Reads only, and takes no lock of the daemon's: a reader's transaction holds the snapshot, whatever is written."""
    path = folder / EMBEDDED
    if not path.exists():
        raise StoreRefused(f"{folder}: there is no installation in it")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as conn:
            conn.execute("BEGIN")
            conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            yield _Folder(conn)
    except sqlite3.Error as error:
        raise StoreRefused(f"{path}: {error}") from error


class _Postgres:
    """A transaction on PostgreSQL whose snapshot `pg_dump` shares, and which then says what was in it."""

    engine, file = "postgresql", DUMP

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def dump(self, to: Path, tell: Tell) -> Contents:
        tell("database: pg_dump")
        shared = self._conn.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        run_program(self._conn.engine, "pg_dump", f"--snapshot={shared}", "--format=custom", *BARE, f"--file={to}")
        return self

    def migration(self) -> str:
        return str(self._conn.execute(text(_MIGRATION)).scalar_one())

    def rows(self) -> dict[str, int]:
        return count_rows(self._conn)

    def large_blobs(self) -> Iterator[str]:
        streaming = self._conn.execution_options(yield_per=10_000)
        yield from streaming.execute(text(_LARGE)).scalars()

    def wrapped_keys(self) -> list[tuple[str, bytes]]:
        return [(purpose, bytes(wrapped)) for purpose, wrapped in self._conn.execute(text(_KEYS))]


BARE = ("--no-owner", "--no-privileges")
"""Whoever restores it owns it."""


@contextmanager
def _of_postgres(database: str) -> Iterator[_Postgres]:
    with connected(database) as conn:
        conn.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        if not conn.execute(text("SELECT to_regclass('alembic_version') IS NOT NULL")).scalar_one():
            raise StoreRefused(f"{shown(conn.engine.url)}: there is no installation in it")
        found = _Postgres(conn)
        refuse_half_filled({found.migration()}, shown(conn.engine.url))
        yield found


@contextmanager
def connected(database: str) -> Iterator[Connection]:
    """One transaction on PostgreSQL. Raises StoreUnreachable."""
    address = make_url(database)
    engine = create_engine(address, hide_parameters=True, connect_args=arguments_for(address))
    try:
        with engine.begin() as conn:
            yield conn
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.OperationalError):
            raise
        raise StoreUnreachable(f"{shown(engine.url)}: {' '.join(str(error.orig).split())}") from error
    finally:
        engine.dispose()


def count_rows(conn: Connection) -> dict[str, int]:
    """How many rows each table of ours has."""
    return {
        name: conn.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608 - a table of our own
        for name in tables(conn)
    }


def tables(conn: Connection) -> list[str]:
    """The names of all tables of a PostgreSQL, in order."""
    wanted = text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
    return list(conn.execute(wanted).scalars())


def run_program(engine: Engine, program: str, *arguments: str) -> str:
    """What one of PostgreSQL's own programs says on the engine's database; the password is never an argument.

    Raises:
        StoreRefused: it is not installed, or fails; with what it said last.
    """
    if shutil.which(program) is None:
        raise StoreRefused(f"{program} is not on the PATH; it belongs to the database's client (postgresql-client)")
    _, keywords = engine.dialect.create_connect_args(engine.url)
    known: dict[str, Any] = arguments_for(engine.url)
    known |= {name: value for name, value in keywords.items() if name != "context"}
    password = known.pop("password", None)
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    command = [program, f"--dbname={make_conninfo(**known)}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
        raise StoreRefused(f"{program}: {said}")
    return done.stdout

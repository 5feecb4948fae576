"""Where a backup of PostgreSQL is brought: a database that no daemon can open, nor has open, until all is proved.

The gate is a move's: the number of the migration, which while the tables are filled is one no version knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from store.acts import StoreRefused, StoreUnreachable
from store.address import shown
from store.crashpoint import reach
from store.migrate import RESTORING, fill_alone, heads, open_alone, stamp, stamp_first
from store.move_source import wrapped_keys
from store.move_target import expect_nobody
from store.postgres_connections import filling
from store.schema import data_key
from store.snapshot import BARE, count_rows, run_program, tables

STAMP = "alembic_version"


class Room:
    """One connection to the database; closed, it lets another restore or move begin."""

    def __init__(self, address: str) -> None:
        """Raises StoreUnreachable; StoreRefused: it is not empty, or is being filled."""
        with ExitStack() as undo:
            engine = filling(address, "xinqiao restore")
            undo.callback(engine.dispose)
            self.place = shown(engine.url)
            with self._said():
                self._conn = undo.enter_context(engine.connect())
            with self._transaction() as conn:
                if not fill_alone(conn):
                    raise StoreRefused(f"{self.place}: another move or restore is at work on this database")
                self._expect_room(conn)
            self.close = undo.pop_all().close

    def shut(self, migration: str, keys: set[bytes]) -> None:
        """Shut the gate, and clear away what an interrupted restore of the same installation left behind it."""
        with self._transaction() as conn:
            open_alone(conn)
            self._expect_room(conn)
            expect_nobody(conn, self.place)
            there = set(tables(conn)) - {STAMP}
            if data_key.name in there and not wrapped_keys(conn) & keys:
                raise StoreRefused(f"{self.place}: the restore of another installation was begun here")
            for name in there:
                conn.execute(text(f'DROP TABLE "{name}" CASCADE'))
            if heads(conn):
                stamp(conn, RESTORING + migration)
            else:
                stamp_first(conn, RESTORING + migration)
        reach("restore.shut")

    def fill(self, dump: Path) -> dict[str, int]:
        """Bring in all that was dumped, but for the stamp; how many rows each table then has."""
        with self._transaction() as conn:  # the gate keeps nobody out who was within
            expect_nobody(conn, self.place)
        engine, wanted = self._conn.engine, dump.with_suffix(".list")
        listed = run_program(engine, "pg_restore", "--list", str(dump)).splitlines(keepends=True)
        wanted.write_text("".join(line for line in listed if STAMP not in line.split()), "utf-8")
        only = f"--use-list={wanted}"
        run_program(engine, "pg_restore", "--single-transaction", "--exit-on-error", *BARE, only, str(dump))
        reach("restore.filled")
        with self._transaction() as conn:
            return count_rows(conn)

    def open(self, migration: str) -> None:
        """Open the gate: from here on it is an installation."""
        reach("restore.settled")
        with self._transaction() as conn:
            stamp(conn, migration)
            conn.execute(text("SET LOCAL synchronous_commit = on"))

    def _expect_room(self, conn: Connection) -> None:
        begun = any(one.startswith(RESTORING) for one in heads(conn))
        if not begun and (there := tables(conn)):
            raise StoreRefused(f"{self.place}: is not empty, it has a table {there[0]}; expected an empty database")

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._said(), self._conn.begin():
            yield self._conn

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Raises StoreUnreachable, StoreRefused."""
        try:
            yield
        except DBAPIError as error:
            kind = StoreUnreachable if isinstance(error.orig, psycopg.OperationalError) else StoreRefused
            raise kind(f"{self.place}: {' '.join(str(error.orig).split())}") from error

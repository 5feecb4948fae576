"""Where a move comes from: an embedded installation at rest, looked at and not written to."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Table, select
from sqlalchemy.exc import DBAPIError

from store import moved, sqlite
from store.acts import StoreRefused
from store.migrate import head
from store.row_bytes import HEAD, TAIL, Row, batches, encoder
from store.schema import blob, data_key
from store.sealing import Sealer, opened_sealer

AT_ONCE, PART = 1000, 2**20
"""So many rows, or bytes of rows, are hashed in one go."""


class Source:
    """One snapshot of a data folder's database; nobody else opens the folder until it is closed."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreBusy: a process works on it. StoreRefused: there is nothing to move, or not by this version."""
        self.folder = folder
        if not (folder / "xinqiao.db").exists():
            raise StoreRefused(f"{folder}: there is no installation in it")
        with ExitStack() as undo:
            undo.callback(sqlite.lock(folder / "lock").close)
            engine = sqlite.reading(folder / "xinqiao.db", 1)
            undo.callback(engine.dispose)
            try:
                self._conn = undo.enter_context(engine.begin())
                at = MigrationContext.configure(self._conn).get_current_revision()
            except DBAPIError as error:
                raise StoreRefused(f"{folder}: the database refuses: {error.orig}") from error
            if at != head():
                raise StoreRefused(
                    f"{folder}: its tables are of migration {at}, this version's of {head()}; `xinqiao status` brings "
                    "them up to date"
                )
            self.close = undo.pop_all().close

    @property
    def moved(self) -> moved.Moved | None:
        """Whether it was moved before."""
        return moved.read(self.folder)

    def sealer(self, master: bytes) -> Sealer:
        """Raises SealBroken: the master key is another one."""
        return opened_sealer(self._conn, master)

    def keys(self) -> set[bytes]:
        """The wrapped data keys: whose installation it is."""
        return wrapped_keys(self._conn)

    def count(self, table: Table) -> int:
        """How many rows it has."""
        return self._number(_statement(table, "count(*)"))

    def rows(self, table: Table, after: Row | None = None) -> Iterator[Row]:
        """Every row, or those behind a key, in the order of the primary key."""
        keys = named(table.primary_key)
        behind = "" if after is None else f" WHERE ({keys}) > ({', '.join('?' * len(after))})"
        return self._rows(_statement(table, named(table.columns), f"{behind} ORDER BY {keys}"), after or ())

    def digest(self, table: Table) -> str:
        """The hash of all rows as PostgreSQL would hand them back."""
        found = hashlib.sha256(HEAD)
        for _, part in batches(self.rows(table), encoder(table), AT_ONCE, PART):
            found.update(part)
        found.update(TAIL)
        return found.hexdigest()

    def last_id(self, table: Table) -> int:
        """The highest number the table has given, also to rows that are gone where it keeps count; 0 for none."""
        kept = self._number("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (table.name,))
        return max(kept, self._number(_statement(table, f"coalesce(max({named(table.primary_key)}), 0)")))

    def large_blobs(self) -> Iterator[str]:
        """The hashes of what lies in the depot."""
        for (sha256,) in self._rows(_statement(blob, "sha256", " WHERE sealed IS NULL ORDER BY sha256")):
            yield str(sha256)

    def _number(self, statement: str, parameters: Row = ()) -> int:
        ((found,),) = self._rows(statement, parameters)
        return cast("int", found)

    def _rows(self, statement: str, parameters: Row = ()) -> Iterator[Row]:
        return cast("sqlite3.Connection", self._conn.connection.dbapi_connection).execute(statement, parameters)


def named(columns: Iterable[Column[Any]]) -> str:
    """The names of columns, for a statement; SQLite and PostgreSQL quote alike."""
    return ", ".join(f'"{column.name}"' for column in columns)


def _statement(table: Table, what: str, rest: str = "") -> str:
    return f'SELECT {what} FROM "{table.name}"{rest}'  # noqa: S608 - names of our own tables


def wrapped_keys(conn: Connection) -> set[bytes]:
    return set(conn.execute(select(data_key.c.wrapped)).scalars())

"""Where a move goes: a PostgreSQL that no daemon can open until every table in it is proved to be the source's.

The gate is the number of the migration: while the tables are filled it says so, and is a number no version knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import psycopg
from sqlalchemy import Connection, Table, func, select, text, update
from sqlalchemy.exc import ArgumentError, DBAPIError

from store import chain, ledger
from store.acts import SCHEME, StoreFailed, StoreRefused, StoreUnreachable
from store.address import shown
from store.crashpoint import reach
from store.migrate import FILLING, RESTORING, bring_up, fill_alone, head, heads, open_alone, stamp
from store.move_source import named, wrapped_keys
from store.postgres_batch import raw_of
from store.postgres_connections import filling
from store.row_bytes import HEAD, TAIL, Row
from store.schema import channel, data_key, link, metadata
from store.sealing import SealBroken, Sealer, opened_sealer
from store.snapshot import tables


class State(Enum):
    """What a database is to a move."""

    EMPTY = "empty"
    BEGUN = "begun"
    """By a move of the same installation."""
    COMPLETE = "complete"
    """It holds the installation, moved here before."""


class Target:
    """One connection to the database; closed, it lets another move begin."""

    def __init__(self, url: str) -> None:
        """Raises StoreUnreachable; StoreRefused: another move or restore is at work on it."""
        with ExitStack() as undo:
            try:
                engine = filling(url, "xinqiao move")
                undo.callback(engine.dispose)
                self._conn = undo.enter_context(engine.connect())
            except (ArgumentError, ValueError) as error:
                raise StoreUnreachable(f"--to: not a usable address, expected {SCHEME}user@host/name") from error
            except DBAPIError as error:
                raise StoreUnreachable(f"--to: {' '.join(str(error.orig).split())}") from error
            self.place = shown(engine.url)
            with self._conn.begin():
                free = fill_alone(self._conn)
            if not free:
                raise StoreRefused(f"{self.place}: another move or restore is at work on this database")
            self.close = undo.pop_all().close

    def state(self, keys: set[bytes]) -> State:
        """What it is to the move of the installation with these keys. Raises StoreRefused: it is another's."""
        with self._transaction():
            return self._state(keys)

    def given_up(self, keys: set[bytes], master: bytes) -> Sealer | None:
        """The seal of whoever only opened this database before, which `begin` takes out; None: nobody did, or under
        another master key. Raises StoreRefused: it is another's, or a process works on it.
        """
        with self._transaction():
            if self._state(keys) is not State.EMPTY or not heads(self._conn):
                return None
            expect_nobody(self._conn, self.place)
            try:
                return opened_sealer(self._conn, master) if wrapped_keys(self._conn) else None
            except SealBroken:
                return None

    def begin(self, keys: set[bytes]) -> State:
        """Make the tables, or take them up again, with the gate shut from the first moment; what it was before."""
        with self._transaction():
            open_alone(self._conn)
            found = self._state(keys)
            if found is State.COMPLETE:
                return found
            expect_nobody(self._conn, self.place)
            for at in heads(self._conn):
                stamp(self._conn, at.removeprefix(FILLING))
            bring_up(self._conn)
            if found is State.EMPTY:
                self._conn.execute(text("TRUNCATE data_key, link RESTART IDENTITY"))
            stamp(self._conn, FILLING + head())
        reach("move.begun")
        return found

    def last_key(self, table: Table) -> Row | None:
        """The key of the last row that came; None: none has."""
        order = ", ".join(f"{key} DESC" for key in _order(table))
        wanted = f'SELECT {named(table.primary_key)} FROM "{table.name}" ORDER BY {order} LIMIT 1'  # noqa: S608 - our names
        with self._transaction():
            row = self._conn.exec_driver_sql(wanted).first()
        return None if row is None else tuple(row)

    def append(self, table: Table, rows: bytes) -> None:
        """Write encoded rows, in a transaction of their own."""
        statement = f'COPY "{table.name}" ({named(table.columns)}) FROM STDIN (FORMAT BINARY)'
        with self._transaction(), raw_of(self._conn).cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write(HEAD + rows + TAIL)

    def clear(self, table: Table) -> None:
        """Empty it, and with it what refers to it, which is filled later."""
        with self._transaction():
            self._conn.execute(text(f'TRUNCATE "{table.name}" CASCADE'))

    def digest(self, table: Table) -> str:
        """The hash of all rows as PostgreSQL hands them out, in the order of the primary key."""
        found = hashlib.sha256()
        wanted = f'SELECT {named(table.columns)} FROM "{table.name}" ORDER BY {", ".join(_order(table))}'  # noqa: S608 - our names
        statement = f"COPY ({wanted}) TO STDOUT (FORMAT BINARY)"
        with self._transaction(), raw_of(self._conn).cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for part in copy:
                found.update(part)
        return found.hexdigest()

    def finish(self, sealer: Sealer, actor: str, detail: dict[str, Any], last_ids: Iterable[tuple[Table, int]]) -> None:
        """Open the gate: numbers go on where they were, nobody holds a lease, and the history tells of the move."""
        with self._transaction():
            for table, last in last_ids:
                self._count_on(table, last)
            now: datetime = self._conn.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)
            ledger.release_all(self._conn, now=now)
            self._conn.execute(update(channel).values(kept_until=None))
            chain.equip(self._conn, sealer)
            chain.append(self._conn, [{"kind": "moved", "actor": actor, "detail": detail, "at": now}])
            stamp(self._conn, head())
            self._conn.execute(text("SET LOCAL synchronous_commit = on"))  # and with this commit all before it
        with self._transaction():
            self._conn.execute(text("ANALYZE"))

    def _state(self, keys: set[bytes]) -> State:
        at = heads(self._conn)
        if not at:
            return State.EMPTY
        if any(one.startswith(RESTORING) for one in at):
            raise StoreRefused(f"{self.place}: a restore was begun here; give that again, or name an empty database")
        theirs = wrapped_keys(self._conn)
        if any(one.startswith(FILLING) for one in at):
            if not theirs or theirs & keys:
                return State.BEGUN
            raise StoreRefused(f"{self.place}: the move of another installation was begun here")
        if not self._holds_anything():
            return State.EMPTY
        if keys & theirs:
            return State.COMPLETE
        raise StoreRefused(f"{self.place}: another installation's data are in it; expected an empty database")

    def _holds_anything(self) -> bool:
        """Whether there is more than the keys and the beginning that whoever opens a new database makes."""
        there = {name for name in tables(self._conn) if name in metadata.tables} - {data_key.name, link.name}
        return any(self._conn.execute(text(f'SELECT EXISTS (SELECT FROM "{name}")')).scalar_one() for name in there)  # noqa: S608

    def _count_on(self, table: Table, last: int) -> None:
        (column,) = table.primary_key
        named = {"table": table.name, "column": column.name}
        sequence = self._conn.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), named).scalar_one()
        self._conn.execute(select(func.setval(sequence, max(last, 1), last > 0)))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Raises StoreFailed, in words that repeat no row."""
        try:
            with self._conn.begin():
                yield
        except (DBAPIError, psycopg.Error) as error:
            said = str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0]
            if self._conn.invalidated or raw_of(self._conn).closed:
                self._conn.invalidate()
                said += "; give the command again"
            raise StoreFailed(f"{self.place}: {said}") from error


def expect_nobody(conn: Connection, place: str) -> None:
    """Raises StoreRefused: a process of ours has the database open, and would write into what is filled."""
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'xinqiao' "
        "AND pid <> pg_backend_pid()"
    )
    if conn.execute(others).scalar_one():
        raise StoreRefused(f"{place}: a xinqiao process works on this database; stop it first")


def numbered(table: Table) -> bool:
    """Whether the database counts the rows' numbers."""
    return table.autoincrement_column is not None


def _order(table: Table) -> list[str]:
    """The key's columns, texts by their bytes, as SQLite orders them."""
    return [
        f'"{column.name}" COLLATE "C"' if column.type.python_type is str else f'"{column.name}"'
        for column in table.primary_key
    ]

"""INSERT … ON CONFLICT in the dialect at hand."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite


def insert_into(conn: Connection, table: Table) -> sqlite.Insert:
    """An insert that offers on_conflict_do_nothing and on_conflict_do_update; both engines spell them alike."""
    if conn.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - its 3 MB only for who uses it

        return postgresql.insert(table)  # type: ignore[return-value]  # the same methods, by another class
    return sqlite.insert(table)

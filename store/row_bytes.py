"""Rows as PostgreSQL's binary COPY writes them (its manual on COPY, "Binary Format"), to be carried and compared.

SQLite's rows are put into the very bytes that PostgreSQL hands back for the same rows, so that two hashes compare a
table, whatever its size.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own

Value: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = tuple[Value, ...]
Encode: TypeAlias = Callable[[Row], bytes]


class Unstorable(Exception):
    """A value that PostgreSQL's column cannot hold."""


def encoder(table: Table) -> Encode:
    """What turns a row of SQLite's, its columns in the table's order, into bytes. It raises Unstorable."""
    fields = [_FIELDS[column.type.compile(_POSTGRESQL)] for column in table.columns]
    begin = struct.pack(">h", len(fields))

    def encode(row: Row) -> bytes:
        parts = [begin]
        try:
            for value, field in zip(row, fields, strict=True):
                parts.append(_NULL if value is None else field(value))
        except (struct.error, AttributeError, TypeError) as error:
            column = table.columns[len(parts) - 1].name
            raise Unstorable(f"table {table.name}: column {column} of row {row[0]!r}: {error}") from error
        return b"".join(parts)

    return encode


def batches(rows: Iterable[Row], encode: Encode, most: int, largest: int) -> Iterator[tuple[int, bytes]]:
    """How many rows and their bytes, at most so many rows and about so many bytes at a time."""
    parts: list[bytes] = []
    size = 0
    for row in rows:
        parts.append(encode(row))
        size += len(parts[-1])
        if len(parts) == most or size >= largest:
            yield len(parts), b"".join(parts)
            parts, size = [], 0
    if parts:
        yield len(parts), b"".join(parts)


_LONG, _INT, _BOOL, _LENGTH = (struct.Struct(form).pack for form in (">iq", ">ii", ">i?", ">i"))


def _text(value: str) -> bytes:
    written = value.encode()
    if b"\0" in written:
        written = written.replace(b"\0", "\ufffd".encode())  # as PostgreSQL's connections write it
    return _LENGTH(len(written)) + written


def _json(value: str | float) -> bytes:
    """SQLite turns a JSON that is a number into one; everything else is the text it was written as."""
    return _text(value if isinstance(value, str) else json.dumps(value))


_FIELDS: dict[str, Callable[..., bytes]] = {
    "BIGINT": lambda value: _LONG(8, value),
    "INTEGER": lambda value: _INT(4, value),
    "BOOLEAN": lambda value: _BOOL(1, value),
    "TEXT": _text,
    "JSON": _json,
    "BYTEA": lambda value: _LENGTH(len(value)) + value,
}
"""By the name of PostgreSQL's type."""

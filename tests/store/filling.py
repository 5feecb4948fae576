"""Fills every table of a store with invented rows that fit together, as many as asked."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, Connection, Table, insert

from store.schema import data_key, ledger, metadata
from tests.store.keys import NOW

TEXTS = ("信访", "plain", "", "with a NUL \0 in it", "'quotes\" and \\ and \t\n", "😀", "ﾃﾞｰﾀ")
SIZES = (0, 1, 90, 400)


def fill(conn: Connection, rows: int, *, seed: int = 1, sizes: Mapping[str, int] | None = None) -> None:
    """Add so many rows to each table, or as many as `sizes` says."""
    chance = random.Random(seed)
    for table in metadata.sorted_tables:
        if table is not data_key:
            number = (sizes or {}).get(table.name, rows)
            made = [_row(table, number, chance) for number in range(1, number + 1)]
            for first in range(0, len(made), 1000):
                conn.execute(insert(table), made[first : first + 1000])


def _row(table: Table, number: int, chance: random.Random) -> dict[str, Any]:
    return {column.name: _value(table, column, number, chance) for column in table.columns}


def _value(table: Table, column: Column[Any], number: int, chance: random.Random) -> Any:
    parents = [key.column.table.name for key in column.foreign_keys]
    alone = column.unique or column.primary_key or bool(parents) or column.name in _UNIQUE.get(table.name, ())
    if column.name in _FIXED:
        return _FIXED[column.name]
    if column.nullable and not alone and column.name != "sealed" and chance.random() < 0.3:
        return None
    kind = column.type.compile()
    if kind in ("BIGINT", "INTEGER"):
        if alone or table is ledger:
            return NOW if _is_moment(column) else number
        return NOW + timedelta(microseconds=chance.randrange(10**12)) if _is_moment(column) else chance.randrange(2**31)
    if kind == "BOOLEAN":
        return chance.random() < 0.5
    if kind == "JSON":
        return chance.choice([{"字": "信桥", "n": number}, {"deep": [1, None, {"a": True}]}, {"\0": "\ud800"}])
    if kind == "BLOB":
        size = SIZES[number % len(SIZES)] + (16 if alone else 0)
        return number.to_bytes(8, "big") + os.urandom(size)
    name = f"{(parents or [table.name])[0]}-{number:09}"
    return name if alone else chance.choice(TEXTS)


_FIXED = {"leased": False, "kept_until": None}
"""What a move takes back."""
_UNIQUE = {
    "raw": ("key",),
    "cases": ("case_no", "identity"),
    "attachment": ("case_id", "key"),
    "delivery": ("event_id", "target"),
    "reading": ("raw_id",),
    "event": ("id",),
    "report": ("webhook_id",),
}
"""What must differ from row to row besides the keys."""


def _is_moment(column: Column[Any]) -> bool:
    return type(column.type).__name__ == "Moment"

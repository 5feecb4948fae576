"""What a proof finds, and how it goes through tables of any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, select, tuple_
from sqlalchemy.sql import ColumnElement

from store.looking import Look

PAGE = 500


@dataclass(frozen=True)
class Finding:
    """Something is not as it should be: what kind of thing, which one, and what to do."""

    kind: str
    what: str
    advice: str


@dataclass
class Proof:
    """How far it is: so many of each thing were looked at."""

    look: Look
    tell: Callable[[str, int], None]
    counts: Counter[str] = field(default_factory=Counter)
    anchor: str | None = None
    """The end of the chain: who keeps it elsewhere can prove later that nothing behind it was cut off."""

    def counted(self, what: str, number: int = 1) -> None:
        self.counts[what] += number
        self.tell(what, self.counts[what])


def pages(
    look: Look, table: Table, act: Callable[[Connection, list[Row[Any]]], list[Finding]], size: int = PAGE
) -> Iterator[tuple[int, list[Finding]]]:
    """Every row in the order of the key, a page a snapshot; how many rows, and what `act` found in them."""
    key = list(table.primary_key)
    last: tuple[Any, ...] | None = None

    def read(conn: Connection) -> tuple[list[Row[Any]], list[Finding]]:
        wanted = select(table).order_by(*key).limit(size)
        rows = list(conn.execute(wanted if last is None else wanted.where(_behind(key, last))))
        return rows, act(conn, rows)

    while True:
        rows, found = look.read(read)
        if not rows:
            return
        yield len(rows), found
        last = tuple(rows[-1]._mapping[column.name] for column in key)


def _behind(key: list[Any], last: tuple[Any, ...]) -> ColumnElement[bool]:
    behind: ColumnElement[bool] = tuple_(*key) > tuple_(*last) if len(key) > 1 else key[0] > last[0]
    return behind

"""Whether a list is short: then it is sorted; a long one is walked over in its order until a page is full."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, func, select

FEW = 1_000


def are_few(conn: Connection, wanted: Select[Any] | CompoundSelect[Any]) -> bool:
    """Whether at most `FEW` rows meet it; the others are not counted."""
    found = select(func.count()).select_from(wanted.limit(FEW + 1).subquery())
    return int(conn.execute(found).scalar_one()) <= FEW

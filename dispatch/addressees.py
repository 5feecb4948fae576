"""Whom deliveries are addressed to, found without reading them: there are millions."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from store.schema import delivery

_first = select(func.min(delivery.c.target).label("name")).cte("addressee", recursive=True)
_next = select(func.min(delivery.c.target)).where(delivery.c.target > _first.c.name).scalar_subquery()
_each = _first.union_all(select(_next).where(_first.c.name.is_not(None)))
_NAMES = select(_each.c.name).where(_each.c.name.is_not(None)).order_by(_each.c.name)


def addressees(conn: Connection) -> list[str]:
    """Every target that has a delivery, in force or not: of each the index is asked for the next name."""
    return list(conn.execute(_NAMES).scalars())

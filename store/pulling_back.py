"""Moments that were noted by a clock which was ahead, put right once it was set back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, Table, case, literal, type_coerce, update

from store.schema import EPOCH, MICROSECOND


def pull_back(conn: Connection, table: Table, columns: Sequence[str], by: timedelta, now: datetime) -> None:
    """The clock was set back by `by`, to `now`: whatever of these columns lies later is as much earlier."""
    moment, step = (now - EPOCH) // MICROSECOND, by // MICROSECOND
    for name in columns:
        at = type_coerce(table.c[name], BigInteger)
        right = case((at > moment + step, literal(moment)), else_=at - literal(step))
        conn.execute(update(table).where(table.c[name] > now).values({name: type_coerce(right, table.c[name].type)}))

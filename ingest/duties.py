"""What of several processes one does: a lease on a row, by name."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from store.schema import duty
from store.upsert import insert_into


def take(conn: Connection, name: str, holder: str, *, now: datetime, lease: timedelta) -> bool:
    """Have the duty for the length of the lease, or have it longer; False: another process has it."""
    row = {"name": name, "holder": holder, "had_until": now + lease}
    mine = (duty.c.holder == holder) | (duty.c.had_until <= now)
    taken = insert_into(conn, duty).values(row)
    taken = taken.on_conflict_do_update(
        index_elements=["name"], set_={"holder": holder, "had_until": now + lease}, where=mine
    )
    return conn.execute(taken.returning(duty.c.name)).first() is not None

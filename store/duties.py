"""What of several processes one does, and what each says of itself: a lease on a row, by name."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, select

from store.schema import duty
from store.upsert import insert_into

FORGOTTEN = timedelta(days=1)
"""So long after its end nobody asks for a lease any more."""


def take(conn: Connection, name: str, holder: str, *, now: datetime, lease: timedelta) -> bool:
    """Have the duty for the length of the lease, or have it longer; False: another process has it."""
    row = {"name": name, "holder": holder, "had_until": now + lease}
    mine = (duty.c.holder == holder) | (duty.c.had_until <= now)
    taken = insert_into(conn, duty).values(row)
    taken = taken.on_conflict_do_update(
        index_elements=["name"], set_={"holder": holder, "had_until": now + lease}, where=mine
    )
    return conn.execute(taken.returning(duty.c.name)).first() is not None


def note(conn: Connection, name: str, holder: str, *, now: datetime, lease: timedelta) -> None:
    """Write down that it is so for the length of the lease, whoever said what before."""
    conn.execute(delete(duty).where(duty.c.had_until < now - FORGOTTEN))  # of processes that are gone for good
    row = {"name": name, "holder": holder, "had_until": now + lease}
    noted = insert_into(conn, duty).values(row)
    conn.execute(noted.on_conflict_do_update(index_elements=["name"], set_=row))


def end(conn: Connection, name: str) -> None:
    """It is so no more."""
    conn.execute(delete(duty).where(duty.c.name == name))


def is_held(conn: Connection, name: str, now: datetime) -> bool:
    """Whether anybody has it."""
    return bool(conn.execute(select(exists().where(duty.c.name == name, duty.c.had_until > now))).scalar_one())

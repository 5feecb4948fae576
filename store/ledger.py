"""The ledger: every pending step is a row; whoever holds its lease does it, and ends it in the transaction of its result.

A row is `ready` from its due time on, `blocked` behind an earlier row of the same lane and key, or `dead` (given up,
for a person). Claiming pushes `due` forward by the lease and raises the fence: a worker that dies lets the lease run
out and the row comes back by itself; a worker that comes late finds another fence and its transaction fails.
Functions take the caller's transaction and the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.sql import ColumnElement

from store.schema import ledger
from store.wakes import note

READY, BLOCKED, DEAD = "ready", "blocked", "dead"


class LeaseLost(Exception):
    """Another worker holds this row now, or it has ended: whatever was done for it must not be written."""


@dataclass(frozen=True)
class Claim:
    """A row in our hands until its lease runs out."""

    id: int
    lane: str
    key: str | None
    payload: dict[str, Any]
    attempts: int
    """Counting this one."""
    fence: int
    created_at: datetime


def enqueue(
    conn: Connection,
    lane: str,
    payload: dict[str, Any],
    *,
    now: datetime,
    key: str | None = None,
    due: datetime | None = None,
) -> int:
    """Add a step. With a key it waits, blocked, until every earlier step of its lane and key has ended."""
    state = BLOCKED if key is not None and _has_predecessor(conn, lane, key) else READY
    note(conn, lane)
    row = {"lane": lane, "key": key, "state": state, "due": due or now, "payload": payload, "created_at": now}
    return int(conn.execute(insert(ledger).values(row).returning(ledger.c.id)).scalar_one())


def claim(conn: Connection, lane: str, *, now: datetime, lease: timedelta, limit: int = 1) -> list[Claim]:
    """Take up to `limit` due rows of a lane, oldest due first, for the length of the lease."""
    due = (
        select(ledger.c.id)
        .where(ledger.c.lane == lane, ledger.c.state == READY, ledger.c.due <= now)
        .order_by(ledger.c.due, ledger.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = conn.execute(
        update(ledger)
        .where(ledger.c.id.in_(due))
        .values(due=now + lease, fence=ledger.c.fence + 1, attempts=ledger.c.attempts + 1)
        .returning(ledger)
    ).all()
    return [
        Claim(row.id, row.lane, row.key, row.payload, row.attempts, row.fence, row.created_at)
        for row in sorted(taken, key=lambda row: int(row.id))
    ]


def extend(conn: Connection, held: Claim, *, now: datetime, lease: timedelta) -> None:
    """Hold on for another lease from now. Raises LeaseLost."""
    _change(conn, held, due=now + lease)


def done(conn: Connection, held: Claim) -> None:
    """End the step and let its successor go. Raises LeaseLost."""
    gone = conn.execute(delete(ledger).where(*_ours(held)))
    if gone.rowcount != 1:
        raise LeaseLost(f"{held.lane} step {held.id}: claimed by another worker meanwhile")
    _promote(conn, held.lane, held.key)


def postpone(conn: Connection, held: Claim, *, due: datetime, reason: str | None, charged: bool = True) -> None:
    """Put the step back until `due`; uncharged, the attempt does not count. Raises LeaseLost."""
    _change(conn, held, due=due, reason=reason, attempts=held.attempts if charged else held.attempts - 1)


def give_up(conn: Connection, held: Claim, *, reason: str) -> None:
    """Lay the step aside for a person; what waits behind its key goes on waiting. Raises LeaseLost."""
    _change(conn, held, state=DEAD, reason=reason)


def revive(conn: Connection, id_: int, *, now: datetime) -> bool:
    """Make a given-up step ready again, with its attempts forgiven. False: it is not a given-up step."""
    changed = conn.execute(
        update(ledger)
        .where(ledger.c.id == id_, ledger.c.state == DEAD)
        .values(state=READY, due=now, attempts=0, fence=ledger.c.fence + 1)
    )
    return changed.rowcount == 1


def discard(conn: Connection, ids: Sequence[int]) -> None:
    """Remove steps whose reason is gone, whatever their state, and let their successors go."""
    for row in conn.execute(delete(ledger).where(ledger.c.id.in_(ids)).returning(ledger.c.lane, ledger.c.key)).all():
        _promote(conn, row.lane, row.key)


def open_strays(conn: Connection, *, now: datetime) -> int:
    """Sweep: make ready every blocked row that has no live predecessor; how many there were."""
    earlier = ledger.alias()
    predecessor = (
        select(earlier.c.id)
        .where(earlier.c.lane == ledger.c.lane, earlier.c.key == ledger.c.key, earlier.c.id < ledger.c.id)
        .exists()
    )
    strays = conn.execute(update(ledger).where(ledger.c.state == BLOCKED, ~predecessor).values(state=READY, due=now))
    return strays.rowcount


def next_due(conn: Connection, lane: str) -> datetime | None:
    """When the earliest ready row of the lane falls due; None: there is none."""
    found: datetime | None = conn.execute(
        select(ledger.c.due).where(ledger.c.lane == lane, ledger.c.state == READY).order_by(ledger.c.due).limit(1)
    ).scalar_one_or_none()
    return found


def counts(conn: Connection) -> dict[str, dict[str, int]]:
    """Rows by lane and state."""
    found: dict[str, dict[str, int]] = {}
    rows = conn.execute(select(ledger.c.lane, ledger.c.state, func.count()).group_by(ledger.c.lane, ledger.c.state))
    for lane, state, number in rows:
        found.setdefault(lane, {})[state] = number
    return found


def _has_predecessor(conn: Connection, lane: str, key: str) -> bool:
    rows = select(ledger.c.id).where(ledger.c.lane == lane, ledger.c.key == key).limit(1).with_for_update()
    return conn.execute(rows).first() is not None


def _promote(conn: Connection, lane: str, key: str | None) -> None:
    """Open the oldest blocked row of the key, unless an earlier one still lives."""
    if key is None:
        return
    first = conn.execute(
        select(ledger.c.id, ledger.c.state)
        .where(ledger.c.lane == lane, ledger.c.key == key)
        .order_by(ledger.c.id)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if first is not None and first.state == BLOCKED:
        conn.execute(update(ledger).where(ledger.c.id == first.id).values(state=READY))
        note(conn, lane)


def _ours(held: Claim) -> tuple[ColumnElement[bool], ...]:
    return ledger.c.id == held.id, ledger.c.fence == held.fence, ledger.c.state == READY


def _change(conn: Connection, held: Claim, **values: object) -> None:
    if conn.execute(update(ledger).where(*_ours(held)).values(**values)).rowcount != 1:
        raise LeaseLost(f"{held.lane} step {held.id}: claimed by another worker meanwhile")

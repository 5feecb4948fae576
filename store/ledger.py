"""The ledger: every pending step is a row; whoever holds its lease does it and ends it in its result's transaction.

A row is `ready` from its due time on, `blocked` behind an earlier row of the same lane and key, or `dead` (given up,
for a person). Claiming pushes `due` forward by the lease and raises the fence: a worker that dies lets the lease run
out and the row comes back by itself; a worker that comes late finds another fence and its transaction fails. A process
that has the store to itself knows at its start that whoever held a lease is dead, and takes them all back at once.
Functions take the caller's transaction and the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Delete, Update

from store import ledger_statements as sql
from store.ledger_statements import BLOCKED, DEAD, READY, SUSPECT
from store.schema import EPOCH, MICROSECOND
from store.wakes import note

__all__ = [
    "BLOCKED", "DEAD", "READY", "SUSPECT", "Claim", "LeaseLost", "Step", "carry_over", "claim", "counts", "discard",
    "done", "done_many", "enqueue", "enqueue_many", "extend", "give_up", "hasten", "hasten_all", "hold", "next_due",
    "of_key", "open_strays", "ours", "postpone", "release_all", "renew", "revive", "set_back",
]  # fmt: skip


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
    note(conn, lane)
    row = {"lane": lane, "key": key, "due": due or now, "payload": payload, "created_at": now}
    if key is None:
        return int(conn.execute(sql.ADD, row | {"state": READY}).scalar_one())
    if _shared(conn):
        conn.execute(sql.HOLD_KEY, {"of_lane": lane, "of_key": key})
    return int(conn.execute(sql.ADD_KEYED, row).scalar_one())


def enqueue_many(
    conn: Connection, lane: str, steps: Iterable[tuple[str | None, dict[str, Any]]], *, now: datetime
) -> None:
    """As `enqueue` for each, due now; a step is its key and its payload."""
    rows = [{"lane": lane, "key": key, "due": now, "payload": payload, "created_at": now} for key, payload in steps]
    keyed = [row for row in rows if row["key"] is not None]
    bare = [row for row in rows if row["key"] is None]
    if keyed and _shared(conn):  # in one order: who adds locks out nobody else who adds
        conn.execute(sql.HOLD_KEYS, {"of_lane": lane, "keys": sorted({str(row["key"]) for row in keyed})})
    for statement, added in ((sql.ADD_EACH_KEYED, keyed), (sql.ADD_EACH, bare)):
        if added:
            note(conn, lane)
            conn.execute(statement, added)


def claim(conn: Connection, lane: str, *, now: datetime, lease: timedelta, limit: int = 1) -> list[Claim]:
    """Take up to `limit` due rows of a lane, oldest due first, for the length of the lease."""
    rows = conn.execute(sql.DUE, {"lane": lane, "now": now, "limit": limit}).all()
    if rows:
        conn.execute(sql.TAKE, {"ids": [row.id for row in rows], "until": now + lease})
    return [Claim(row.id, lane, row.key, row.payload, row.attempts + 1, row.fence + 1, row.created_at) for row in rows]


def extend(conn: Connection, held: Claim, *, now: datetime, lease: timedelta) -> None:
    """Hold on for another lease from now. Raises LeaseLost."""
    _change(conn, held, sql.EXTEND, until=now + lease)


def renew(conn: Connection, held: Sequence[Claim], *, until: datetime) -> None:
    """Hold on to those of these claims that are still ours."""
    if held:
        conn.execute(sql.EXTEND, [{"held": one.id, "held_fence": one.fence, "until": until} for one in held])


def ours(conn: Connection, held: Sequence[Claim]) -> set[int]:
    """The ids of those of these claims that are still ours."""
    rows = conn.execute(sql.FENCES, {"ids": [one.id for one in held]})
    fences = {row.id: row.fence for row in rows if row.state == READY}
    return {one.id for one in held if fences.get(one.id) == one.fence}


def done(conn: Connection, held: Claim) -> None:
    """End the step and let its successor go. Raises LeaseLost."""
    _change(conn, held, sql.END_HOLDING if _shared(conn) else sql.END)
    if held.key is not None:
        _promote(conn, sql.PROMOTE, {"of_lane": held.lane, "of_key": held.key})


def done_many(conn: Connection, held: Sequence[Claim]) -> None:
    """As `done` for each: all of them, or LeaseLost and the transaction must not be committed."""
    ended = {row.id: row.fence for row in conn.execute(sql.END_MANY, {"ids": [one.id for one in held]})}
    for one in held:
        if ended.get(one.id) != one.fence:
            raise _lost(one)
    _promote_many(conn, ((one.lane, one.key) for one in held))


def postpone(conn: Connection, held: Claim, *, due: datetime, reason: str | None, charged: bool = True) -> None:
    """Put the step back until `due`; uncharged, the attempt does not count. Raises LeaseLost."""
    attempts = held.attempts if charged else held.attempts - 1
    _change(conn, held, sql.POSTPONE, until=due, why=reason, counted=attempts)


def give_up(conn: Connection, held: Claim, *, reason: str) -> None:
    """Lay the step aside for a person; what waits behind its key goes on waiting. Raises LeaseLost."""
    _change(conn, held, sql.GIVE_UP, why=reason)


def release_all(conn: Connection, *, now: datetime) -> int:
    """Make every claimed step due now, its attempt counted; how many there were. What was postponed stays postponed.

    Only for who knows that no worker lives, such as the one process of a store at its start. A `SUSPECT` step waits
    for its lease.
    """
    lanes = conn.execute(sql.RELEASE, {"now": now}).scalars().all()
    for lane in set(lanes):
        note(conn, lane)
    return len(lanes)


def revive(conn: Connection, id_: int, *, now: datetime) -> bool:
    """Make a given-up step ready again, with its attempts forgiven. False: it is not a given-up step."""
    row = conn.execute(sql.REVIVE, {"dead": id_, "now": now}).one_or_none()
    if row is None:
        return False
    note(conn, row.lane)
    _promote_many(conn, [(row.lane, row.key)])
    return True


def hasten(conn: Connection, id_: int, *, now: datetime) -> bool:
    """Make a step due now that is put off; a blocked one still waits for those before it. False: it is due, under way
    or given up.
    """
    lane = conn.execute(sql.HASTEN, {"step": id_, "now": now}).scalar_one_or_none()
    if lane is not None:
        note(conn, lane)
    return lane is not None


def hasten_all(conn: Connection, lane: str, keys: Iterable[str], *, now: datetime, untried: bool = False) -> None:
    """As `hasten` for every step of these keys; `untried`: only for those put off before anybody tried them."""
    rows = [{"of_lane": lane, "of_key": key, "now": now} for key in sorted(set(keys))]
    if rows:
        conn.execute(sql.HASTEN_UNTRIED if untried else sql.HASTEN_ALL, rows)
        note(conn, lane)


def discard(conn: Connection, ids: Sequence[int]) -> None:
    """Remove steps whose reason is gone, whatever their state, and let their successors go."""
    gone = conn.execute(sql.REMOVE, {"ids": list(ids)}).all()
    _promote_many(conn, ((row.lane, row.key) for row in gone))


def open_strays(conn: Connection, *, now: datetime) -> int:
    """Sweep: make ready every blocked row that has no living predecessor, due at once unless it was meant for later.

    Returns how many there were. Every end of a step promotes its successor, so it is a finding if there are any.
    """
    lanes = conn.execute(sql.OPEN_STRAYS, {"now": now}).scalars().all()
    for lane in set(lanes):
        note(conn, lane)
    return len(lanes)


def set_back(conn: Connection, by: timedelta, now: datetime) -> None:
    """The clock of SQLite's one process was set back to `now`: nothing is due later from now than it was before."""
    conn.execute(sql.SET_BACK, {"by": by // MICROSECOND, "now": (now - EPOCH) // MICROSECOND})


def hold(conn: Connection, lane: str, key: str) -> None:
    """Until this transaction ends nobody claims a step of this key; what was claimed before shows that it was."""
    if _shared(conn):
        conn.execute(sql.HOLD_STEPS, {"of_lane": lane, "of_key": key})


def hold_steps(conn: Connection, held: Sequence[Claim]) -> None:
    """As `hold` for the steps of these claims: whoever changes what they stand for has done so, or waits."""
    if held and _shared(conn):
        conn.execute(sql.HOLD_IDS, {"ids": [one.id for one in held]})


@dataclass(frozen=True)
class Step:
    """A row as it stands."""

    id: int
    state: str
    due: datetime
    leased: bool
    payload: dict[str, Any]

    def is_held(self, now: datetime) -> bool:
        """Whether a worker may be at it."""
        return self.state == READY and self.leased and self.due > now


def of_key(conn: Connection, lane: str, key: str) -> list[Step]:
    """The steps of a key, the oldest first; until this transaction ends nobody adds one, nor claims one of them."""
    if _shared(conn):
        conn.execute(sql.HOLD_KEY, {"of_lane": lane, "of_key": key})
    hold(conn, lane, key)
    return [Step(*row) for row in conn.execute(sql.OF_KEY, {"of_lane": lane, "of_key": key})]


def carry_over(conn: Connection, ids: Sequence[int], lane: str, to: str, key: str, *, now: datetime) -> None:
    """Put steps of this key into another lane, due now, their attempts forgiven; there they go in the order of all
    steps, older ones first. Both must be held (`of_key`), and no worker be at any of them.
    """
    conn.execute(sql.CARRY_OVER, {"ids": list(ids), "to_lane": to, "now": now})
    conn.execute(sql.PUT_BEHIND, {"of_lane": to, "of_key": key})
    for one in (lane, to):
        _promote(conn, sql.PROMOTE, {"of_lane": one, "of_key": key})


def next_due(conn: Connection, lane: str) -> datetime | None:
    """When the earliest ready row of the lane falls due; None: there is none."""
    found: datetime | None = conn.execute(sql.NEXT_DUE, {"lane": lane}).scalar_one_or_none()
    return found


def counts(conn: Connection) -> dict[str, dict[str, int]]:
    """Rows by lane and state."""
    found: dict[str, dict[str, int]] = {}
    for lane, state, number in conn.execute(sql.COUNTS):
        found.setdefault(lane, {})[state] = number
    return found


def _promote_many(conn: Connection, freed: Iterable[tuple[str, str | None]]) -> None:
    keys: dict[str, list[str]] = {}
    for lane, key in freed:
        if key is not None:
            keys.setdefault(lane, []).append(key)
    for lane, of_lane in keys.items():
        _promote(conn, sql.PROMOTE_MANY, {"of_lane": lane, "keys": of_lane})


def _promote(conn: Connection, statement: Update, of: dict[str, Any]) -> None:
    """Open the oldest row of a key if it is blocked; while an earlier one lives, that one is the oldest.

    Its row was taken away holding the key, so what another transaction has added to it meanwhile is seen.
    """
    if conn.execute(statement, of).rowcount:
        note(conn, of["of_lane"])


def _change(conn: Connection, held: Claim, statement: Update | Delete, **values: object) -> None:
    if conn.execute(statement, {"held": held.id, "held_fence": held.fence} | values).rowcount != 1:
        raise _lost(held)


def _shared(conn: Connection) -> bool:
    """Whether others write at the same time; SQLite has one writer."""
    return conn.dialect.name == "postgresql"


def _lost(held: Claim) -> LeaseLost:
    return LeaseLost(f"{held.lane} step {held.id}: claimed by another worker meanwhile, or ended")

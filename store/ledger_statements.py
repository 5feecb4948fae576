"""The ledger's statements, built once: building one costs more than running it."""

from __future__ import annotations

from sqlalchemy import Text, bindparam, case, delete, exists, func, insert, literal, select, update
from sqlalchemy.sql import ColumnElement

from store.schema import ledger

READY, BLOCKED, DEAD = "ready", "blocked", "dead"
SUSPECT = 10
"""A step claimed so often may be what kills its workers: its lease is left to run out, and others get ahead of it."""
AT_ONCE = 500
"""Ids in one statement, far below what an engine takes as parameters."""

OURS: tuple[ColumnElement[bool], ...] = (
    ledger.c.id == bindparam("held"),
    ledger.c.fence == bindparam("held_fence"),
    ledger.c.state == READY,
)
_earlier = ledger.alias("earlier")
ROW = {name: bindparam(name, type_=ledger.c[name].type) for name in ("lane", "key", "due", "payload", "created_at")}

ADD = insert(ledger).values(ROW | {"state": bindparam("state")}).returning(ledger.c.id)

ADD_EACH_KEYED = insert(ledger).values(
    ROW
    | {
        "state": case(
            (exists().where(_earlier.c.lane == ROW["lane"], _earlier.c.key == ROW["key"]), literal(BLOCKED)),
            else_=literal(READY),
        )
    }
)
ADD_KEYED = ADD_EACH_KEYED.returning(ledger.c.id)
ADD_EACH = insert(ledger).values(ROW | {"state": literal(READY)})
"""For many at once, whose ids nobody asks for."""

DUE = (
    select(ledger)
    .where(ledger.c.lane == bindparam("lane"), ledger.c.state == READY, ledger.c.due <= bindparam("now"))
    .order_by(ledger.c.due, ledger.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)

TAKE = (
    update(ledger)
    .where(ledger.c.id.in_(bindparam("ids", expanding=True)))
    .values(due=bindparam("until"), fence=ledger.c.fence + 1, attempts=ledger.c.attempts + 1, leased=True)
)

RELEASE = (
    update(ledger)
    .where(ledger.c.state == READY, ledger.c.leased, ledger.c.attempts < SUSPECT)
    .values(due=bindparam("now"), fence=ledger.c.fence + 1, leased=False)
    .returning(ledger.c.lane)
)

END = delete(ledger).where(*OURS)

END_MANY = (
    delete(ledger)
    .where(ledger.c.id.in_(bindparam("ids", expanding=True)), ledger.c.state == READY)
    .returning(ledger.c.id, ledger.c.fence)
)

REVIVE = (
    update(ledger)
    .where(ledger.c.id == bindparam("dead"), ledger.c.state == DEAD)
    .values(state=READY, due=bindparam("now"), attempts=0, fence=ledger.c.fence + 1)
    .returning(ledger.c.lane)
)

HASTEN = (
    update(ledger)
    .where(ledger.c.id == bindparam("step"), ledger.c.state == READY, ~ledger.c.leased, ledger.c.due > bindparam("now"))
    .values(due=bindparam("now"))
    .returning(ledger.c.lane)
)

REMOVE = delete(ledger).where(ledger.c.id.in_(bindparam("ids", expanding=True))).returning(ledger.c.lane, ledger.c.key)

PROMOTE = (
    update(ledger)
    .where(
        ledger.c.id
        == select(func.min(_earlier.c.id))
        .where(_earlier.c.lane == bindparam("of_lane"), _earlier.c.key == bindparam("of_key"))
        .scalar_subquery(),
        ledger.c.state == BLOCKED,
    )
    .values(state=READY)
)

HOLD_KEY = select(
    func.pg_advisory_xact_lock(func.hashtextextended(bindparam("of_lane", type_=Text) + ":" + bindparam("of_key"), 0))
)

HOLD_STEPS = (
    select(ledger.c.id)
    .where(ledger.c.lane == bindparam("of_lane"), ledger.c.key == bindparam("of_key"))
    .order_by(ledger.c.id)
    .with_for_update()
)

OPEN_STRAYS = (
    update(ledger)
    .where(
        ledger.c.state == BLOCKED,
        ~exists().where(_earlier.c.lane == ledger.c.lane, _earlier.c.key == ledger.c.key, _earlier.c.id < ledger.c.id),
    )
    .values(state=READY, due=case((ledger.c.due > bindparam("now"), ledger.c.due), else_=bindparam("now")))
    .returning(ledger.c.lane)
)

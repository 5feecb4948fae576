"""The ledger's statements, built once: building one costs more than running it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    ScalarSelect,
    Text,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.sql import ColumnElement

from store.schema import ledger
from store.spelling import among, hold_key, items

READY, BLOCKED, DEAD = "ready", "blocked", "dead"
SUSPECT = 10
"""A step claimed so often may be what kills its workers: its lease is left to run out, and others get ahead of it."""

_earlier = ledger.alias("earlier")
_keys = items("keys")


def _of_key(key: ColumnElement[str]) -> tuple[ColumnElement[bool], ...]:
    return _earlier.c.lane == bindparam("of_lane"), _earlier.c.key == key


def _oldest(key: ColumnElement[str]) -> ScalarSelect[int]:
    return select(func.min(_earlier.c.id)).where(*_of_key(key)).scalar_subquery()


IS_READY = ledger.c.state == literal_column(f"'{READY}'")
"""With the word itself: PostgreSQL's index of what is ready serves only who asks for that in so many words."""
OURS: tuple[ColumnElement[bool], ...] = (
    ledger.c.id == bindparam("held"),
    ledger.c.fence == bindparam("held_fence"),
    ledger.c.state == READY,
)
AMONG_IDS = among(ledger.c.id, select(cast(items("ids").c.value, BigInteger)))
HOLDING = hold_key(ledger.c.lane, ledger.c.key)
"""Who takes a row away, or puts one back in line, holds its key, in the same statement, before he looks with the next
whose turn it is."""
ROW = {name: bindparam(name, type_=ledger.c[name].type) for name in ("lane", "key", "due", "payload", "created_at")}

ADD = insert(ledger).values(ROW | {"state": bindparam("state")}).returning(ledger.c.id)

HOLD_KEY = select(hold_key(bindparam("of_lane", type_=Text), bindparam("of_key", type_=Text)))
HOLD_KEYS = select(hold_key(bindparam("of_lane", type_=Text), _keys.c.value)).select_from(_keys)

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
    select(ledger.c.id, ledger.c.key, ledger.c.payload, ledger.c.attempts, ledger.c.fence, ledger.c.created_at)
    .where(ledger.c.lane == bindparam("lane"), IS_READY, ledger.c.due <= bindparam("now"))
    .order_by(ledger.c.due, ledger.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)

TAKE = (
    update(ledger)
    .where(AMONG_IDS)
    .values(due=bindparam("until"), fence=ledger.c.fence + 1, attempts=ledger.c.attempts + 1, leased=True)
)

EXTEND = update(ledger).where(*OURS).values(due=bindparam("until"))

POSTPONE = (
    update(ledger)
    .where(*OURS)
    .values(
        due=bindparam("until"),
        reason=bindparam("why"),
        attempts=bindparam("counted"),
        fence=ledger.c.fence + 1,
        leased=False,
    )
)

GIVE_UP = (
    update(ledger).where(*OURS).values(state=DEAD, reason=bindparam("why"), fence=ledger.c.fence + 1, leased=False)
)

RELEASE = (
    update(ledger)
    .where(ledger.c.state == READY, ledger.c.leased, ledger.c.attempts < SUSPECT)
    .values(due=bindparam("now"), fence=ledger.c.fence + 1, leased=False)
    .returning(ledger.c.lane)
)

END = delete(ledger).where(*OURS)

END_HOLDING = END.returning(HOLDING)

END_MANY = delete(ledger).where(AMONG_IDS).returning(ledger.c.id, ledger.c.fence, HOLDING)

REVIVE = (
    update(ledger)
    .where(ledger.c.id == bindparam("dead"), ledger.c.state == DEAD)
    .values(
        state=case((ledger.c.key.is_(None), literal(READY)), else_=literal(BLOCKED)),
        due=bindparam("now"),
        attempts=0,
        fence=ledger.c.fence + 1,
        reason=None,
    )
    .returning(ledger.c.lane, ledger.c.key, HOLDING)
)
"""What was handed over from another lane may stand before it."""

SET_BACK = text(
    "UPDATE ledger SET due = max(:now, due - :by)"
    " WHERE state != 'dead' AND due > :now AND (NOT leased OR due - :by >= :now)"
)
"""A lease that would be over by now was taken by the new time."""

_PUT_OFF = (ledger.c.state != DEAD, ~ledger.c.leased, ledger.c.due > bindparam("now"))
"""Blocked ones as well: what is promoted keeps its time."""

HASTEN = (
    update(ledger)
    .where(ledger.c.id == bindparam("step"), *_PUT_OFF)
    .values(due=bindparam("now"))
    .returning(ledger.c.lane)
)

HASTEN_ALL = (
    update(ledger)
    .where(ledger.c.lane == bindparam("of_lane"), ledger.c.key == bindparam("of_key"), *_PUT_OFF)
    .values(due=bindparam("now"))
)

HASTEN_UNTRIED = HASTEN_ALL.where(ledger.c.attempts == 0, ledger.c.reason.is_(None))
"""An attempt that is not charged leaves its reason."""

REMOVE = delete(ledger).where(AMONG_IDS).returning(ledger.c.lane, ledger.c.key, HOLDING)

PROMOTE = (
    update(ledger).where(ledger.c.id == _oldest(bindparam("of_key")), ledger.c.state == BLOCKED).values(state=READY)
)

PROMOTE_MANY = (
    update(ledger)
    .where(among(ledger.c.id, select(_oldest(_keys.c.value)).select_from(_keys)), ledger.c.state == BLOCKED)
    .values(state=READY)
)

HOLD_STEPS = (
    select(ledger.c.id)
    .where(ledger.c.lane == bindparam("of_lane"), ledger.c.key == bindparam("of_key"))
    .order_by(ledger.c.id)
    .with_for_update()
)

OF_KEY = (
    select(ledger.c.id, ledger.c.state, ledger.c.due, ledger.c.leased, ledger.c.payload)
    .where(ledger.c.lane == bindparam("of_lane"), ledger.c.key == bindparam("of_key"))
    .order_by(ledger.c.id)
)

CARRY_OVER = (
    update(ledger)
    .where(AMONG_IDS)
    .values(
        lane=bindparam("to_lane"),
        state=BLOCKED,
        due=bindparam("now"),
        attempts=0,
        fence=ledger.c.fence + 1,
        leased=False,
        reason=None,
    )
)

PUT_BEHIND = (
    update(ledger)
    .where(
        among(ledger.c.id, select(_earlier.c.id).where(*_of_key(bindparam("of_key")))),
        ledger.c.state == READY,
        ledger.c.id != _oldest(bindparam("of_key")),
    )
    .values(state=BLOCKED, fence=ledger.c.fence + 1, leased=False)
)
"""Whoever was late for its lease has lost it: of a key only the oldest is in anyone's hands."""

HOLD_IDS = select(ledger.c.id).where(AMONG_IDS).order_by(ledger.c.id).with_for_update()

OPEN_STRAYS = (
    update(ledger)
    .where(
        ledger.c.state == BLOCKED,
        ~exists().where(_earlier.c.lane == ledger.c.lane, _earlier.c.key == ledger.c.key, _earlier.c.id < ledger.c.id),
    )
    .values(state=READY, due=case((ledger.c.due > bindparam("now"), ledger.c.due), else_=bindparam("now")))
    .returning(ledger.c.lane)
)

FENCES = select(ledger.c.id, ledger.c.fence, ledger.c.state).where(AMONG_IDS)
"""Whatever their state: asked for what is ready, PostgreSQL may look at all that is."""

NEXT_DUE = select(ledger.c.due).where(ledger.c.lane == bindparam("lane"), IS_READY).order_by(ledger.c.due).limit(1)

COUNTS = select(ledger.c.lane, ledger.c.state, func.count()).group_by(ledger.c.lane, ledger.c.state)

"""What a target has of a case in full, and how it is taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, exists, func, select, update
from sqlalchemy.sql import ColumnElement

from dispatch.rights import WITHDRAWN, right_of
from dispatch.settings import TargetSettings
from store import ledger
from store.schema import cases, delivery, event
from store.schema import ledger as ledger_table


def lane_of(target: str) -> str:
    return f"push:{target}"


def holders(conn: Connection, case_id: str) -> Sequence[str]:
    """Every target the case was ever meant for in full."""
    wanted = select(delivery.c.target).where(delivery.c.case_id == case_id, delivery.c.view == "full").distinct()
    return conn.execute(wanted.order_by(delivery.c.target)).scalars().all()


def holds(conn: Connection, case_id: str, target: str) -> bool:
    """Whether the target has the case in full, or is about to, and it was not withdrawn since."""
    full = _full_since_withdrawn(conn, case_id, target)
    return bool(conn.execute(select(exists().where(full & (delivery.c.state != "dropped")))).scalar_one())


def may_fetch(conn: Connection, case_id: str, name: str, settings: TargetSettings) -> bool:
    """Whether a target may have the files of a case: it is sent the case in full, or was and it is not withdrawn."""
    row = conn.execute(select(cases.c.channel, cases.c.restricted).where(cases.c.case_id == case_id)).one_or_none()
    if row is None or not settings.enabled or (row.restricted and not settings.takes_restricted):
        return False
    everything = settings.wants_all and right_of(settings, row.channel, restricted=row.restricted) == "full"
    return everything or holds(conn, case_id, name)


def take_back(conn: Connection, case_id: str, target: str, now: datetime, *, lost: bool = False) -> bool:
    """Drop unsent what still waits for the target; whether any of it reached the target, or may have, since it was
    last told that the case is withdrawn. `lost`: it lost its right to what was meant for it, which is held unless
    others have it.

    The ledger rows of what waits stay and keep the order: the worker ends them at once. What was given up is discarded.
    """
    ledger.hold(conn, lane_of(target), case_id)  # what is claimed meanwhile would be sent, and not be seen as sent
    full = _full_since_withdrawn(conn, case_id, target)
    reached = conn.execute(select(exists().where(full & _reached(target)))).scalar_one()
    owed = select(delivery.c.event_id).where(full, delivery.c.state.not_in(("delivered", "dropped", "skipped")))
    events = conn.execute(owed).scalars().all() if lost else []
    conn.execute(update(delivery).where(full & (delivery.c.state != "delivered")).values(state="dropped"))
    hold_lost(conn, events)
    ledger.discard(conn, given_up(conn, target, case_id))
    here = (ledger_table.c.lane == lane_of(target)) & (ledger_table.c.key == case_id)
    for step in (
        conn.execute(select(ledger_table.c.id).where(here, ledger_table.c.state == ledger.READY)).scalars().all()
    ):
        ledger.hasten(conn, step, now=now)  # what tells of the withdrawal waits behind it
    return bool(reached)


def hold_lost(conn: Connection, event_ids: Iterable[str]) -> None:
    """Hold those of these events of restricted cases that were dropped with nobody else to have them in full: the next
    target with the right to them gets them.
    """
    full = (delivery.c.event_id == event.c.id) & (delivery.c.view == "full")
    lost = exists().where(full) & ~exists().where(full, delivery.c.state != "dropped")
    secret = exists().where(cases.c.case_id == event.c.case_id, cases.c.restricted)
    here = event.c.id.in_(sorted(event_ids))
    conn.execute(update(event).where(here, event.c.type != WITHDRAWN, secret, lost).values(held=True))


def given_up(conn: Connection, target: str, case_id: str) -> Sequence[int]:
    """The ledger rows that hold back a case's later events on a target."""
    here = (ledger_table.c.lane == lane_of(target)) & (ledger_table.c.key == case_id)
    dead = ledger_table.c.state == ledger.DEAD
    return conn.execute(select(ledger_table.c.id).where(here & dead)).scalars().all()


def _full_since_withdrawn(conn: Connection, case_id: str, target: str) -> ColumnElement[bool]:
    here = (delivery.c.case_id == case_id) & (delivery.c.target == target)
    told = select(func.max(delivery.c.id)).join(event, event.c.id == delivery.c.event_id)
    last = conn.execute(told.where(here, delivery.c.view == "numbers", event.c.type == WITHDRAWN)).scalar_one()
    return here & (delivery.c.view == "full") & (delivery.c.id > (last or 0))


def _reached(target: str) -> ColumnElement[bool]:
    """The delivery was sent, or is being sent, at least once."""
    under_way = exists().where(
        ledger_table.c.lane == lane_of(target),
        ledger_table.c.key == delivery.c.case_id,
        ledger_table.c.payload["delivery"].as_integer() == delivery.c.id,
        ledger_table.c.attempts > 0,
    )
    return (delivery.c.state == "delivered") | (delivery.c.attempts > 0) | under_way

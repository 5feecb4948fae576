"""What a target has of a case in full, and how it is taken back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


def take_back(
    conn: Connection, case_id: str, targets: Sequence[str], now: datetime, *, lost: bool = False
) -> list[str]:
    """Drop unsent what still waits for these targets; those of them whom any of it reached, or may have, since they
    were last told that the case is withdrawn. `lost`: they lost their right to what was meant for them, which is held
    unless others have it.

    The ledger rows of what waits stay and keep the order: the worker ends them at once. What was given up is discarded.
    """
    reached: list[str] = []
    owed: set[str] = set()
    for target in targets:
        ledger.hold(conn, lane_of(target), case_id)  # what is claimed meanwhile would be sent, and not be seen as sent
        full = _full_since_withdrawn(conn, case_id, target)
        if conn.execute(select(exists().where(full & _reached(target)))).scalar_one():
            reached.append(target)
        if lost:
            ended = ("delivered", "dropped", "skipped")
            owed.update(conn.execute(select(delivery.c.event_id).where(full, delivery.c.state.not_in(ended))).scalars())
        conn.execute(update(delivery).where(full & (delivery.c.state != "delivered")).values(state="dropped"))
    hold_lost(conn, owed)
    for target in targets:
        _let_go_on(conn, case_id, target, now)
    return reached


def hold_lost(conn: Connection, event_ids: Collection[str]) -> None:
    """Hold those of these events of restricted cases that were dropped with nobody else to have them in full: the next
    target with the right to them gets them.

    Once, when the steps of all are held: two who drop the same event meet at its row.
    """
    if not event_ids:
        return
    here = event.c.id.in_(sorted(event_ids)) & (event.c.type != WITHDRAWN)
    # A statement of its own: the next one sees what those dropped for whom this one waited.
    conn.execute(select(event.c.id).where(here).order_by(event.c.seq).with_for_update(key_share=True)).all()
    full = (delivery.c.event_id == event.c.id) & (delivery.c.view == "full")
    lost = exists().where(full) & ~exists().where(full, delivery.c.state != "dropped")
    secret = exists().where(cases.c.case_id == event.c.case_id, cases.c.restricted)
    conn.execute(update(event).where(here, secret, lost).values(held=True))


def _let_go_on(conn: Connection, case_id: str, target: str, now: datetime) -> None:
    """What tells of the withdrawal waits for nothing that was given up, and for no time."""
    here = (ledger_table.c.lane == lane_of(target)) & (ledger_table.c.key == case_id)
    dead = select(ledger_table.c.id).where(here, ledger_table.c.state == ledger.DEAD)
    ledger.discard(conn, conn.execute(dead).scalars().all())
    ledger.hasten_all(conn, lane_of(target), [case_id], now=now)


def _full_since_withdrawn(conn: Connection, case_id: str, target: str) -> ColumnElement[bool]:
    here = (delivery.c.case_id == case_id) & (delivery.c.target == target)
    told = select(func.max(delivery.c.id)).join(event, event.c.id == delivery.c.event_id)
    last = conn.execute(told.where(here, delivery.c.view == "numbers", event.c.type == WITHDRAWN)).scalar_one()
    return here & (delivery.c.view == "full") & (delivery.c.id > (last or 0))


def _reached(target: str) -> ColumnElement[bool]:
    """The delivery was sent, or is being sent, at least once."""
    return (delivery.c.state == "delivered") | (delivery.c.attempts > 0) | taken_up(target)


def taken_up(target: str) -> ColumnElement[bool]:
    """A worker has the delivery, or had it and died."""
    return exists().where(
        ledger_table.c.lane == lane_of(target),
        ledger_table.c.key == delivery.c.case_id,
        ledger_table.c.payload["delivery"].as_integer() == delivery.c.id,
        ledger_table.c.attempts > 0,
    )

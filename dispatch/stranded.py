"""What is owed to a target that left the configuration: nobody sends it, until a person hands it over or lets it go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from dispatch.addressees import addressees
from dispatch.attempts import note_interrupted
from dispatch.holdings import lane_of, taken_up
from dispatch.rights import STANDING, WITHDRAWN, may_send, right_of
from dispatch.settings import TargetSettings
from store import ledger
from store.schema import delivery, event
from store.schema import ledger as steps_table

OWED = ("waiting", "sending", "unknown", "rejected")
"""States of deliveries that have not come to an end."""
DOUBTFUL = ("sending", "unknown")


@dataclass
class HandedOver:
    """What becomes of a case's deliveries, by their numbers."""

    moved: list[int] = field(default_factory=list)
    withheld: list[int] = field(default_factory=list)
    """The other target may not have them, or has them."""
    under_way: list[int] = field(default_factory=list)
    """A worker is at one of the case's steps now: ask again."""


def stranded(conn: Connection, configured: Collection[str]) -> dict[str, int]:
    """How many deliveries are owed to each target that is not configured. That a case is withdrawn from it is nobody's
    trouble any more.
    """
    counts = {name: _missed(conn, name) for name in addressees(conn) if name not in configured}
    return {name: count for name, count in counts.items() if count}


def owed(conn: Connection, target: str) -> int:
    here = (delivery.c.target == target) & delivery.c.state.in_(OWED)
    return int(conn.execute(select(func.count()).where(here)).scalar_one())


def _missed(conn: Connection, target: str) -> int:
    told = (delivery.c.view == "numbers") & (event.c.type == WITHDRAWN)
    here = (delivery.c.target == target) & delivery.c.state.in_(OWED) & ~told
    wanted = select(func.count()).join(event, event.c.id == delivery.c.event_id).where(here)
    return int(conn.execute(wanted).scalar_one())


def cases_owed(conn: Connection, target: str) -> Sequence[str]:
    """The cases that wait for a target, in the order in which they began to."""
    wanted = select(delivery.c.case_id).where(delivery.c.target == target, delivery.c.state.in_(OWED))
    return conn.execute(wanted.group_by(delivery.c.case_id).order_by(func.min(delivery.c.id))).scalars().all()


def hand_over(
    conn: Connection, case_id: str, target: str, to: str, settings: TargetSettings, now: datetime, *, dry: bool = False
) -> HandedOver:
    """Have another target get what of a case is owed to one that is gone, as far as its rights and filters allow: same
    id, same bytes, before what waits there of later events. What may have arrived stays so.
    """
    steps, theirs = ledger.of_key(conn, lane_of(target), case_id), ledger.of_key(conn, lane_of(to), case_id)
    rows = conn.execute(STANDING.where(*_owed(case_id, target)).order_by(delivery.c.id)).all()
    if any(one.is_held(now) for one in (*steps, *theirs)):
        return HandedOver(under_way=[row.id for row in rows])
    had, told = _had(conn, case_id, to), _last_withdrawal(conn, case_id, to)
    found = HandedOver()
    for row in rows:
        fits = row.event_id not in had and _may_have(settings, row) and (row.view == "numbers" or row.id > told)
        (found.moved if fits else found.withheld).append(row.id)
    if not dry:
        _move(conn, case_id, target, to, found, steps, now)
    return found


def events_owed(conn: Connection, case_id: str, target: str) -> Sequence[str]:
    wanted = select(delivery.c.event_id).where(*_owed(case_id, target)).order_by(delivery.c.id)
    return conn.execute(wanted).scalars().all()


def let_go(conn: Connection, case_id: str, target: str, now: datetime) -> Sequence[str]:
    """Let a target that is gone go without what is owed to it of a case; the ids of the events. What was being sent to
    it when its worker died counts as an attempt: it is told if the case is taken back.
    """
    steps = ledger.of_key(conn, lane_of(target), case_id)
    unheard = (delivery.c.state == "waiting") & (delivery.c.attempts == 0) & taken_up(target)
    begun = select(delivery.c.id).where(*_owed(case_id, target), unheard | (delivery.c.state == "sending"))
    note_interrupted(conn, conn.execute(begun).scalars().all(), now)
    skipped = update(delivery).where(*_owed(case_id, target)).values(state="skipped")
    rows = conn.execute(skipped.returning(delivery.c.id, delivery.c.event_id)).all()
    ledger.discard(conn, [one.id for one in steps])
    return [row.event_id for row in sorted(rows, key=lambda row: int(row.id))]


def clear(conn: Connection, target: str) -> None:
    """Remove the steps of a target that is gone whose deliveries were dropped: its worker would have ended them."""
    number = steps_table.c.payload["delivery"].as_integer()
    wanted = select(steps_table.c.id).join(delivery, delivery.c.id == number)
    ended = wanted.where(steps_table.c.lane == lane_of(target), delivery.c.state.not_in(OWED))
    ledger.discard(conn, conn.execute(ended).scalars().all())


def _move(
    conn: Connection, case_id: str, target: str, to: str, found: HandedOver, steps: Sequence[ledger.Step], now: datetime
) -> None:
    here = delivery.c.id.in_(found.moved)
    doubtful = here & delivery.c.state.in_(DOUBTFUL)
    conn.execute(update(delivery).where(doubtful).values(target=to, state="unknown"))
    conn.execute(
        update(delivery).where(here, delivery.c.target == target).values(target=to, state="waiting", error=None)
    )
    by_delivery = {one.payload["delivery"]: one.id for one in steps}
    ended = by_delivery.keys() - {*found.moved, *found.withheld}
    ledger.discard(conn, [by_delivery[number] for number in ended])  # dropped meanwhile, with nobody to end them
    moved = [by_delivery[number] for number in found.moved if number in by_delivery]
    ledger.carry_over(conn, moved, lane_of(target), lane_of(to), case_id, now=now)
    for number in found.moved:
        if number not in by_delivery:
            ledger.enqueue(conn, lane_of(to), {"delivery": number}, key=case_id, now=now)


def _owed(case_id: str, target: str) -> tuple[Any, ...]:
    return delivery.c.case_id == case_id, delivery.c.target == target, delivery.c.state.in_(OWED)


def _may_have(settings: TargetSettings, row: Row[Any]) -> bool:
    """That a case is withdrawn is for who may not have it: to who may, it would take away what it has."""
    if row.type == WITHDRAWN and row.view == "numbers":
        return right_of(settings, row.channel, restricted=row.restricted) != "full"
    return settings.wants(row.type) and may_send(settings, row)


def _had(conn: Connection, case_id: str, target: str) -> set[str]:
    """The events the target has a delivery of."""
    wanted = select(delivery.c.event_id).where(delivery.c.case_id == case_id, delivery.c.target == target)
    return set(conn.execute(wanted).scalars())


def _last_withdrawal(conn: Connection, case_id: str, target: str) -> int:
    """Of what is told before it, nobody would know that it has to be taken back again."""
    told = select(func.max(delivery.c.id)).join(event, event.c.id == delivery.c.event_id)
    here = (delivery.c.case_id == case_id) & (delivery.c.target == target) & (delivery.c.view == "numbers")
    return int(conn.execute(told.where(here, event.c.type == WITHDRAWN)).scalar_one() or 0)

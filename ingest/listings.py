"""What the console and `xinqiao status` show of the whole: doors, counts, what waits, is late, was delivered."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select
from sqlalchemy.sql import ColumnElement

from dispatch.addressees import addressees
from dispatch.settings import TargetSettings
from dispatch.stranded import OWED
from ingest.few import are_few
from ingest.inbox import AGAIN
from ingest.spans import ALWAYS, Span
from store.ledger import counts
from store.schema import RUNNING, attempt, cases, channel, delivery, event, ledger, raw
from store.schema import target as target_table

PAGE = 50
REMOVAL_LANE = "remove"
"""Files of the depot whose time has come and a day more."""
SOON = timedelta(days=3)
COUNTED = (("waiting", "sending"), ("unknown",), ("delivered",), ("rejected",))
"""States of deliveries as a target's row counts them."""
TOLD_OF_ATTEMPTS = (attempt.c.at, attempt.c.milliseconds, attempt.c.outcome, attempt.c.status, attempt.c.detail)


@dataclass(frozen=True)
class Door:
    name: str
    state: str  # new | open | unavailable | refused | paused; disabled, and removed: not in the configuration any more
    since: datetime | None
    error: str | None
    """Of a paused one: why a person paused it."""
    paused_by: str | None
    failures: int
    skipped: int
    last_poll_at: datetime | None
    last_success_at: datetime | None
    last_new_at: datetime | None


@dataclass(frozen=True)
class TargetState:
    name: str
    state: str  # new | open | unavailable | paused; disabled, and removed: not in the configuration any more
    since: datetime | None
    error: str | None
    """Of a paused one: why a person paused it, or what it said itself."""
    paused_by: str | None
    last_success_at: datetime | None
    retry_at: datetime | None
    """While it is unavailable: when it is tried again."""
    waiting: int
    unknown: int
    """So many may have arrived."""
    delivered: int
    rejected: int

    @property
    def is_stranded(self) -> bool:
        """Something is owed to it, and it is in the configuration no more."""
        return self.state == "removed" and bool(self.waiting or self.unknown or self.rejected)


@dataclass(frozen=True)
class Queue:
    """What a target has not got."""

    target: str
    owed: Mapping[str, int]
    """Deliveries by state, of `OWED`."""
    oldest: datetime | None
    """When the earliest of their events was written, rejected ones apart."""


@dataclass(frozen=True)
class Stages:
    """How many things stand where."""

    raws: Mapping[str, int]  # by state
    ledger: Mapping[str, Mapping[str, int]]  # by lane, by state
    cases: int
    needs_review: int
    held: int  # events no target takes yet


@dataclass(frozen=True)
class Waiting:
    """A step of the ledger that waits, or was given up."""

    lane: str
    state: str
    since: datetime
    attempts: int
    reason: str | None


@dataclass(frozen=True)
class Quarantined:
    raw_id: int
    channel: str
    kind: str
    state: str  # quarantined | auto | dismissed
    reason: str | None
    received_at: datetime | None
    fetched_at: datetime
    closed_by: str | None
    """Who laid it aside, or registers it by hand."""


@dataclass(frozen=True)
class Due:
    case_id: str
    case_no: str
    channel_kind: str
    due_at: datetime
    restricted: bool


@dataclass(frozen=True)
class Deadlines:
    overdue: int
    soon: int
    first: tuple[Due, ...]  # the earliest of both


@dataclass(frozen=True)
class Attempt:
    at: datetime
    milliseconds: int
    outcome: str
    status: int | None
    detail: str | None
    answer: str | None = None  # the receiver's words, for those who may read the case


@dataclass(frozen=True)
class Delivery:
    id: int
    event_id: str
    event_type: str
    created_at: datetime
    case_id: str
    case_no: str
    restricted: bool
    target: str
    view: str
    state: str
    attempts: int
    delivered_at: datetime | None
    receiver_id: str | None
    error: str | None
    tries: tuple[Attempt, ...]


def doors(conn: Connection, polled: Mapping[str, bool] | None = None) -> list[Door]:
    """Every door that was ever known; with which of the configured ones are polled, what the others were does not
    matter any more.
    """
    shown = [
        column
        for column in channel.c
        if column.name not in ("cursor", "start_from", "enrolled_at", "kept_until", "fence")
    ]
    found = [Door(**row) for row in conn.execute(select(*shown).order_by(channel.c.name)).mappings()]
    return found if polled is None else [one if polled.get(one.name) else _asleep(one, polled) for one in found]


def _asleep(door: Door, configured: Container[str]) -> Door:
    state = "disabled" if door.name in configured else "removed"
    return replace(door, state=state, since=None, error=None, paused_by=None, failures=0)


def targets(conn: Connection, configured: Mapping[str, TargetSettings]) -> list[TargetState]:
    """Every target that is configured, or known by its state or by a delivery."""
    numbers: dict[str, dict[str, int]] = {}
    grouped = select(delivery.c.target, delivery.c.state, func.count()).group_by(delivery.c.target, delivery.c.state)
    for name, state, number in conn.execute(grouped):
        numbers.setdefault(name, {})[state] = number
    rows = {row.name: row for row in conn.execute(select(target_table))}
    return [
        _target(name, configured.get(name), rows.get(name), numbers.get(name, {}))
        for name in sorted({*configured, *rows, *numbers})
    ]


def _target(
    name: str, settings: TargetSettings | None, row: Row[Any] | None, numbers: Mapping[str, int]
) -> TargetState:
    counted = (sum(numbers.get(state, 0) for state in states) for states in COUNTED)
    asleep = "removed" if settings is None else None if settings.enabled else "disabled"
    if row is None:
        return TargetState(name, asleep or "new", None, None, None, None, None, *counted)
    state, since = (row.state, row.since) if asleep is None else (asleep, None)
    return TargetState(name, state, since, row.error, row.paused_by, row.last_success_at, row.retry_at, *counted)


def stages(conn: Connection) -> Stages:
    grouped = select(raw.c.state, func.count().label("number")).group_by(raw.c.state)
    raws = {row.state: row.number for row in conn.execute(grouped)}
    total = conn.execute(select(func.count()).select_from(cases)).scalar_one()
    review = conn.execute(select(func.count()).select_from(cases).where(cases.c.needs_review)).scalar_one()
    held = conn.execute(select(func.count()).where(event.c.held)).scalar_one()
    return Stages(raws, counts(conn), total, review, held)


def queues(conn: Connection) -> list[Queue]:
    """What each target has not got."""
    known = conn.execute(select(target_table.c.name)).scalars()
    owed: dict[str, dict[str, int]] = {name: {} for name in known}
    first: dict[str, int] = {}
    counted = select(
        delivery.c.target, delivery.c.state, func.count().label("number"), func.min(delivery.c.id).label("first")
    )
    owing = delivery.c.target.in_(addressees(conn)) & delivery.c.state.in_(OWED)  # not what was delivered
    of_each = counted.where(owing).group_by(delivery.c.target, delivery.c.state)
    for row in conn.execute(of_each):
        owed.setdefault(row.target, {})[row.state] = row.number
        if row.state != "rejected":  # which waits for a person, perhaps for months
            first[row.target] = min(row.first, first.get(row.target, row.first))
    since = select(delivery.c.target, event.c.created_at).join(event, event.c.id == delivery.c.event_id)
    oldest = {row.target: row.created_at for row in conn.execute(since.where(delivery.c.id.in_(first.values())))}
    return [Queue(name, states, oldest.get(name)) for name, states in sorted(owed.items())]


def target_states(conn: Connection) -> dict[str, str]:
    """The state of every target that has one."""
    rows = conn.execute(select(target_table.c.name, target_table.c.state))
    return {row.name: row.state for row in rows}


def kept_aside(conn: Connection) -> int:
    """How many matters are in quarantine."""
    return conn.execute(select(func.count()).where(raw.c.state == "quarantined")).scalar_one()


def oldest_waiting(conn: Connection, limit: int = 5) -> list[Waiting]:
    """The steps that were asked for longest ago and have not ended."""
    by_design = (REMOVAL_LANE, *AGAIN.values())
    asked = select(ledger).where(ledger.c.lane.not_in(by_design)).order_by(ledger.c.id)
    rows = conn.execute(asked.limit(limit)).all()
    return [Waiting(row.lane, row.state, row.created_at, row.attempts, row.reason) for row in rows]


def quarantine(
    conn: Connection,
    *,
    before: int | None = None,
    channel: str | None = None,
    kind: str | None = None,
    state: str = "quarantined",
    span: Span = ALWAYS,
    limit: int = PAGE + 1,
) -> list[Quarantined]:
    """What was kept aside, (`auto`) taken for no petition or (`dismissed`) laid aside by a person, newest first, from
    below the id `before`.
    """
    wanted = select(raw).where(raw.c.state == state, *span.holds(raw.c.fetched_at))
    if before is not None:
        wanted = wanted.where(raw.c.id < before)
    if channel is not None:
        wanted = wanted.where(raw.c.channel == channel)
    if kind is not None:
        wanted = wanted.where(raw.c.kind == kind)
    rows = conn.execute(wanted.order_by(raw.c.id.desc()).limit(limit)).all()
    return [
        Quarantined(
            row.id, row.channel, row.kind, row.state, row.reason, row.received_at, row.fetched_at, row.closed_by
        )
        for row in rows
    ]


def deadlines(conn: Connection, now: datetime, limit: int = 10) -> Deadlines:
    """What is overdue and what falls due within three days, of the matters not withdrawn."""
    overdue = conn.execute(select(func.count()).where(RUNNING, cases.c.next_due_at < now)).scalar_one()
    soon = select(func.count()).where(RUNNING, cases.c.next_due_at >= now, cases.c.next_due_at < now + SOON)
    first = (
        select(cases.c.case_id, cases.c.case_no, cases.c.channel_kind, cases.c.next_due_at, cases.c.restricted)
        .where(RUNNING, cases.c.next_due_at < now + SOON)
        .order_by(cases.c.next_due_at, cases.c.case_id)
        .limit(limit)
    )
    rows = tuple(Due(*row) for row in conn.execute(first))
    return Deadlines(overdue, conn.execute(soon).scalar_one(), rows)


def deliveries(
    conn: Connection,
    *,
    target: str | None = None,
    state: str | None = None,
    type_: str | None = None,
    channel: str | None = None,
    span: Span = ALWAYS,
    case_id: str | None = None,
    before: int | None = None,
    everything: bool = True,
    limit: int | None = PAGE + 1,
) -> list[Delivery]:
    """Deliveries with their attempts, newest first, from below the id `before`.

    Unless `everything`, what is asked by type or channel leaves out those of which neither may be seen.
    """
    conditions: list[ColumnElement[bool]] = list(span.holds(event.c.created_at))
    if target is not None:
        conditions.append(delivery.c.target == target)
    if state is not None:
        conditions.append(delivery.c.state == state)
    if type_ is not None:
        conditions.append(event.c.type == type_)
    if channel is not None:
        conditions.append(cases.c.channel == channel)
    if not everything and (type_ is not None or channel is not None):
        conditions.append(~(cases.c.restricted | event.c.restricted))
    if case_id is not None:
        conditions.append(delivery.c.case_id == case_id)
    if before is not None:
        conditions.append(delivery.c.id < before)
    sorts = span != ALWAYS
    if target is None and state not in (None, "delivered"):
        of_each = (delivery.c.target.in_(addressees(conn)), delivery.c.state == state)
        if are_few(conn, select(delivery.c.id).where(*of_each)):
            conditions.append(of_each[0])
            sorts = True
    # The events of a span are found first, and few deliveries in a state: sorting those is less than walking over the
    # years after them.
    order = delivery.c.id + 0 if sorts else delivery.c.id
    return _opened_up(conn, _deliveries().where(*conditions).order_by(order.desc()).limit(limit))


def delivery_of(conn: Connection, number: int) -> Delivery | None:
    """One delivery with its attempts."""
    found = _opened_up(conn, _deliveries().where(delivery.c.id == number))
    return found[0] if found else None


def _opened_up(conn: Connection, wanted: Select[Any]) -> list[Delivery]:
    """Each with its attempts, in one query."""
    found = wanted.subquery()
    tries = [column.label(f"try_{column.name}") for column in TOLD_OF_ATTEMPTS]
    joined = select(found, *tries).outerjoin(attempt, attempt.c.delivery_id == found.c.id)
    rows = conn.execute(joined.order_by(found.c.id.desc(), attempt.c.id)).all()
    width, names = len(found.c), found.c.keys()
    return [
        Delivery(
            **dict(zip(names, one, strict=True)),
            tries=tuple(Attempt(*row[width:]) for row in of_one if row.try_at is not None),
        )
        for one, of_one in groupby(rows, key=lambda row: row[:width])
    ]


def _deliveries() -> Select[Any]:
    return (
        select(
            delivery.c.id,
            delivery.c.event_id,
            event.c.type.label("event_type"),
            event.c.created_at,
            delivery.c.case_id,
            cases.c.case_no,
            (cases.c.restricted | event.c.restricted).label("restricted"),
            delivery.c.target,
            delivery.c.view,
            delivery.c.state,
            delivery.c.attempts,
            delivery.c.delivered_at,
            delivery.c.receiver_id,
            delivery.c.error,
        )
        .join(event, event.c.id == delivery.c.event_id)
        .join(cases, cases.c.case_id == delivery.c.case_id)
    )

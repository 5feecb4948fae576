"""The history as a list: by case, by who, by what, by when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.sql import ColumnElement

from ingest.history import MACHINE
from ingest.listings import PAGE
from ingest.spans import ALWAYS, Span
from store.schema import BY_PEOPLE, cases, history

SKEW = timedelta(hours=1)
"""So far the clocks of several processes may be apart, at the very most."""
BY_PERSONS = frozenset({
    "viewed", "searched", "corrected", "uncorrected", "registered", "dismissed", "paused", "resumed", "replayed",
    "skipped", "arrived", "moved", "login", "login_failed", "logout", "account_added", "account_disabled",
    "account_enabled", "role_changed", "password_changed",
})  # fmt: skip
"""Kinds of happenings that are never the program's own."""
KINDS = (
    "created", "received", "revised", "reminder", "returned", "supplemented", "withdrawn", "due_soon", "overdue",
    "reported", "removed", "attachment_infected", *sorted(BY_PERSONS),
)  # fmt: skip


@dataclass(frozen=True)
class Happening:
    """A row of the history."""

    id: int
    case_id: str | None
    case_no: str | None
    at: datetime
    kind: str
    actor: str
    detail: Mapping[str, Any]


def history_page(
    conn: Connection,
    *,
    before: int | None = None,
    case_id: str | None = None,
    case: str | None = None,
    actor: str | None = None,
    kind: str | None = None,
    span: Span = ALWAYS,
    limit: int = PAGE + 1,
) -> list[Happening]:
    """What happened, newest first, from below the id `before`; of one case or of everything."""
    wanted = (
        select(*_COLUMNS, cases.c.case_no)
        .outerjoin(cases, cases.c.case_id == history.c.case_id)
        .where(*span.holds(history.c.at))
        .order_by(history.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(history.c.id < before)
    if case_id is not None:
        wanted = wanted.where(history.c.case_id == case_id)
    if case is not None:  # its number or id; one there is none of has no history, but what was taken out may have
        known = select(cases.c.case_id).where(cases.c.case_no == case).scalar_subquery()
        wanted = wanted.where(history.c.case_id == func.coalesce(known, case))
    if actor is not None:
        wanted = wanted.where(history.c.actor == actor)
    if kind is not None:
        wanted = wanted.where(history.c.kind == kind)
    if actor not in (None, MACHINE) or kind in BY_PERSONS:
        wanted = wanted.where(BY_PEOPLE)  # the index of these
    if span != ALWAYS:
        wanted = wanted.where(*_ids_about(conn, span))
    return [Happening(**row) for row in conn.execute(wanted).mappings()]


def _ids_about(conn: Connection, span: Span) -> list[ColumnElement[bool]]:
    """Where in the history a span lies, found by bisection: rows are written in the order of time, nearly."""
    conditions = []
    if span.since is not None:
        conditions.append(history.c.id >= _first_at(conn, span.since - SKEW))
    if span.until is not None:
        conditions.append(history.c.id < _first_at(conn, span.until + SKEW))
    return conditions


def _first_at(conn: Connection, moment: datetime) -> int:
    """The id from which on rows of the history are of this moment or later."""
    last = conn.execute(select(func.coalesce(func.max(history.c.id), 0))).scalar_one()
    low, high = 1, int(last) + 1
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(_NEXT, {"from_": middle}).first()
        if row is None or row.at >= moment:
            high = middle
        else:
            low = row.id + 1
    return low


_NEXT = select(history.c.id, history.c.at).where(history.c.id >= bindparam("from_")).order_by(history.c.id).limit(1)
_COLUMNS = [column for column in history.columns if column is not history.c.stamp]

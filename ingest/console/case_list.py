"""The list of cases: what each role may see of each, personal data masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Connection, select

from ingest.accounts import Role
from ingest.console import masks
from ingest.console.case_page import record_search
from ingest.console.context import CONSOLE, page, visitor_of
from ingest.console.guard import needs
from ingest.console.paging import span_of
from ingest.console.roles import Right, may_read
from ingest.console.search import STATES, TITLES_SEARCHED, Page, Place, Wanted, find_cases
from normalize.case import Case, ChannelKind, RequestTypeCode
from store.schema import cases
from store.sealing import Sealer

LONGEST_QUERY = 100


@dataclass(frozen=True)
class Facts:
    """What only those see who may read the case."""

    title: str
    channel: str
    source_no: str | None
    request_type: str
    urgency: str
    triage: str
    needs_review: bool
    withdrawn: bool
    anonymous: bool
    person: str | None
    phone: str | None
    more_people: int


@dataclass(frozen=True)
class Line:
    """One case of a list; without `facts` its number, channel kind and deadlines are all there is to see."""

    case_id: str
    case_no: str
    channel_kind: str
    received_at: datetime
    next_due_at: datetime | None
    restricted: bool
    facts: Facts | None


@needs(Right.CASES)
async def show(request: web.Request) -> web.StreamResponse:
    console, role = request.app[CONSOLE], visitor_of(request).role
    wanted, now, sealer = wanted_by(request), console.now(), console.store.sealer
    before, after = (Place.parse(request.query.get(name, "")) for name in ("before", "after"))

    def find(conn: Connection) -> tuple[Page, list[Line]]:
        found = find_cases(conn, sealer, role, wanted, now, before=before, after=after)
        return found, [line_of(row, sealer, role) for row in found.rows]

    found, lines = await console.store.browse(find)
    shown = [line.case_no for line in lines if line.facts is not None]
    if wanted.words is not None and shown:
        await record_search(console, visitor_of(request), shown)
    return page(
        request,
        "cases.html",
        found=found,
        lines=lines,
        wanted=wanted,
        kinds=[kind.value for kind in ChannelKind],
        channels=console.settings.channels,
        types=[code.value for code in RequestTypeCode],
        states=[state for state in STATES if state == "restricted" or visitor_of(request).may(Right.CONTENT)],
        titles_searched=TITLES_SEARCHED,
        content=visitor_of(request).may(Right.CONTENT),
    )


def lines_by_id(conn: Connection, sealer: Sealer, role: Role, ids: Sequence[str]) -> dict[str, Line]:
    """The lines of these cases."""
    rows = conn.execute(select(cases).where(cases.c.case_id.in_(ids))).all()
    return {row.case_id: line_of(row, sealer, role) for row in rows}


def wanted_by(request: web.Request) -> Wanted:
    """What a list is asked for, by its address."""
    asked = {name: request.query.get(name, "").strip()[:LONGEST_QUERY] or None for name in request.query}
    kind, _, channel = (asked.get("channel") or "").partition(":")
    return Wanted(
        words=asked.get("q"),
        channel_kind=kind or None,
        channel=channel or None,
        request_type=asked.get("type"),
        state=asked.get("state"),
        overdue=asked.get("overdue") is not None,
        span=span_of(request),
    )


def line_of(row: Any, sealer: Sealer, role: Role) -> Line:  # noqa: ANN401 - a row of `cases`
    readable = may_read(role, restricted=row.restricted)
    return Line(
        row.case_id,
        row.case_no,
        row.channel_kind,
        row.received_at,
        None if row.withdrawn else row.next_due_at,
        row.restricted,
        _facts(row, sealer) if readable else None,
    )


def _facts(row: Any, sealer: Sealer) -> Facts:  # noqa: ANN401 - a row of `cases`
    opened = Case.model_validate_json(sealer.open(row.sealed, f"cases:{row.case_id}"))
    people = sorted(opened.petitioners, key=lambda person: not person.primary)
    names = [person.name for person in people if person.name]
    phones = [phone for person in people for phone in person.phones]
    return Facts(
        title=masks.text(opened.title, names),
        channel=row.channel,
        source_no=row.source_no,
        request_type=row.request_type,
        urgency=row.urgency,
        triage=row.triage,
        needs_review=row.needs_review,
        withdrawn=row.withdrawn,
        anonymous=bool(opened.anonymous),
        person=masks.name(names[0]) if names else None,
        phone=masks.phone(phones[0]) if phones else None,
        more_people=max(len(people) - 1, (opened.petitioner_count or 1) - 1),
    )

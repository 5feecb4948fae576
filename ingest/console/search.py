"""Finding cases: by number, by person, by words of the title, by filter; pages of fifty, newest first.

Whoever sees only a case's number, channel kind and deadlines cannot find it by anything else: a filter that asks for
more leaves such cases out, or the answer itself would tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    and_,
    false,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.sql import ColumnElement

from ingest.accounts import Role
from ingest.console.roles import may_read
from ingest.few import are_few
from ingest.listings import PAGE
from ingest.spans import ALWAYS, Span
from normalize.people import identity_number, phones
from store.schema import EPOCH, MICROSECOND, RUNNING, URGENT, cases, lookup
from store.sealing import Sealer

TITLES_SEARCHED = 5_000
STATES = ("review", "urgent", "restricted", "withdrawn")


@dataclass(frozen=True)
class Wanted:
    """What the person at the list asks for; None: does not matter."""

    words: str | None = None
    channel_kind: str | None = None
    channel: str | None = None
    request_type: str | None = None
    state: str | None = None
    overdue: bool = False
    span: Span = ALWAYS
    """When it was received."""


@dataclass(frozen=True)
class Place:
    """Between two rows of the list, which is ordered by arrival, then id."""

    received_at: datetime
    case_id: str

    def __str__(self) -> str:
        return f"{(self.received_at - EPOCH) // MICROSECOND}-{self.case_id}"

    @classmethod
    def parse(cls, written: str) -> Place | None:
        """None: not a place."""
        micros, _, case_id = written.partition("-")
        if not (case_id and micros.isdecimal() and len(micros) < 18):
            return None
        return cls(EPOCH + int(micros) * MICROSECOND, case_id)


@dataclass(frozen=True)
class Page:
    rows: Sequence[Any]  # rows of the table `cases`
    newer: Place | None
    older: Place | None


@dataclass(frozen=True)
class Asked:
    """What a list is asked for, as the database understands it."""

    condition: ColumnElement[bool]
    few: bool
    """So few can meet it that they are found first, then sorted; else the cases are walked over as they came."""


def find_cases(
    conn: Connection,
    sealer: Sealer,
    role: Role,
    wanted: Wanted,
    now: datetime,
    *,
    before: Place | None = None,
    after: Place | None = None,
) -> Page:
    """One page of what the role may find, older than `before` or newer than `after`."""
    return page_of(conn, asked_for(conn, sealer, role, wanted, now), before=before, after=after)


def page_of(conn: Connection, asked: Asked, *, before: Place | None = None, after: Place | None = None) -> Page:
    """One page of the cases that are asked for."""
    place = tuple_(cases.c.received_at, cases.c.case_id)
    by_time: ColumnElement[Any] = literal_column("cases.received_at + 0") if asked.few else cases.c.received_at
    query = select(cases).where(asked.condition).limit(PAGE + 1)
    if after is not None:
        query = query.where(place > _bound(after)).order_by(by_time, cases.c.case_id)
    else:
        query = query.order_by(by_time.desc(), cases.c.case_id.desc())
        if before is not None:
            query = query.where(place < _bound(before))
    found = conn.execute(query).all()
    more, rows = len(found) > PAGE, list(found[:PAGE])
    if after is not None:
        rows.reverse()
    return _page(rows, newer=more if after is not None else before is not None, older=more or after is not None)


def _bound(place: Place) -> Any:  # noqa: ANN401 - an SQL tuple

    return tuple_(literal(place.received_at, cases.c.received_at.type), literal(place.case_id))


def _page(rows: list[Any], *, newer: bool, older: bool) -> Page:
    if not rows:
        return Page((), None, None)
    first, last = (Place(row.received_at, row.case_id) for row in (rows[0], rows[-1]))
    return Page(rows, first if newer else None, last if older else None)


def asked_for(conn: Connection, sealer: Sealer, role: Role, wanted: Wanted, now: datetime) -> Asked:
    """What the role may find of what is wanted; with words thousands of titles are opened for it, once."""
    readable, few = readable_by(role), False
    asked: list[ColumnElement[bool]] = list(wanted.span.holds(cases.c.received_at))
    if wanted.channel_kind is not None:
        asked.append(cases.c.channel_kind == wanted.channel_kind)
    if wanted.overdue:
        overdue = and_(RUNNING, cases.c.next_due_at < now)
        few = are_few(conn, select(cases.c.next_due_at).where(overdue))
        asked.append(overdue)
    if wanted.state == "restricted":
        asked.append(cases.c.restricted)
    if facts := _facts(wanted):
        asked += [readable, *facts]
    if wanted.words is not None:
        meant = _meant(conn, sealer, role, wanted.words)
        few = few or are_few(conn, meant)
        asked += [cases.c.case_id.in_(meant), or_(cases.c.case_no == wanted.words, readable)]
    return Asked(and_(true(), *asked), few)


def readable_by(role: Role) -> ColumnElement[bool]:
    """The condition on `cases` under which this role sees content."""
    open_, closed = may_read(role, restricted=False), may_read(role, restricted=True)
    if open_ and closed:
        return true()
    return ~cases.c.restricted if open_ else (cases.c.restricted if closed else false())


def _facts(wanted: Wanted) -> list[ColumnElement[bool]]:
    facts: list[ColumnElement[bool]] = []
    if wanted.channel is not None:
        facts.append(cases.c.channel == wanted.channel)
    if wanted.request_type is not None:
        facts.append(cases.c.request_type == wanted.request_type)
    if wanted.state == "review":
        facts.append(cases.c.needs_review)
    if wanted.state == "urgent":
        facts.append(and_(URGENT))
    if wanted.state == "withdrawn":
        facts.append(cases.c.withdrawn)
    return facts


def _meant(conn: Connection, sealer: Sealer, role: Role, words: str) -> Select[Any] | CompoundSelect[Any]:
    """The ids of the cases to which this number, person or wording points, each way by its own index; all but the
    number point to what the role may not find too.
    """
    by_id = select(cases.c.case_id)
    by_number = by_id.where(cases.c.case_no == words)
    if not may_read(role, restricted=False) and not may_read(role, restricted=True):
        return by_number
    digests = [
        (lookup.c.kind == kind) & (lookup.c.digest == sealer.lookup(kind, value)) for kind, value in people(words)
    ]
    persons = select(lookup.c.case_id).where(or_(*digests))
    ways = [by_number, by_id.where(cases.c.source_no == words), persons]
    if titles := _with_title(conn, sealer, readable_by(role), words):
        ways.append(by_id.where(cases.c.case_id.in_(titles)))
    return union_all(*ways)


def people(words: str) -> list[tuple[str, str]]:
    """How the lookup table would know the person these words may name: kind and value."""
    keys = [("phone", number) for number in phones(words, field=True)]
    if any(character.isdigit() for character in words):
        judged = identity_number(words)
        keys += [("id_no", number) for number in {judged.canonical, judged.number}]
    return [*keys, ("email", words.lower()), ("name", words)]


def _with_title(conn: Connection, sealer: Sealer, readable: ColumnElement[bool], words: str) -> list[str]:
    """Those of the newest readable cases whose sealed title contains every word."""
    newest = (
        select(cases.c.case_id, cases.c.sealed_title)
        .where(readable)
        .order_by(cases.c.received_at.desc(), cases.c.case_id.desc())
        .limit(TITLES_SEARCHED)
    )
    asked = [word.casefold() for word in words.split()]
    return [
        row.case_id for row in conn.execute(newest) if all(word in open_title(sealer, row).casefold() for word in asked)
    ]


def open_title(sealer: Sealer, row: Any) -> str:  # noqa: ANN401 - a row of `cases`
    return sealer.open(row.sealed_title, f"cases.title:{row.case_id}").decode()

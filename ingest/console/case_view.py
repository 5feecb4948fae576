"""What the page of a case shows, gathered in one snapshot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, func, select

from dispatch.attempts import answers_of
from ingest import listings
from ingest.accounts import Role
from ingest.clockwork import is_over
from ingest.console.clocks_shown import Clock, clocks_of
from ingest.console.originals import Lying, lying_of
from ingest.console.revisions import Revision, revisions_of
from ingest.console.roles import may_read
from ingest.happenings import Happening, history_page
from ingest.listings import Delivery
from ingest.register import correction_of, load_case
from ingest.reported import Reported
from ingest.reported import of_case as reported_of
from normalize.calendar import WorkCalendar
from normalize.case import Case, Deadline, Related
from store.schema import attachment, cases, correction, report, revision
from store.sealing import Sealer

HISTORY_SHOWN = 200


@dataclass(frozen=True)
class Numbers:
    """All that is known of a case to those who may not read it."""

    case_id: str
    case_no: str
    channel_kind: str
    received_at: datetime
    restricted: bool
    deadlines: Sequence[Deadline]
    over: bool
    deliveries: Sequence[Delivery]
    history: Sequence[Happening]


@dataclass(frozen=True)
class Corrected:
    """A correction; `undone_by`: who took it back."""

    id: int
    field: str
    value: Any
    author: str
    at: datetime
    undone_by: str | None
    undone_at: datetime | None


@dataclass(frozen=True)
class Link:
    """A related case, and its number; the relation only where that case may be read too."""

    case_id: str
    case_no: str
    restricted: bool
    relation: Related | None


@dataclass(frozen=True)
class FullView:
    case: Case
    withdrawn: bool
    clocks: Sequence[Clock]
    over: bool
    """Its clocks run no more: it is closed at its source, or taken back."""
    reports: Sequence[Reported]
    links: Sequence[Link]
    missing: Sequence[tuple[str, str]]  # attachments that did not come: state and why
    deliveries: Sequence[Delivery]
    corrections: Sequence[Corrected]
    revisions: Sequence[Revision]
    originals: Sequence[Lying]
    history: Sequence[Happening]
    withheld: frozenset[str]  # hashes of scans that hold a restricted matter besides this one
    source_fields: str | None


def numbers_view(conn: Connection, sealer: Sealer, case_id: str) -> Numbers:
    """The case's number, channel kind and deadlines, with its deliveries and history, which hold no content."""
    case, row = load_case(conn, sealer, case_id), _row(conn, case_id)
    return Numbers(
        case_id,
        case.case_no,
        case.channel_kind.value,
        case.received_at,
        row.restricted,
        case.deadlines,
        is_over(case, withdrawn=row.withdrawn),
        listings.deliveries(conn, case_id=case_id, limit=None),
        history_page(conn, case_id=case_id, limit=HISTORY_SHOWN),
    )


def full_view(conn: Connection, sealer: Sealer, role: Role, case_id: str, calendar: WorkCalendar) -> FullView | None:
    """Everything there is to know of a case; None when, in this very snapshot, the role may not read it."""
    row = _row(conn, case_id)
    if not may_read(role, restricted=row.restricted):
        return None
    case = load_case(conn, sealer, case_id)
    fields = case.source_fields
    originals = lying_of(conn, sealer, role, case_id)
    return FullView(
        case=case,
        withdrawn=row.withdrawn,
        clocks=clocks_of(case, calendar),
        over=is_over(case, withdrawn=row.withdrawn),
        reports=_reports(conn, sealer, role, case_id),
        links=_links(conn, role, case),
        missing=_missing(conn, case_id),
        deliveries=_deliveries(conn, sealer, role, case_id),
        corrections=corrections_seen(conn, sealer, role, case_id),
        revisions=revisions_of(conn, sealer, case_id, everything=may_read(role, restricted=True)),
        originals=originals,
        withheld=frozenset(one.row.sha256 for one in originals if one.kept is None),
        history=history_page(conn, case_id=case_id, limit=HISTORY_SHOWN),
        source_fields=json.dumps(fields, ensure_ascii=False, indent=2) if fields else None,
    )


def _reports(conn: Connection, sealer: Sealer, role: Role, case_id: str) -> list[Reported]:
    """Newest first; as with corrections."""
    open_ = None if may_read(role, restricted=True) else ~_restricted_at(case_id, report.c.received_at)
    return reported_of(conn, sealer, case_id, open_)[::-1]


def _restricted_at(case_id: str, moment: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether the case was restricted at the moment a row tells."""
    then = select(revision.c.restricted).where(revision.c.case_id == case_id, revision.c.at <= moment)
    return func.coalesce(then.order_by(revision.c.revision.desc()).limit(1).scalar_subquery(), false())


def _row(conn: Connection, case_id: str) -> Any:  # noqa: ANN401 - a row of `cases`
    return conn.execute(select(cases.c.restricted, cases.c.withdrawn).where(cases.c.case_id == case_id)).one()


def _links(conn: Connection, role: Role, case: Case) -> list[Link]:
    related = {one.case_id: one for one in case.related}
    columns = (cases.c.case_id, cases.c.case_no, cases.c.restricted)
    rows = conn.execute(select(*columns).where(cases.c.case_id.in_(list(related)))).all()
    return [
        Link(*row, related[row.case_id] if may_read(role, restricted=row.restricted) else None)
        for row in sorted(rows, key=lambda row: -related[row.case_id].score)
    ]


def _missing(conn: Connection, case_id: str) -> list[tuple[str, str]]:
    wanted = select(attachment.c.state, attachment.c.reason).where(
        attachment.c.case_id == case_id, attachment.c.reason.is_not(None), attachment.c.state != "stored"
    )
    return [(row.state, row.reason) for row in conn.execute(wanted)]


def _deliveries(conn: Connection, sealer: Sealer, role: Role, case_id: str) -> list[Delivery]:
    """With what the receivers said, where the role may read what they were told."""
    answers = answers_of(conn, sealer, case_id)
    return [
        replace(one, tries=tuple(replace(made, answer=answers.get((one.id, made.at))) for made in one.tries))
        if may_read(role, restricted=one.restricted)
        else one
        for one in listings.deliveries(conn, case_id=case_id, limit=None)
    ]


def corrections_seen(conn: Connection, sealer: Sealer, role: Role, case_id: str) -> list[Corrected]:
    """Newest first; what was written while the case was restricted, only for those who may read such cases."""
    wanted = select(correction).where(correction.c.case_id == case_id).order_by(correction.c.id.desc())
    if not may_read(role, restricted=True):
        wanted = wanted.where(~_restricted_at(case_id, correction.c.at))
    return [
        Corrected(
            row.id,
            row.field,
            correction_of(row, sealer).value,
            row.author,
            row.at,
            row.undone_by,
            row.undone_at,
        )
        for row in conn.execute(wanted)
    ]

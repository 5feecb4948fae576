"""What OAs have reported of a case: taken once, kept sealed, and what it makes of the case's clocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from dispatch.reckoning import is_meant
from dispatch.reports import OutOfOrder, Report, ReportType, after, progress_of
from dispatch.rights import right_of
from dispatch.settings import TargetSettings
from ingest import register
from ingest.clockwork import Clockwork
from ingest.history import record_history
from ingest.register import Entry
from normalize.case import Case
from normalize.clocks import Progress, extendable
from normalize.dates import CHINA
from store.schema import report as table
from store.sealing import Sealer
from store.upsert import insert_into

__all__ = [
    "Arrived",
    "NoSuchCase",
    "OtherWords",
    "OutOfOrder",
    "Reported",
    "Taken",
    "of_case",
    "progress_of_case",
    "take",
]


class NoSuchCase(Exception):
    """There is none, or none that this target has in full."""


class OtherWords(Exception):
    """Something else was reported under this id before."""

    def __init__(self, new: Arrived) -> None:
        super().__init__(f"webhook-id {new.webhook_id}: other words came under it before, expected an id of its own")


@dataclass(frozen=True)
class Arrived:
    """A genuine report: from which target, under which id, and its bytes."""

    target: str
    webhook_id: str
    body: bytes
    report: Report


@dataclass(frozen=True)
class Taken:
    """What the OA is answered, the same whenever it asks."""

    case_id: str
    type: ReportType
    at: datetime
    received_at: datetime

    def told(self, zone: tzinfo) -> dict[str, str]:
        at, received = (moment.astimezone(zone).isoformat() for moment in (self.at, self.received_at))
        return {"case_id": self.case_id, "type": self.type.value, "at": at, "received_at": received}


@dataclass(frozen=True)
class Reported:
    """A report with its words."""

    target: str
    received_at: datetime
    report: Report


def take(
    conn: Connection, sealer: Sealer, clockwork: Clockwork, settings: TargetSettings, new: Arrived, now: datetime
) -> Taken:
    """Write it down, move the case's clocks: neither a revision nor an event. Twice is once.

    Raises NoSuchCase, OtherWords, OutOfOrder: nothing is written.
    """
    known = _find(conn, new)
    if known is None:
        entry = _entry(conn, sealer, new, settings)
        known = _find(conn, new)  # by another process, while this one waited for the case
    if known is not None:
        return _same(known, new, sealer)
    reports, returned_at = _reports(conn, new.report.case_id), register.returned_at(conn, new.report.case_id)
    before = progress_of(reports, returned_at)
    after(before.given_out(entry.case.dispatched_at), new.report)
    stood, seen_at = entry.case.deadlines, entry.modified_at or now
    _expect_to_extend(clockwork.dated(entry.case, before, before=stood, seen_at=seen_at), new.report)
    progress = progress_of([*reports, new.report], returned_at)
    if not _add(conn, sealer, new, now):  # of another case, at this very moment
        raise OtherWords(new)
    record_history(conn, new.report.case_id, "reported", f"target:{new.target}", _told(new.report), now)
    accepted = _accepted(conn, sealer, entry, progress)
    case = clockwork.dated(accepted, progress, before=stood, seen_at=seen_at)
    register.save(conn, sealer, case, clockwork.timing(case, withdrawn=entry.withdrawn, now=now), now)
    return Taken(new.report.case_id, new.report.type, new.report.at, now)


def progress_of_case(conn: Connection, case_id: str) -> Progress:
    """How far the case has come by what was reported, and what its source had done again."""
    return progress_of(_reports(conn, case_id), register.returned_at(conn, case_id))


def of_case(conn: Connection, sealer: Sealer, case_id: str, only: ColumnElement[bool] | None = None) -> list[Reported]:
    """All that was reported of a case, or `only` some of it, in order."""
    here = table.c.case_id == case_id if only is None else (table.c.case_id == case_id) & only
    rows = conn.execute(select(table).where(here).order_by(table.c.id))
    return [
        Reported(
            row.target,
            row.received_at,
            Report.model_validate_json(sealer.open(row.sealed, _sealed_as(row.target, row.webhook_id))),
        )
        for row in rows
    ]


def _reports(conn: Connection, case_id: str) -> list[Report]:
    """In order, without their words."""
    wanted = select(table.c.type, table.c.at, table.c.until).where(table.c.case_id == case_id).order_by(table.c.id)
    return [
        Report.model_construct(
            case_id=case_id,
            type=ReportType(row.type),
            at=row.at.astimezone(CHINA),
            until=row.until and row.until.astimezone(CHINA),
        )
        for row in conn.execute(wanted)
    ]


def _entry(conn: Connection, sealer: Sealer, new: Arrived, settings: TargetSettings) -> Entry:
    """The case, held, if this target works on it: it has it in full."""
    case_id = new.report.case_id
    try:
        entry = register.load_entry(conn, sealer, case_id)
    except KeyError as error:
        raise NoSuchCase(f"case {case_id}: there is none for this target") from error
    right = right_of(settings, entry.case.channel, restricted=entry.restricted)
    if right != "full" or not settings.enabled or not is_meant(conn, new.target, case_id):
        raise NoSuchCase(f"case {case_id}: there is none for this target")
    return entry


def _expect_to_extend(case: Case, report: Report) -> None:
    """Raises OutOfOrder: a matter is extended once, so one that moves no limit would leave none for the right one."""
    if report.type is not ReportType.EXTENDED or report.until is None:
        return
    limits = extendable(case.deadlines)
    if not limits:
        raise OutOfOrder(f"case {case.case_id}: no limit runs that it could move; expected after one does (accepted)")
    earliest = max(report.at, min(limits)).astimezone(CHINA)
    if report.until <= earliest:
        said = f"until moves no limit; expected one later than {earliest.isoformat()}"
        raise OutOfOrder(f"case {case.case_id}: {said}")


def _accepted(conn: Connection, sealer: Sealer, entry: Entry, progress: Progress) -> Case:
    """With the time of acceptance; a person's correction of it stands above."""
    corrected = any(one.field == "accepted_at" for one in register.corrections(conn, sealer, entry.case.case_id))
    if corrected or progress.accepted_at is None:
        return entry.case
    return entry.case.model_copy(update={"accepted_at": progress.accepted_at.astimezone(CHINA)})


def _add(conn: Connection, sealer: Sealer, new: Arrived, now: datetime) -> bool:
    report = new.report
    row = {
        "case_id": report.case_id,
        "target": new.target,
        "webhook_id": new.webhook_id,
        "type": report.type.value,
        "at": report.at,
        "until": report.until,
        "received_at": now,
    }
    sealed = sealer.seal(new.body, _sealed_as(new.target, new.webhook_id))
    added = insert_into(conn, table).values(**row, sealed=sealed).on_conflict_do_nothing().returning(table.c.id)
    return conn.execute(added).first() is not None


def _same(row: Row[Any], new: Arrived, sealer: Sealer) -> Taken:
    if sealer.open(row.sealed, _sealed_as(row.target, row.webhook_id)) != new.body:
        raise OtherWords(new)
    return Taken(row.case_id, ReportType(row.type), row.at, row.received_at)


def _find(conn: Connection, new: Arrived) -> Row[Any] | None:
    here = (table.c.target == new.target) & (table.c.webhook_id == new.webhook_id)
    return conn.execute(select(table).where(here)).one_or_none()


def _told(report: Report) -> dict[str, str]:
    """What the history says of it: nobody's words."""
    told = {"type": report.type.value, "at": report.at.astimezone(CHINA).isoformat()}
    return told if report.until is None else {**told, "until": report.until.astimezone(CHINA).isoformat()}


def _sealed_as(target: str, webhook_id: str) -> str:
    return f"report:{target}:{webhook_id}"

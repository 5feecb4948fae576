"""Looks at cases when it is time: counts their dates anew if they are counted differently by now, and reminds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Select, insert, select

from dispatch.payload import Due, EventType
from ingest import register
from ingest.cases import CaseDesk
from ingest.clockwork import Clockwork
from ingest.history import MACHINE, record_all
from ingest.register import Entry
from ingest.reported import progress_of_case
from normalize.case import Case
from normalize.dates import CHINA
from normalize.reminders import Reminder, Stage
from store.schema import RUNNING, cases, reminder


def waiting(
    conn: Connection, clockwork: Clockwork, now: datetime, *, limit: int, without: Sequence[str] = ()
) -> list[str]:
    """Cases it is time to look at, the earliest first; else those whose clocks run by another calendar."""
    for wanted in asked(clockwork.mark, now, limit, without):
        if found := conn.execute(wanted).scalars().all():
            return list(found)
    return []


def asked(mark: str, now: datetime, limit: int, without: Sequence[str]) -> Iterator[Select[str]]:
    """What is asked, in turn; each walks over no more of its index than it finds."""
    some = select(cases.c.case_id).where(cases.c.case_id.not_in(without)).limit(limit)
    yield some.where(cases.c.next_reminder_at <= now).order_by(cases.c.next_reminder_at)
    for other in (cases.c.dated_by < mark, cases.c.dated_by > mark):
        yield some.where(other, RUNNING).order_by(cases.c.dated_by)


def look(conn: Connection, desk: CaseDesk, case_id: str, now: datetime) -> list[Reminder]:
    """In one transaction: its dates, the events about them, and when to look again. What it told of."""
    return look_together(conn, desk, [case_id], now)[case_id]


def look_together(
    conn: Connection, desk: CaseDesk, case_ids: Sequence[str], now: datetime
) -> dict[str, list[Reminder]]:
    """As `look` at each, one statement a table; one that cannot be looked at undoes them all. Raises KeyError."""
    clockwork = desk.clockwork
    entries = register.load_entries(conn, desk.sealer, case_ids)
    dated = [_dated(conn, entry, clockwork, now) for entry in entries]
    told = _told(conn, case_ids)
    due = {
        entry.case.case_id: clockwork.to_tell(case, told[case.case_id], withdrawn=entry.withdrawn, now=now)
        for entry, case in zip(entries, dated, strict=True)
    }
    _note(conn, due, now)
    for entry in entries:
        if entry.timing.dated_by is None:  # it was here before anybody was reminded: what is over by now is no news
            due[entry.case.case_id] = []
    _tell(conn, desk, [(case, one) for case in dated for one in due[case.case_id]], now)
    timings = {}
    for entry, case in zip(entries, dated, strict=True):
        timing = clockwork.rewound(case, withdrawn=entry.withdrawn, now=now)
        if case == entry.case:
            timings[case.case_id] = timing
        else:
            register.save(conn, desk.sealer, case, timing, now)
    register.rewind(conn, timings)
    return due


def _dated(conn: Connection, entry: Entry, clockwork: Clockwork, now: datetime) -> Case:
    """The case with its dates, counted anew if they were counted differently."""
    if entry.timing.dated_by == clockwork.mark:
        return entry.case
    case, progress = entry.case, progress_of_case(conn, entry.case.case_id)
    return clockwork.dated(case, progress, before=case.deadlines, seen_at=entry.modified_at or now)


def _told(conn: Connection, case_ids: Sequence[str]) -> Mapping[str, list[tuple[str, Stage, datetime]]]:
    found: dict[str, list[tuple[str, Stage, datetime]]] = {case_id: [] for case_id in case_ids}
    for row in conn.execute(select(reminder).where(reminder.c.case_id.in_(case_ids))):
        found[row.case_id].append((row.rule, Stage(row.stage), row.due_at))
    return found


def _note(conn: Connection, due: Mapping[str, Sequence[Reminder]], now: datetime) -> None:
    rows = [
        {"case_id": case_id, "rule": one.rule, "stage": one.stage.value, "due_at": one.due_at, "told_at": now}
        for case_id, reminders in due.items()
        for one in reminders
    ]
    if rows:
        conn.execute(insert(reminder), rows)


def _tell(conn: Connection, desk: CaseDesk, told: Sequence[tuple[Case, Reminder]], now: datetime) -> None:
    about, happened = [], []
    for case, one in told:
        deadline = next(it for it in case.deadlines if it.rule == one.rule)
        type_ = EventType.OVERDUE if one.stage is Stage.OVERDUE else EventType.DUE_SOON
        about.append((case, type_, Due(**vars(deadline), stage=one.stage)))
        detail = {"rule": one.rule, "stage": one.stage.value, "due": one.due_at.astimezone(CHINA).isoformat()}
        happened.append((case.case_id, type_.removeprefix("case."), detail))
    desk.outbox.remind(conn, about, now)
    record_all(conn, MACHINE, happened, now)

"""Looks at one case when it is time: counts its dates anew if they are counted differently by now, and reminds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, Select, insert, select

from dispatch.payload import Due, EventType
from ingest import register
from ingest.cases import CaseDesk
from ingest.clockwork import Clockwork
from ingest.history import MACHINE, record_history
from ingest.reported import progress_of_case
from normalize.case import Case
from normalize.dates import CHINA
from normalize.reminders import Reminder, Stage
from store.schema import cases, reminder


def waiting(
    conn: Connection, clockwork: Clockwork, now: datetime, *, limit: int, without: Sequence[str] = ()
) -> list[str]:
    """Cases it is time to look at, the earliest first; else those whose dates were counted by another calendar."""
    for wanted in asked(clockwork.mark, now, limit, without):
        if found := conn.execute(wanted).scalars().all():
            return list(found)
    return []


def asked(mark: str, now: datetime, limit: int, without: Sequence[str]) -> Iterator[Select[str]]:
    """What is asked, in turn; each walks over no more of its index than it finds."""
    some = select(cases.c.case_id).where(cases.c.case_id.not_in(without)).limit(limit)
    yield some.where(cases.c.next_reminder_at <= now).order_by(cases.c.next_reminder_at)
    for other in (cases.c.dated_by < mark, cases.c.dated_by > mark):
        yield some.where(other, cases.c.next_reminder_at.is_not(None)).order_by(cases.c.dated_by)


def look(conn: Connection, desk: CaseDesk, case_id: str, now: datetime) -> list[Reminder]:
    """In one transaction: its dates, the events about them, and when to look again. What it told of."""
    clockwork, entry = desk.clockwork, register.load_entry(conn, desk.sealer, case_id)
    case = entry.case
    if entry.timing.dated_by != clockwork.mark:
        case = clockwork.dated(case, progress_of_case(conn, case_id))
    due = clockwork.to_tell(case, _told(conn, case_id), withdrawn=entry.withdrawn, now=now)
    _note(conn, case_id, due, now)
    if entry.timing.dated_by is None:  # it was here before anybody was reminded: what is over by now is no news
        due = []
    for one in due:
        _tell(conn, desk, case, one, now)
    timing = clockwork.rewound(case, withdrawn=entry.withdrawn, now=now)
    if case == entry.case:
        register.rewind(conn, case_id, timing)
    else:
        register.save(conn, desk.sealer, case, timing, now)
    return due


def _told(conn: Connection, case_id: str) -> list[tuple[str, Stage, datetime]]:
    rows = conn.execute(select(reminder).where(reminder.c.case_id == case_id))
    return [(row.rule, Stage(row.stage), row.due_at) for row in rows]


def _note(conn: Connection, case_id: str, due: Sequence[Reminder], now: datetime) -> None:
    rows = [
        {"case_id": case_id, "rule": one.rule, "stage": one.stage.value, "due_at": one.due_at, "told_at": now}
        for one in due
    ]
    if rows:
        conn.execute(insert(reminder), rows)


def _tell(conn: Connection, desk: CaseDesk, case: Case, one: Reminder, now: datetime) -> None:
    deadline = next(it for it in case.deadlines if it.rule == one.rule)
    type_ = EventType.OVERDUE if one.stage is Stage.OVERDUE else EventType.DUE_SOON
    desk.outbox.publish(conn, case, type_, None, now, due=Due(**vars(deadline), stage=one.stage))
    detail = {"rule": one.rule, "stage": one.stage.value, "due": one.due_at.astimezone(CHINA).isoformat()}
    record_history(conn, case.case_id, type_.removeprefix("case."), MACHINE, detail, now)

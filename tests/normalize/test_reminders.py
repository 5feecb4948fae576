"""When to remind of a deadline, on the working-day calendar; and what was told already."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from normalize.calendar import WorkCalendar
from normalize.case import Case, Deadline, DeadlineKind
from normalize.reminders import Reminder, ReminderRules, Stage, next_at, reminders, to_tell
from tests.normalize.drafts import china, draft

CALENDAR = WorkCalendar()
RULES = ReminderRules()


def case(received: str, due: str | None, **more: Any) -> Case:
    one = Deadline(
        rule="xf.notice",
        kind=DeadlineKind.NOTICE,
        starts="received_at",
        due_at=None if due is None else china(f"{due} 23:59:59"),
        **more,
    )
    facts: dict[str, Any] = dict(draft(received_at=china(received)))
    registered: dict[str, Any] = {"case_id": "01J", "case_no": "1", "revision": 1, "ingested_at": china(received)}
    return Case.model_construct(**facts, **registered, receipts=(), deadlines=(one,))


def told(found: list[Reminder]) -> list[tuple[str, str]]:
    return [(one.stage.value, f"{one.at:%m-%d %H:%M}") for one in found]


@pytest.mark.parametrize(
    ("received", "due", "expected"),
    [
        (
            "2026-03-02 09:00",
            "2026-03-17",
            [("half", "03-10 08:30"), ("workday_before", "03-16 08:30"), ("same_day", "03-17 08:30"),
             ("overdue", "03-17 23:59")],
        ),  # the working day before a Tuesday
        ("2026-03-05 09:00", "2026-03-09", [("workday_before", "03-06 08:30"), ("same_day", "03-09 08:30"),
                                            ("overdue", "03-09 23:59")]),  # before a Monday: Friday; no time for half
        ("2026-02-02 09:00", "2026-02-24", [("half", "02-13 08:30"), ("workday_before", "02-14 08:30"),
                                            ("same_day", "02-24 08:30"), ("overdue", "02-24 23:59")]),
        # the festival lies between: the Saturday before it is worked
        ("2026-03-02 09:00", "2026-03-03", [("same_day", "03-03 08:30"), ("overdue", "03-03 23:59")]),
        ("2026-03-02 09:00", "2026-03-02", [("overdue", "03-02 23:59")]),
        ("2026-03-02 09:00", None, []),
    ],
)  # fmt: skip
def test_reminders_come_on_working_mornings(received: str, due: str | None, expected: list[tuple[str, str]]) -> None:
    assert told(reminders(case(received, due), RULES, CALENDAR)) == expected


def test_a_limit_that_ends_before_the_morning_is_not_told_after_it() -> None:
    night = case("2026-03-02 23:00", "2026-03-02")
    due = night.deadlines[0].model_copy(update={"due_at": china("2026-03-03 01:00")})

    assert told(reminders(night.model_copy(update={"deadlines": (due,)}), RULES, CALENDAR)) == [
        ("overdue", "03-03 01:00")
    ]


def test_a_clock_that_was_stopped_reminds_nobody() -> None:
    stopped = case("2026-03-02 09:00", "2026-03-17", ended_at=china("2026-03-03 09:00"))

    assert reminders(stopped, RULES, CALENDAR) == []


def test_an_office_chooses_stages_and_the_time_of_day() -> None:
    rules = ReminderRules.model_validate({"stages": ["same_day"], "at": "07:15"})

    assert told(reminders(case("2026-03-02 09:00", "2026-03-17"), rules, CALENDAR)) == [("same_day", "03-17 07:15")]


def test_who_was_away_hears_where_it_stands_and_not_all_that_was_missed() -> None:
    found = reminders(case("2026-03-02 09:00", "2026-03-17"), RULES, CALENDAR)
    due = china("2026-03-17 23:59:59")

    def tell(now: str, *before: Stage) -> list[str]:
        return [one.stage.value for one in to_tell(found, [("xf.notice", one, due) for one in before], china(now))]

    assert tell("2026-03-09 12:00") == []
    assert tell("2026-03-10 08:30") == ["half"]
    assert tell("2026-03-10 12:00", Stage.HALF) == []
    assert tell("2026-03-17 12:00") == ["same_day"]
    assert tell("2026-03-17 12:00", Stage.HALF, Stage.WORKDAY_BEFORE) == ["same_day"]
    assert tell("2026-03-20 12:00") == ["overdue"]
    assert tell("2026-03-20 12:00", Stage.OVERDUE) == []


def test_another_date_is_told_of_anew() -> None:
    found = reminders(case("2026-03-02 09:00", "2026-04-17"), RULES, CALENDAR)
    before = [("xf.notice", Stage.OVERDUE, china("2026-03-17 23:59:59"))]

    assert [one.stage for one in to_tell(found, before, china("2026-04-16 09:00"))] == [Stage.WORKDAY_BEFORE]


def test_the_next_moment_is_the_first_to_come() -> None:
    found = reminders(case("2026-03-02 09:00", "2026-03-17"), RULES, CALENDAR)
    moments, now = [], china("2026-03-01 00:00")
    while (at := next_at(found, now)) is not None:
        moments.append(at)
        now = at

    assert moments == [one.at for one in found]
    assert isinstance(now, datetime)
    assert next_at(found, now + timedelta(days=1)) is None


def test_the_sources_own_date_is_reminded_of_from_when_it_was_sent() -> None:
    one = case("2026-03-02 09:00", None)
    source = Deadline(
        rule="source", kind=DeadlineKind.SOURCE, starts="source_deadline_at", due_at=china("2026-03-17 18:00")
    )
    given = one.model_copy(update={"source_deadline_at": source.due_at, "deadlines": (source,)})

    assert told(reminders(given, RULES, CALENDAR)) == [
        ("half", "03-10 08:30"),
        ("workday_before", "03-16 08:30"),
        ("same_day", "03-17 08:30"),
        ("overdue", "03-17 18:00"),
    ]


def test_what_fell_due_long_ago_is_no_news() -> None:
    found = reminders(case("2026-03-02 09:00", "2026-03-17"), RULES, CALENDAR)

    assert [one.stage for one in to_tell(found, [], china("2026-04-16 23:59"))] == [Stage.OVERDUE]
    assert to_tell(found, [], china("2026-04-17 00:00")) == []

"""What the page of a case shows of its clocks: which rule, from when, by which calendar, and what was reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from normalize.calendar import WorkCalendar
from normalize.case import Case, Deadline, DeadlineKind
from normalize.dates import CHINA

WEEKENDS = "weekends"


@dataclass(frozen=True)
class Clock:
    """A deadline, with what it was counted from and by."""

    deadline: Deadline
    started_at: datetime | None
    calendars: Sequence[tuple[int, str]]
    """By year: own, the office's file; built_in; weekends, its arrangement is not known."""


def clocks_of(case: Case, calendar: WorkCalendar) -> list[Clock]:
    return [_clock(one, case, calendar) for one in case.deadlines]


def _clock(one: Deadline, case: Case, calendar: WorkCalendar) -> Clock:
    if one.kind is DeadlineKind.SOURCE:  # its date is the source's, nobody counted
        return Clock(one, None, ())
    start = one.started_at or getattr(case, one.starts, None)  # what was counted long ago does not say itself
    if start is None or one.due_at is None:
        return Clock(one, start, ())
    years = range(start.astimezone(CHINA).year, one.due_at.astimezone(CHINA).year + 1)
    return Clock(one, start, [(year, calendar.source(year) or WEEKENDS) for year in years])

"""When to remind of a deadline: half its time, the working day before, the day itself, and when it has passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from normalize.calendar import WorkCalendar
from normalize.case import Case, Deadline
from normalize.dates import CHINA


class Stage(StrEnum):
    """In the order in which they come."""

    HALF = "half"
    WORKDAY_BEFORE = "workday_before"
    SAME_DAY = "same_day"
    OVERDUE = "overdue"


_ORDER = {stage: number for number, stage in enumerate(Stage)}
NEWS = timedelta(days=30)
"""What fell due longer ago, and was not told, is told no more: whoever takes in the matters of past years, or was away
for months, sees in the case itself what is over.
"""


def _time(value: object) -> object:
    """`08:30`, which YAML 1.1 readers take for the number 510."""
    try:
        return time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f'"{value}" is no time of day, expected one such as "08:10"') from error


TimeOfDay = Annotated[time, BeforeValidator(_time)]


class ReminderRules(BaseModel):
    """Section `rules.reminders`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: tuple[Stage, ...] = Field(
        default=(Stage.HALF, Stage.WORKDAY_BEFORE, Stage.SAME_DAY, Stage.OVERDUE),
        description="when the OA is told: half (of the time has passed), workday_before, same_day, overdue",
    )
    at: TimeOfDay = Field(default=time(8, 30), description="the time of day of all but overdue, written with quotes")


@dataclass(frozen=True)
class Reminder:
    """One moment at which to tell of a deadline."""

    rule: str
    stage: Stage
    at: datetime
    due_at: datetime

    @property
    def order(self) -> int:
        return _ORDER[self.stage]


def reminders(case: Case, rules: ReminderRules, calendar: WorkCalendar) -> list[Reminder]:
    """Every reminder of the case's running clocks, earliest first."""
    found = [
        Reminder(one.rule, stage, at, due)
        for one in case.deadlines
        if (due := one.due_at) is not None and one.ended_at is None
        for stage, at in _moments(one, due, case, rules, calendar)
        if stage in rules.stages and at <= due  # a limit in hours may end before a morning
    ]
    return sorted(found, key=lambda one: (one.at, one.rule, one.order))


def next_at(found: Iterable[Reminder], now: datetime) -> datetime | None:
    """When the next reminder falls due after now."""
    return min((one.at for one in found if one.at > now), default=None)


def to_tell(found: Iterable[Reminder], told: Iterable[tuple[str, Stage, datetime]], now: datetime) -> list[Reminder]:
    """Of each deadline the latest reminder that has fallen due, unless it or a later one of the same date was told:
    who was away hears where a matter stands, not all that was missed.
    """
    last: dict[tuple[str, datetime], Reminder] = {}
    for one in found:
        key = (one.rule, one.due_at)
        if now - NEWS < one.at <= now and (key not in last or one.order > last[key].order):
            last[key] = one
    known: dict[tuple[str, datetime], int] = {}
    for rule, stage, due in told:
        known[rule, due] = max(known.get((rule, due), -1), _ORDER[stage])
    return [one for key, one in last.items() if one.order > known.get(key, -1)]


def _moments(
    one: Deadline, due: datetime, case: Case, rules: ReminderRules, calendar: WorkCalendar
) -> Iterator[tuple[Stage, datetime]]:
    start = one.started_at or case.received_at
    last = due.astimezone(CHINA).date()
    middle = (start + (due - start) / 2).astimezone(CHINA).date()
    before = _workday_before(last, calendar)
    first = start.astimezone(CHINA).date()
    if first < middle < before:  # of a short limit half is no news
        yield Stage.HALF, _morning(middle, rules)
    if first < before:
        yield Stage.WORKDAY_BEFORE, _morning(before, rules)
    if first < last:
        yield Stage.SAME_DAY, _morning(last, rules)
    yield Stage.OVERDUE, due


def _morning(day: date, rules: ReminderRules) -> datetime:
    return datetime.combine(day, rules.at, CHINA)


def _workday_before(day: date, calendar: WorkCalendar) -> date:
    day -= timedelta(days=1)
    while not calendar.is_workday(day):
        day -= timedelta(days=1)
    return day

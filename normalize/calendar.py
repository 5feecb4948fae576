"""Working days in China: the State Council's arrangement as far as it is known, weekends beyond."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from importlib.metadata import version
from typing import Annotated, Literal

import chinese_calendar
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_DAY = timedelta(days=1)
_COUNTED = 1000


def _days(value: object) -> object:
    """Single days and ranges: 2027-02-05, "2027-02-05..2027-02-11"."""
    if not isinstance(value, (list, tuple)):
        # pydantic reports ValueError only
        raise ValueError(f"{value!r} is not a list of days such as [2027-01-01, 2027-02-05..2027-02-11]")  # noqa: TRY004
    days: list[date] = []
    for item in value:
        first, _, last = str(item).partition("..")
        day, end = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
        if end < day:
            raise ValueError(f"{item}: the range ends before it begins")
        while day <= end:
            days.append(day)
            day += _DAY
    return frozenset(days)


class YearDays(BaseModel):
    """One year's arrangement as the office writes it down; it replaces the built-in one of that year."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    holidays: Annotated[frozenset[date], BeforeValidator(_days)] = Field(
        default=frozenset(), description="days off beside the weekends (休), single or as a range a..b"
    )
    workdays: Annotated[frozenset[date], BeforeValidator(_days)] = Field(
        default=frozenset(), description="Saturdays and Sundays that are worked (班)"
    )


@dataclass(frozen=True)
class WorkCalendar:
    """Which days are worked. `years` stand above the built-in arrangement (chinesecalendar)."""

    years: Mapping[int, YearDays] = field(default_factory=dict)
    _counted: dict[tuple[date, int], date] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was counted before: most matters of a day have the same deadlines."""

    @classmethod
    def from_years(cls, years: Mapping[int, object]) -> WorkCalendar:
        """From the year files' content, {2027: {"holidays": […], "workdays": […]}}; raises ValueError saying where."""
        return cls({int(year): _year(int(year), content) for year, content in years.items()})

    @cached_property
    def mark(self) -> str:
        """The same for calendars that count alike; another one for any other."""
        own = [(year, sorted(days.holidays), sorted(days.workdays)) for year, days in sorted(self.years.items())]
        return hashlib.sha256(f"{version('chinesecalendar')} {own}".encode()).hexdigest()

    def knows(self, day: date) -> bool:
        """Whether the official arrangement of the day's year is known."""
        return self.source(day.year) is not None

    def source(self, year: int) -> Literal["own", "built_in"] | None:
        """Where the arrangement of a year is from; None: it is not known."""
        if year in self.years:
            return "own"
        return "built_in" if _built_in(date(year, 1, 1)) is not None else None

    def is_workday(self, day: date) -> bool:
        own = self.years.get(day.year)
        if own is not None:
            return day in own.workdays or (day.weekday() < 5 and day not in own.holidays)
        known = _built_in(day)
        return day.weekday() < 5 if known is None else known

    def next_workday(self, day: date) -> date:
        """The day itself where it is worked, else the next that is."""
        while not self.is_workday(day):
            day += _DAY
        return day

    def after_workdays(self, day: date, count: int) -> date:
        """The working day so many after `day`, which itself is not counted; 0: `day` or the next working day."""
        if (day, count) not in self._counted:
            if len(self._counted) >= _COUNTED:
                self._counted.clear()
            self._counted[day, count] = self._count(day, count)
        return self._counted[day, count]

    def _count(self, day: date, count: int) -> date:
        day = self.next_workday(day) if count == 0 else day
        while count:
            day = self.next_workday(day + _DAY)
            count -= 1
        return day


def _year(year: int, content: object) -> YearDays:
    days = YearDays.model_validate(content)
    for day in sorted(days.holidays | days.workdays):
        if day.year != year:
            raise ValueError(f"working-day calendar {year}: {day} does not lie in {year}")
    if both := days.holidays & days.workdays:
        raise ValueError(f"working-day calendar {year}: {min(both)} is listed both as holiday and as workday")
    return days


@lru_cache(maxsize=4096)
def _built_in(day: date) -> bool | None:
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:  # a year it does not know
        return None

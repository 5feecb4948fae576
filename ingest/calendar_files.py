"""Reads the editable year file: which days the State Council made free (休) and which weekend days are worked (班)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from ingest.config_errors import ConfigErrors, unknown_key
from ingest.config_yaml import At, Document, Plain, read
from normalize.calendar import WorkCalendar, YearDays

KEYS = ("holidays", "workdays")
_YEAR = re.compile(r"20\d\d")
_SPAN = re.compile(r"(\d{4}-\d\d-\d\d)(?:\s*\.\.\s*(\d{4}-\d\d-\d\d))?")
LONGEST = timedelta(days=31)
"""A longer holiday is a slip of the pen."""


def read_calendar(path: Path) -> WorkCalendar:
    """Read the file; a year it names stands in the place of the built-in arrangement of that year.

    Raises:
        ConfigErrors: with everything wrong in it, each with its line and column.
    """
    document = read(path)
    years = {year: _read_year(document, year) for year in document.data}
    if document.problems:
        raise ConfigErrors(document.problems)
    return WorkCalendar({int(year): days for year, days in years.items()})


def _read_year(document: Document, year: str) -> YearDays:
    block = document.data[year]
    if not _YEAR.fullmatch(year):
        _note(document, (year,), "is not a year, expected one such as 2027")
    elif not isinstance(block, dict):
        text = "is empty, expected holidays and workdays; leave out a year that is not announced yet"
        _note(document, (year,), text)
    else:
        for key in block:
            if key not in KEYS:
                _note(document, (year, key), unknown_key(key, KEYS), on_key=True)
        holidays, workdays = (_read_list(document, (year, key), block.get(key)) for key in KEYS)
        for day in sorted(holidays & workdays):
            _note(document, (year, "workdays"), f"{day} stands in both holidays and workdays")
        for day in sorted(workdays):
            if day.weekday() < 5:
                _note(document, (year, "workdays"), f"{day} is no Saturday or Sunday: it is worked anyway")
        return YearDays.model_construct(holidays=holidays, workdays=workdays)
    return YearDays()


def _read_list(document: Document, at: At, spans: Plain) -> frozenset[date]:
    if spans is None:
        return frozenset()
    if not isinstance(spans, list):
        _note(document, at, "expected a list of days, each on a line of its own after a dash")
        return frozenset()
    days: set[date] = set()
    for number, span in enumerate(spans):
        _read_span(document, (*at, number), span, int(str(at[0])), days)
    return frozenset(days)


def _read_span(document: Document, at: At, span: object, year: int, days: set[date]) -> None:
    try:
        first, last = _span(str(span))
    except ValueError:
        _note(document, at, f'"{span}" is not a date, expected 2027-01-01 or 2027-01-01 .. 2027-01-03')
        return
    if not timedelta(0) <= last - first <= LONGEST:
        _note(document, at, f'"{span}", expected a first day and a last day after it, a month apart at most')
    elif (first.year, last.year) != (year, year):
        _note(document, at, f'"{span}" is not in {year}; put days of another year under that year')
    else:
        days.update(_each(first, last))


def _span(text: str) -> tuple[date, date]:
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    return date.fromisoformat(found[1]), date.fromisoformat(found[2] or found[1])


def _each(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _note(document: Document, at: At, text: str, *, on_key: bool = False) -> None:
    document.problems.append(document.problem(at, text, on_key=on_key))

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ingest.calendar_files import read_calendar
from ingest.config_errors import ConfigErrors


def _write(folder: Path, text: str) -> Path:
    path = folder / "calendar.yaml"
    path.write_text(text, "utf-8")
    return path


def test_days_and_spans_become_a_calendar(tmp_path: Path) -> None:
    text = "2031:\n  holidays: [2031-01-01, 2031-02-03 .. 2031-02-05]\n  workdays:\n    - 2031-02-08 # 调休\n"

    calendar = read_calendar(_write(tmp_path, text))

    off = [day for day in range(1, 10) if not calendar.is_workday(date(2031, 2, day))]
    assert off == [1, 2, 3, 4, 5, 9]
    assert not calendar.is_workday(date(2031, 1, 1))
    assert calendar.knows(date(2031, 6, 1))
    assert not calendar.knows(date(2032, 6, 1))


def test_an_empty_file_leaves_the_built_in_years(tmp_path: Path) -> None:
    assert read_calendar(_write(tmp_path, "# nothing yet\n")).years == {}


def test_a_year_without_make_up_days_needs_no_list(tmp_path: Path) -> None:
    calendar = read_calendar(_write(tmp_path, "2031:\n  holidays: [2031-01-01]\n  workdays:\n"))

    assert calendar.years[2031].workdays == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2031:\n  holydays: []\n", '2:3: 2031.holydays: unknown key, did you mean "holidays"?'),
        ("next: {}\n", "1:1: next: is not a year, expected one such as 2027"),
        (
            "2031:\n",
            "1:1: 2031: is empty, expected holidays and workdays; leave out a year that is not announced yet",
        ),
        (
            "2031:\n  holidays: 2031-01-01\n",
            "2:13: 2031.holidays: expected a list of days, each on a line of its own after a dash",
        ),
        (
            "2031:\n  holidays:\n    - 2031-02-30\n",
            '3:7: 2031.holidays.0: "2031-02-30" is not a date, expected 2027-01-01 or 2027-01-01 .. 2027-01-03',
        ),
        (
            "2031:\n  holidays:\n    - 2031-02-05 .. 2031-02-01\n",
            '3:7: 2031.holidays.0: "2031-02-05 .. 2031-02-01",'
            " expected a first day and a last day after it, a month apart at most",
        ),
        (
            "2031:\n  holidays:\n    - 2030-12-31 .. 2031-01-01\n",
            '3:7: 2031.holidays.0: "2030-12-31 .. 2031-01-01" is not in 2031; put days of another year under that year',
        ),
        (
            "2031:\n  holidays: [2031-02-08]\n  workdays: [2031-02-08]\n",
            "3:3: 2031.workdays: 2031-02-08 stands in both holidays and workdays",
        ),
        (
            "2031:\n  workdays: [2031-02-07]\n",
            "2:3: 2031.workdays: 2031-02-07 is no Saturday or Sunday: it is worked anyway",
        ),
    ],
)
def test_a_slip_of_the_pen_is_said_where_it_stands(tmp_path: Path, text: str, expected: str) -> None:
    path = _write(tmp_path, text)

    with pytest.raises(ConfigErrors) as caught:
        read_calendar(path)

    assert str(caught.value) == f"{path}:{expected}"

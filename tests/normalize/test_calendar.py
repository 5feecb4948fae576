from datetime import date

import pytest
from pydantic import ValidationError

from normalize.calendar import WorkCalendar

BUILT_IN = WorkCalendar()


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-03-02", True),  # a Monday
        ("2026-03-07", False),  # a Saturday
        ("2026-02-14", True),  # a Saturday worked for the Spring Festival
        ("2026-02-16", False),  # a Monday within the Spring Festival
        ("2026-10-01", False),
    ],
)
def test_the_state_councils_arrangement_is_known(day: str, works: bool) -> None:
    assert BUILT_IN.knows(date.fromisoformat(day))
    assert BUILT_IN.is_workday(date.fromisoformat(day)) is works


def test_beyond_the_horizon_weekends_count_and_it_is_known_that_nothing_is_known() -> None:
    assert not BUILT_IN.knows(date(2044, 1, 1))
    assert BUILT_IN.is_workday(date(2044, 1, 1))  # a Friday, New Year
    assert not BUILT_IN.is_workday(date(2044, 1, 2))


def test_a_year_file_stands_above_the_built_in() -> None:
    calendar = WorkCalendar.from_years(
        {2044: {"holidays": ["2044-01-01", "2044-01-30..2044-02-05"], "workdays": ["2044-01-23"]}}
    )

    assert calendar.knows(date(2044, 6, 1))
    assert not calendar.is_workday(date(2044, 1, 1))
    assert not calendar.is_workday(date(2044, 2, 5))
    assert calendar.is_workday(date(2044, 1, 23))  # a Saturday


def test_days_may_come_as_dates() -> None:
    assert not WorkCalendar.from_years({2044: {"holidays": [date(2044, 1, 1)]}}).is_workday(date(2044, 1, 1))


def test_working_days_pass_over_the_spring_festival_and_count_the_made_up_saturday() -> None:
    # 2026: off from 15 to 23 February; Saturday 14 and Saturday 28 are worked.
    assert BUILT_IN.after_workdays(date(2026, 2, 13), 1) == date(2026, 2, 14)
    assert BUILT_IN.after_workdays(date(2026, 2, 13), 2) == date(2026, 2, 24)
    assert BUILT_IN.after_workdays(date(2026, 2, 27), 1) == date(2026, 2, 28)


def test_no_days_after_is_the_day_itself_or_the_next_worked() -> None:
    assert BUILT_IN.after_workdays(date(2026, 3, 2), 0) == date(2026, 3, 2)
    assert BUILT_IN.after_workdays(date(2026, 3, 7), 0) == date(2026, 3, 9)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"holidays": ["2045-01-01"]}, "does not lie in 2044"),
        ({"holidays": ["2044-01-02"], "workdays": ["2044-01-02"]}, "both"),
        ({"holidays": ["2044-01-05..2044-01-02"]}, "ends before it begins"),
        ({"holidays": "2044-01-05"}, "not a list of days"),
        ({"holidays": ["5.1."]}, "isoformat"),
        ({"holyday": []}, "holyday"),
    ],
)
def test_a_wrong_year_file_is_refused_saying_what(content: object, said: str) -> None:
    with pytest.raises((ValueError, ValidationError), match=said):
        WorkCalendar.from_years({2044: content})


def test_calendars_that_count_alike_have_one_mark() -> None:
    year = {2031: {"holidays": ["2031-01-01..2031-01-03"], "workdays": ["2031-01-05"]}}
    same = {2031: {"holidays": ["2031-01-03", "2031-01-01", "2031-01-02"], "workdays": ["2031-01-05"]}}
    other = {2031: {"holidays": ["2031-01-01"], "workdays": ["2031-01-05"]}}

    assert WorkCalendar.from_years(year).mark == WorkCalendar.from_years(same).mark
    assert len({WorkCalendar.from_years(one).mark for one in ({}, year, other)}) == 3


def test_a_year_is_known_from_the_office_or_built_in_or_not() -> None:
    calendar = WorkCalendar.from_years({2031: {"holidays": ["2031-01-01"]}})

    assert [calendar.source(year) for year in (2031, 2026, 2032)] == ["own", "built_in", None]

"""When to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.retry import LONGEST_RETRY_AFTER, RetrySettings, delay, parse_retry_after

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
SETTINGS = RetrySettings()


def test_each_wait_is_twice_the_last_up_to_the_longest() -> None:
    waits = [delay(attempt, 0.0, SETTINGS).total_seconds() for attempt in range(1, 13)]

    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_wait_never_leaves_its_bounds(attempt: int, chance: float) -> None:
    assert SETTINGS.first <= delay(attempt, chance, SETTINGS) <= SETTINGS.longest * (1 + SETTINGS.jitter)


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("0", timedelta(0)),
        (" 120 ", timedelta(minutes=2)),
        ("99999999999999999999", LONGEST_RETRY_AFTER),
        pytest.param("9" * 5000, LONGEST_RETRY_AFTER, id="more digits than Python takes for a number"),
        pytest.param("0" * 5000 + "9", timedelta(seconds=9), id="nearly all of them zeros"),
        ("Mon, 02 Mar 2026 01:30:30 GMT", timedelta(seconds=30)),
        ("Mon, 02 Mar 2026 01:00:00 GMT", timedelta(0)),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 02 Mar 2036 01:00:00 GMT", LONGEST_RETRY_AFTER),
    ],
)
def test_retry_after_in_either_form(written: str | None, wait: timedelta | None) -> None:
    assert parse_retry_after(written, NOW) == wait


@given(st.text(), st.from_regex(r"Mon, \d{1,30} Mar \d{1,30} \d+:\d+:\d+ ([+-]\d+|GMT)", fullmatch=True))
def test_no_retry_after_is_anything_but_a_wait_or_nothing(text: str, date: str) -> None:
    for written in (text, date):
        wait = parse_retry_after(written, NOW)
        assert wait is None or timedelta(0) <= wait <= LONGEST_RETRY_AFTER

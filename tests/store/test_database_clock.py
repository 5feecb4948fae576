"""The database's time is told without asking, whatever this machine's clock is set to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from store.database_clock import FRESH, DatabaseClock

SAID = datetime(2026, 3, 2, 17, 0, tzinfo=timezone(timedelta(hours=8)))


class Ticks:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.passed = 1000.0

    def __call__(self) -> float:
        return self.passed


def asked(ticks: Ticks, *, slow: float = 0.0) -> DatabaseClock:
    clock = DatabaseClock(ticks)

    def look() -> datetime:
        ticks.passed += slow
        return SAID

    clock.ask(look)
    return clock


def test_it_counts_on_from_what_the_database_said() -> None:
    ticks = Ticks()
    clock = asked(ticks)
    ticks.passed += 3.5

    assert clock.now() == SAID + timedelta(seconds=3.5)
    assert clock.now().tzinfo is UTC


def test_an_answer_that_took_long_is_taken_for_that_of_half_way() -> None:
    assert asked(Ticks(), slow=2).now() == SAID + timedelta(seconds=1)


def test_it_is_asked_again_after_a_while() -> None:
    ticks = Ticks()
    clock = asked(ticks)

    assert not clock.stale
    ticks.passed += FRESH + 1
    assert clock.stale


def test_unasked_it_tells_no_time() -> None:
    clock = DatabaseClock()

    assert clock.stale
    with pytest.raises(LookupError, match="has not been asked"):
        clock.now()

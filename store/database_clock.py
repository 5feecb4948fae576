"""The database's time, read without asking it each time, and deaf to jumps of this machine's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

FRESH = 10.0
"""Seconds after which the database is asked again."""


def uninterrupted() -> float:
    """Seconds that nobody sets, and that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class DatabaseClock:
    """What the database last said, and how long ago: shared by the threads of a process."""

    def __init__(self, ticks: Callable[[], float] = uninterrupted) -> None:
        self._ticks = ticks
        self._said: tuple[datetime, float] | None = None

    @property
    def stale(self) -> bool:
        return self._said is None or self._ticks() - self._said[1] > FRESH

    def ask(self, look: Callable[[], datetime]) -> None:
        """Have the database say the time; it is taken for that of half-way between asking and hearing."""
        asked = self._ticks()
        said = look()
        self._said = (said.astimezone(UTC), (asked + self._ticks()) / 2)

    def now(self) -> datetime:
        """The time on the database server. Raises LookupError before it was asked."""
        if self._said is None:
            raise LookupError("the database has not been asked for the time yet")
        said, at = self._said
        return said + timedelta(seconds=self._ticks() - at)

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sandbox.chinatime import CHINA


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 2, 9, 0, tzinfo=CHINA)

    def __call__(self) -> datetime:
        return self.moment

    def pass_(self, time: timedelta) -> datetime:
        self.moment += time
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()

"""Mails over which the server breaks off: asked for alone, then seldom, so that they hold back no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

_TIMES = 3
"""Once among others and twice alone: it is this mail."""
_REST = timedelta(hours=1)


class Breaks:
    """Known for the life of the process only: after a start it is found out again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._broke: dict[int, tuple[int, float]] = {}

    def note(self, uids: Iterable[int]) -> None:
        """The connection broke while these were asked for."""
        for uid in uids:
            self._broke[uid] = (self._broke.get(uid, (0, 0.0))[0] + 1, self._clock())

    def forget(self, uids: Iterable[int]) -> None:
        """The server has answered for these."""
        for uid in uids:
            self._broke.pop(uid, None)

    def alone(self, uid: int) -> bool:
        """It is to be asked for by itself."""
        return uid in self._broke

    def rests(self, uid: int) -> bool:
        """It is not to be asked for now."""
        times, last = self._broke.get(uid, (0, 0.0))
        return times >= _TIMES and self._clock() - last < _REST.total_seconds()

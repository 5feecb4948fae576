"""Whether a clock may be trusted with what cannot be undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from store.database_clock import uninterrupted

STEADY_FOR = timedelta(days=3)
"""So long nobody has set a clock that is trusted: who sees a wrong one has had time to set it right."""
SET = timedelta(hours=1)


@dataclass
class SteadyClock:
    """Notices that the clock is set, if it is looked at every now and then."""

    clock: Callable[[], datetime]
    ticks: Callable[[], float] = uninterrupted
    _offset: float = field(init=False)
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._begin()

    def is_steady(self) -> bool:
        """Whether it has gone on evenly for `STEADY_FOR` that we saw."""
        if abs(self._measured() - self._offset) >= SET.total_seconds():
            self._begin()
        return self.ticks() - self._since >= STEADY_FOR.total_seconds()

    def _begin(self) -> None:
        self._offset, self._since = self._measured(), self.ticks()

    def _measured(self) -> float:
        return self.clock().timestamp() - self.ticks()

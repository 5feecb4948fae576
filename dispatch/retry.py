"""When to try again: a pure function of the attempt, and of what the receiver asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from pydantic import BaseModel, ConfigDict, Field

LONGEST_RETRY_AFTER = timedelta(hours=6)
"""A receiver may ask for patience, not for oblivion."""


class RetrySettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    first: timedelta = Field(default=timedelta(seconds=5), gt=timedelta(0), description="wait after the first failure")
    factor: float = Field(default=2.0, ge=1, le=10, description="each further wait is this much longer")
    longest: timedelta = Field(
        default=timedelta(hours=1), gt=timedelta(0), description="no wait is longer than this, jitter aside"
    )
    jitter: float = Field(
        default=0.2, ge=0, le=1, description="up to this share is added, so that not all come at once"
    )
    attempts: int = Field(
        default=30,
        ge=1,
        description="after so many failures while the target takes other events, one is laid aside for a person",
    )


@dataclass(frozen=True)
class Stopwatch:
    """The time as it passes while a receiver is asked; `started` by the clock that leases run by."""

    started: datetime
    _ticks: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> datetime:
        return self.started + timedelta(seconds=time.monotonic() - self._ticks)


def delay(attempt: int, chance: float, settings: RetrySettings) -> timedelta:
    """How long to wait after failed attempt number `attempt` (from 1); `chance` in [0, 1) spreads the waits."""
    steps = min(attempt - 1, 64)  # beyond, any growth has long reached the cap
    wait = timedelta(
        seconds=min(settings.first.total_seconds() * settings.factor**steps, settings.longest.total_seconds())
    )
    return wait * (1 + settings.jitter * chance)


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The Retry-After header in either form (RFC 9110 §10.2.3), capped; None when absent or meaningless."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text.lstrip("0")[:9] or 0)), LONGEST_RETRY_AFTER)  # the first ones are enough
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):  # a zone or a day beyond all bounds
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(aware - now, timedelta(0)), LONGEST_RETRY_AFTER)

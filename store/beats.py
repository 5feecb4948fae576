"""When what is done now and then is done: all at the same moments, as waking a machine that sleeps costs more than the
little there is to do.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

_BEGAN = time.monotonic()
_EARLY = 0.05
"""Who has ended its work by so much of a beat before the next one leaves that one out."""


def left(every: timedelta) -> timedelta:
    """How long until the next beat of `every`: beats are counted from this process's beginning."""
    period = every.total_seconds()
    if period <= 0:
        return timedelta(0)
    rest_of_it = period - (time.monotonic() - _BEGAN) % period
    return timedelta(seconds=rest_of_it + period if rest_of_it < _EARLY * period else rest_of_it)


async def beat(stopping: asyncio.Event, every: timedelta) -> None:
    """Return at the next beat of `every`, or when `stopping` is set."""
    await rest(stopping, left(every))


async def rest(stopping: asyncio.Event, longest: timedelta) -> None:
    """Return after `longest`, or when `stopping` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(longest.total_seconds()):
            await stopping.wait()

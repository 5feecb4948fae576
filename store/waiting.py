"""Who waits for an act, in a thread or on an event loop, and how the writing thread tells them what became of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Waiter = asyncio.Future[Any] | concurrent.futures.Future[Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one act: its result, or why it was not written."""

    result: Any = None
    failure: BaseException | None = None


def still_waits(waiter: Waiter) -> bool:
    """Whether the act is to be begun. A thread cannot leave from here on; a task can, and will not be told."""
    if isinstance(waiter, concurrent.futures.Future):
        return waiter.set_running_or_notify_cancel()
    return not waiter.cancelled()


def tell(waiters: Sequence[Waiter], outcomes: Sequence[Outcome]) -> None:
    """Tell each its own; a loop is woken once for all of its tasks, as waking it costs more than an insert."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = defaultdict(list)
    for waiter, outcome in zip(waiters, outcomes, strict=True):
        if isinstance(waiter, concurrent.futures.Future):
            if not waiter.done():
                _resolve(waiter, outcome)
        else:
            by_loop[waiter.get_loop()].append((waiter, outcome))
    for loop, told in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve_tasks, told)


def _resolve_tasks(told: list[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for waiter, outcome in told:
        if not waiter.done():
            _resolve(waiter, outcome)


def _resolve(waiter: Waiter, outcome: Outcome) -> None:
    if outcome.failure is None:
        waiter.set_result(outcome.result)
    elif isinstance(outcome.failure, StopIteration):  # a future cannot carry it
        error = RuntimeError("an act raised StopIteration")
        error.__cause__ = outcome.failure
        waiter.set_exception(error)
    else:
        waiter.set_exception(outcome.failure)

"""Work at a depot in threads of its own: a share that hangs keeps those, and none that others wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from errno import ETIMEDOUT
from typing import TypeVar

T = TypeVar("T")
AT_ONCE = 6
PATIENCE = timedelta(seconds=30)
"""A depot that has not told by then what it is asked in passing hangs."""


class DepotThreads:
    """While the depot hangs, whoever waits for it is told so, and whoever comes: both come again."""

    def __init__(self) -> None:
        self._working = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="depot")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="depot-asked")
        self._asked: Future[object] | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._hangs = False

    async def run(self, act: Callable[[], T], place: str) -> T:
        """What the act returns or raises, whenever that is. Raises OSError: by what `ask` has found the depot hangs."""
        if self._hangs:
            raise _hanging(place)
        under_way = asyncio.wrap_future(self._working.submit(act))
        given_up = asyncio.get_running_loop().create_future()
        self._waiting.add(given_up)
        try:
            await asyncio.wait((under_way, given_up), return_when=asyncio.FIRST_COMPLETED)
            if not under_way.done():
                raise _hanging(place)
            return under_way.result()
        finally:
            self._waiting.discard(given_up)
            under_way.cancel()

    async def ask(self, act: Callable[[], object], place: str) -> None:
        """Do something small to see whether the depot answers. Raises OSError: it does not, or what the act raises."""
        asked = self._asked = self._asked or self._asking.submit(act)
        waited_for = asyncio.wrap_future(asked)
        waited_for.add_done_callback(lambda one: one.cancelled() or one.exception())  # `asked` tells it
        await asyncio.wait((waited_for,), timeout=PATIENCE.total_seconds())
        self._hangs = not asked.done()
        if self._hangs:
            for one in self._waiting:
                if not one.done():
                    one.set_result(None)
            raise _hanging(place)
        self._asked = None
        asked.result()

    def close(self) -> None:
        """A thread that a share holds is left to it."""
        for threads in (self._working, self._asking):
            threads.shutdown(wait=False, cancel_futures=True)


def _hanging(place: str) -> OSError:
    return OSError(ETIMEDOUT, f"it has not answered for {PATIENCE.total_seconds():.0f} seconds", place)

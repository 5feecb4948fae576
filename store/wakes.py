"""Wake-ups between the stages of one process: hints that a lane has work, safe to lose."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection

ANYTHING = "anything"
"""Rung when this process has changed something."""
_RUNG = "rung lanes"
NAP_FIRST, NAP_LONGEST = timedelta(milliseconds=200), timedelta(seconds=1)
NAP_SHORTEST = timedelta(milliseconds=20)
"""What is due and in another process's hands at the moment is not looked for in a circle."""


def note(conn: Connection, lane: str) -> None:
    """Remember, until the transaction commits, that this lane has a row to claim."""
    conn.info.setdefault(_RUNG, set()).add(lane)


def noted(conn: Connection) -> set[str]:
    """What was noted since the last call."""
    lanes: set[str] = conn.info.pop(_RUNG, set())
    return lanes


class Wakes:
    """One event a lane. Rung from the writing thread after a commit, awaited by the workers of the lane."""

    def __init__(self, *, polling: bool = False) -> None:
        """Polling, nobody sleeps longer than a second: other processes add rows without ringing here."""
        self._naps: dict[str, timedelta] | None = {} if polling else None
        self._events: dict[str, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._over = False
        self._early: set[str] = set()
        self._beginning = threading.Lock()

    def ring(self, lanes: Iterable[str]) -> None:
        """Wake whoever waits for these lanes, or will; from any thread."""
        rung = set(lanes)
        if not rung:
            return
        with self._beginning:
            loop = self._loop
            if loop is None or loop.is_closed():
                self._early |= rung
                return
        if threading.get_ident() == self._thread:
            self._set(rung)
        else:
            loop.call_soon_threadsafe(self._set, rung)

    def ring_all(self) -> None:
        """Wake everybody, and let nobody sleep again: it is time to stop. From the loop's own thread."""
        self._over = True
        self._set(set(self._events))

    def ring_waiting(self) -> None:
        """Have everybody who waits look around once. From the loop's own thread."""
        self._set(set(self._events))

    async def wait(self, lane: str, longest: timedelta) -> None:
        """Return when the lane is rung, or after `longest`."""
        if self._over:
            return
        with self._beginning:
            self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
            early, self._early = self._early, set()
        self._set(early)
        event = self._events.setdefault(lane, asyncio.Event())
        try:
            async with asyncio.timeout(max(self._nap(lane, longest).total_seconds(), 0)):
                await event.wait()
        except TimeoutError:
            return
        event.clear()
        if self._naps is not None:
            self._naps.pop(lane, None)

    def _nap(self, lane: str, longest: timedelta) -> timedelta:
        """While nothing rings, a lane is looked at less and less often."""
        if self._naps is None:
            return longest
        nap = self._naps.get(lane, NAP_FIRST)
        self._naps[lane] = min(nap * 2, NAP_LONGEST)
        return max(min(nap, longest), NAP_SHORTEST)

    def _set(self, lanes: set[str]) -> None:
        for lane in lanes:
            self._events.setdefault(lane, asyncio.Event()).set()

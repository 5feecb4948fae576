"""Sees that this machine's clock was set, and takes back what was planned by the wrong time.

A machine that believes its clock shows local time starts eight hours ahead in China, until NTP puts that right: doors
would be asked, and steps be due, eight hours later, and nobody would be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy import Connection

from dispatch import targets
from ingest import channels
from ingest.alarms import watch
from store import ledger
from store.engine import Store

log = structlog.get_logger()
SET = timedelta(seconds=30)
"""What a clock that is only steered does not come to between two looks."""


def _now() -> datetime:
    return datetime.now(UTC)


def offset() -> float:
    """Seconds by which the clock is before what nobody sets."""
    return time.time() - time.monotonic()


@dataclass
class ClockWatch:
    """Look every minute or so."""

    store: Store
    scheduler: BaseScheduler
    clock: Callable[[], datetime] = _now
    ticks: Callable[[], float] = time.monotonic
    _offset: float = field(init=False)

    def __post_init__(self) -> None:
        self._offset = self._measured()

    async def look(self) -> None:
        """Once the clock was set: every door is visited now, and scheduled from now on; where the ledger goes by this
        clock, what is due later is so by the new time, and what was noted later was so much earlier. Where it was set
        forward, all leases run out. Doors first seen by a clock that was ahead are read from when they really were;
        of one that was far behind the pollers take care themselves, before they read.
        """
        offset = self._measured()
        by = timedelta(seconds=offset - self._offset)
        if abs(by) < SET:
            self._offset = offset
            return
        log.warning("clock was set, or the machine slept; doors are visited now", by=str(by))
        now = self.clock()
        for job in self.scheduler.get_jobs():
            job.modify(next_run_time=now)
        if by < timedelta(0):
            exclusive = self.store.exclusive
            await self.store.write(lambda conn: _set_back(conn, -by, now, exclusive=exclusive))
        self._offset = offset  # only now: what could not be written is tried again
        self.store.wakes.ring_waiting()

    def _measured(self) -> float:
        return self.clock().timestamp() - self.ticks()


def _set_back(conn: Connection, by: timedelta, now: datetime, *, exclusive: bool) -> None:
    channels.set_back(conn, by, now)
    if exclusive:
        channels.pull_back_times(conn, by, now)
        watch.set_back(conn, by, now)
        ledger.set_back(conn, by, now)
        targets.set_back(conn, by, now)

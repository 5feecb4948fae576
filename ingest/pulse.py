"""Feels the daemon's pulse: the readiness of doors, targets and database, as soon as it changes.

It reads a handful of rows, however many cases there are; what must be counted is counted when Prometheus asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ingest import listings
from ingest.health import Health, Readiness
from ingest.metrics import Metrics
from store.beats import left, rest
from store.engine import Store, StoreUnreachable
from store.failure import place_of
from store.wakes import ANYTHING

log = structlog.get_logger()
BEAT = timedelta(seconds=5)
"""Where other processes write, too."""
LONGEST = timedelta(minutes=1)
"""While nothing is written, nothing changes but that a door may have been silent for too long."""
TOGETHER = timedelta(milliseconds=500)
"""What is written within so long is looked at once."""
QUICK, AT_FIRST = timedelta(milliseconds=250), 40
"""Between the first beats, until doors and targets are ready: whoever waits for that need not wait for us."""


@dataclass
class Pulse:
    """The last look at the daemon's state."""

    store: Store
    metrics: Metrics
    clock: Callable[[], datetime]
    channels: Iterable[str]
    targets: Iterable[str]
    answer_due: Mapping[str, Callable[[datetime], datetime]] = field(default_factory=dict)
    """By when a door that answered at some time must have answered again, or it hangs."""
    health: Health = field(default_factory=Health)

    def watch(
        self,
        channels: Iterable[str],
        targets: Iterable[str],
        answer_due: Mapping[str, Callable[[datetime], datetime]],
    ) -> None:
        """From now on look at these; of the others nothing is told any more."""
        self.metrics.forget(set(self.channels) - set(channels), set(self.targets) - set(targets))
        self.channels, self.targets, self.answer_due = channels, targets, answer_due
        self.store.wakes.ring([ANYTHING])

    def answer_by(self, name: str, last: datetime) -> datetime | None:
        """By when a door that answered last at `last` must have answered again; None: we know no such door."""
        due = self.answer_due.get(name)
        return None if due is None else due(last)

    async def run(self, stopping: asyncio.Event) -> None:
        looks = 0
        while not stopping.is_set():
            try:
                await self.look()
                seen = True
            except StoreUnreachable:  # which the store has said
                self._blind()
                seen = False
            except Exception as error:  # noqa: BLE001 - an outer loop: a failed look must not end the daemon
                log.error("pulse failed", error=place_of(error))
                self._blind()
                seen = False
            looks += 1
            if looks < AT_FIRST and not self.health.ready:
                await rest(stopping, QUICK)
                continue
            if self.store.exclusive and seen and not stopping.is_set():
                await self.store.wakes.wait(ANYTHING, left(LONGEST))
                await rest(stopping, TOGETHER)
            else:
                await rest(stopping, BEAT)

    async def look(self) -> None:
        """Read the state once."""
        doors, targets = await self.store.read(lambda conn: (listings.doors(conn), listings.target_states(conn)))
        seen_doors = {one.name: _readiness(self._state(one)) for one in doors}
        seen_targets = {name: _readiness(state) for name, state in targets.items()}
        self.health = Health(
            {name: seen_doors.get(name, _readiness("new")) for name in self.channels},
            {name: seen_targets.get(name, _readiness("open")) for name in self.targets},
            _readiness("open" if self.store.writable else "unavailable"),
        )
        self._gauge()

    def _blind(self) -> None:
        """Nothing can be seen: the database cannot be read."""
        out = _readiness("database does not answer")
        self.health = Health(
            dict.fromkeys(self.channels, out), dict.fromkeys(self.targets, out), _readiness("unavailable")
        )
        self.metrics.database_open.set(0)

    def _state(self, door: listings.Door) -> str:
        seen = max(filter(None, (door.last_success_at, door.last_new_at)), default=None)
        due = None if seen is None else self.answer_by(door.name, seen)
        if door.state != "open" or due is None:
            return door.state
        return "open" if self.clock() <= due else "silent"

    def _gauge(self) -> None:
        self.metrics.database_open.set(self.health.database.ready)
        for name, door in self.health.doors.items():
            self.metrics.channel_open.labels(name).set(door.ready)
        for name, target in self.health.targets.items():
            self.metrics.target_open.labels(name).set(target.ready)


def _readiness(state: str) -> Readiness:
    return Readiness(state == "open", "not polled yet" if state == "new" else state)

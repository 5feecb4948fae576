"""Feels the daemon's pulse every few seconds: gauges for Prometheus, readiness of doors and targets, strays swept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete

from ingest import listings
from ingest.console.settings import Health, Readiness
from ingest.metrics import Metrics
from store import ledger
from store.engine import Store, StoreUnreachable
from store.failure import place_of
from store.schema import session

log = structlog.get_logger()
BEAT = timedelta(seconds=5)
SWEEP = 12
"""Every so many beats."""


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

    async def run(self, stopping: asyncio.Event) -> None:
        beat = 0
        while not stopping.is_set():
            try:
                await self.look()
                if beat % SWEEP == 0:
                    async with asyncio.timeout(4 * BEAT.total_seconds()):  # writing waits for a database that is gone
                        await self.sweep()
            except StoreUnreachable:  # which the store has said
                self.health = self._all("database does not answer")
            except Exception as error:  # noqa: BLE001 - an outer loop: a failed look must not end the daemon
                log.error("pulse failed", error=place_of(error))
            beat += 1
            try:
                async with asyncio.timeout(BEAT.total_seconds()):
                    await stopping.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Read the state once."""
        doors, targets, stages = await self.store.read(
            lambda conn: (listings.doors(conn), listings.targets(conn), listings.stages(conn))
        )
        seen_doors = {one.name: _readiness(self._state(one)) for one in doors}
        seen_targets = {one.name: _readiness(one.state) for one in targets}
        self.health = Health(
            {name: seen_doors.get(name, _readiness("new")) for name in self.channels},
            {name: seen_targets.get(name, _readiness("open")) for name in self.targets},
        )
        self._gauge(stages)

    def _all(self, state: str) -> Health:
        return Health(
            dict.fromkeys(self.channels, _readiness(state)),
            dict.fromkeys(self.targets, _readiness(state)),
        )

    def _state(self, door: listings.Door) -> str:
        seen = max(filter(None, (door.last_success_at, door.last_new_at)), default=None)
        due = self.answer_due.get(door.name)
        if door.state != "open" or seen is None or due is None:
            return door.state
        return "open" if self.clock() <= due(seen) else "silent"

    async def sweep(self) -> None:
        """Open blocked steps whose predecessor is gone; forget sessions that ran out."""
        now = self.clock()
        strays = await self.store.write(lambda conn: ledger.open_strays(conn, now=now))
        if strays:
            log.warning("strays opened", count=strays)
        await self.store.write(lambda conn: conn.execute(delete(session).where(session.c.expires_at < now)).rowcount)

    def _gauge(self, stages: listings.Stages) -> None:
        self.metrics.steps.clear()
        for lane, states in stages.ledger.items():
            for state, count in states.items():
                self.metrics.steps.labels(lane, state).set(count)
        self.metrics.quarantine.set(stages.raws.get("quarantined", 0))
        for name, door in self.health.doors.items():
            self.metrics.channel_open.labels(name).set(door.ready)
        for name, target in self.health.targets.items():
            self.metrics.target_open.labels(name).set(target.ready)


def _readiness(state: str) -> Readiness:
    return Readiness(state == "open", "not polled yet" if state == "new" else state)

"""Asks, now and then, whether large originals can be kept and had: a share may go, a bucket may be shut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ingest.alarms.conditions import DepotSeen
from ingest.health import Readiness
from ingest.metrics import Metrics
from store.beats import beat
from store.blob_claim import CLAIM
from store.blobs import Blobs

log = structlog.get_logger()
EVERY = timedelta(minutes=1)


@dataclass
class DepotWatch:
    """What was last seen of the depot."""

    blobs: Blobs
    metrics: Metrics
    clock: Callable[[], datetime]
    state: Readiness = field(default=Readiness(ready=True, state="open"))
    trouble: DepotSeen | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self.look()
            await beat(stopping, EVERY)

    async def look(self) -> None:
        """Ask once; trouble is said when it begins and when it is over."""
        said, place = await said_of(self.blobs), self.blobs.depot.place
        if said is not None and self.state.ready:
            log.warning("large originals cannot be kept; work waits", place=place, reason=said)
        if said is None and not self.state.ready:
            log.info("large originals can be kept again", place=place)
        now = self.clock()
        since = min(self.trouble.since, now) if self.trouble else now  # the clock may have been set back
        self.trouble = None if said is None else DepotSeen(place, since, said)
        self.state = Readiness(said is None, "open" if said is None else "unavailable")
        self.metrics.blobs_open.set(self.state.ready)


async def said_of(blobs: Blobs) -> str | None:
    """What is wrong with their depot, in words for an operator; None: nothing."""
    try:
        await blobs.ask(CLAIM)
    except OSError as error:
        return error.strerror or str(error)
    return None

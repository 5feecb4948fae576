"""What is done again and again while the daemon runs, and needs no place in line: a look, a sweep, a renewal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from store.beats import beat
from store.engine import StoreUnreachable
from store.failure import place_of

log = structlog.get_logger()


@dataclass(frozen=True)
class Chore:
    """Something to do at once and then every so often; a failure is said, and it is tried again the next time."""

    what: str
    every: timedelta
    act: Callable[[], Awaitable[object]]

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self.act()
            except Exception as error:  # noqa: BLE001 - an outer loop: a chore that fails must not end the daemon
                if not isinstance(error, StoreUnreachable):  # which the store has said
                    log.error("chore failed", what=self.what, error=place_of(error))
            await beat(stopping, self.every)

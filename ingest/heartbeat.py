"""The daemon's sign of life for whoever watches it: given only while the event loop runs and the store works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import text

from store.beats import rest
from store.engine import Store, StoreUnreachable
from store.failure import place_of

log = structlog.get_logger()


@dataclass(frozen=True)
class Heartbeat:
    """Beats six times within `patience`; a store that takes half of it for nothing at all does not work.

    A database beyond this machine that does not answer is not our failing: a new process could do no better.
    """

    store: Store
    patience: timedelta
    beat: Callable[[], None]

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            if await self._works():
                self.beat()
            await rest(stopping, self.patience / 6)

    async def _works(self) -> bool:
        """Whether the store wrote and read, or knows that its database is gone."""
        try:
            async with asyncio.timeout((self.patience / 2).total_seconds()):
                await self._write_and_read()
        except StoreUnreachable:
            return True
        except Exception as error:  # noqa: BLE001 - an outer loop: what keeps failing lets the watchdog end us
            log.error("store does not work; no sign of life is given", error=place_of(error))
            return False
        return True

    async def _write_and_read(self) -> None:
        """Raises StoreUnreachable: it is known to be gone. TimeoutError by the caller's limit: nobody knows why."""
        writing = asyncio.ensure_future(self.store.write(lambda conn: conn.execute(text("SELECT 1"))))
        try:
            await asyncio.gather(writing, self.store.read(lambda conn: conn.execute(text("SELECT 1"))))
        finally:
            writing.cancel()  # it waits as long as a database is gone

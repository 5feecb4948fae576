"""Of several processes one keeps a channel's door: a lease on the channel's row, and a fence in every transaction.

Embedded there is one process, and it keeps every door.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from ingest import channels
from ingest.channels import DoorLost
from store.engine import Store, StoreFailed
from store.failure import place_of

log = structlog.get_logger()
LEASE = timedelta(minutes=1)
"""A process that dies has its doors taken over after so long."""

T = TypeVar("T")


@dataclass
class Keeper:
    """One process's hold on one door."""

    channel: str
    store: Store
    clock: Callable[[], datetime]
    start_from: datetime
    lease: timedelta = LEASE
    fence: int | None = None

    async def keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work while the door is ours, and again when it becomes ours anew; returns when the work does."""
        if self.store.exclusive:
            await work()
            return
        ended = False
        while not ended:
            ended = await self._turn(work)
            await asyncio.sleep(0 if ended else self._beat)

    async def write(self, act: Callable[[Connection], T]) -> T:
        """As the store's, but only while the door is ours. Raises DoorLost."""
        fence = self.fence
        if fence is None:
            return await self.store.write(act)

        def fenced(conn: Connection) -> T:
            channels.confirm(conn, self.channel, fence)
            return act(conn)

        return await self.store.write(fenced)

    @property
    def _beat(self) -> float:
        return self.lease.total_seconds() / 3

    async def _turn(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Take the door if nobody keeps it, and work until it is lost; whether the work came to its end."""
        if not await self._take():
            return False
        log.info("door is kept here", channel=self.channel)
        ended = False
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew())
                await work()
                ended = True
                renewing.cancel()
        except* DoorLost:
            log.warning("door is kept elsewhere now", channel=self.channel)
        finally:
            await asyncio.shield(self._let_go())
        return ended

    async def _take(self) -> bool:
        try:
            self.fence = await self.store.write(
                lambda conn: channels.take(conn, self.channel, self.start_from, now=self.clock(), lease=self.lease)
            )
        except Exception as error:  # noqa: BLE001 - the keeper's outer loop: it outlives whatever ails the database
            log.warning(
                "door cannot be taken",
                channel=self.channel,
                error=str(error) if isinstance(error, StoreFailed) else place_of(error),
            )
            return False
        return self.fence is not None

    async def _renew(self) -> None:
        """Until cancelled. While the database is gone nobody else can take the door either."""
        while True:
            await asyncio.sleep(self._beat)
            try:
                await self.write(lambda conn: channels.renew(conn, self.channel, self.clock() + self.lease))
            except DoorLost:
                raise
            except Exception as error:  # noqa: BLE001 - it is tried again; whoever takes the door meanwhile shuts us out
                if not isinstance(error, StoreFailed):
                    log.warning("door's lease not renewed", channel=self.channel, error=place_of(error))

    async def _let_go(self) -> None:
        with suppress(Exception):  # its lease ends by itself
            await self.write(lambda conn: channels.renew(conn, self.channel, self.clock()))
        self.fence = None

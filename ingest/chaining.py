"""The loop that links what was written into the history, a few seconds later, whatever process wrote it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from store import chain
from store.beats import rest
from store.chain import ChainCut, Link, Mark
from store.engine import Store, StoreUnreachable
from store.failure import place_of

log = structlog.get_logger()
BEAT = timedelta(seconds=5)
BREATH = timedelta(seconds=0.1)
"""Between two links while many entries wait, as after an upgrade: others go first."""
LONGEST = timedelta(minutes=10)
"""Whoever writes into the history wakes us."""
TOLD_EVERY = timedelta(days=1)
"""The log keeps the chain's end where nobody who can write to the database reaches it."""


@dataclass
class ChainKeeper:
    """Keeps one store's chain; of several processes whichever comes first adds the next link."""

    store: Store
    clock: Callable[[], datetime]
    _mark: Mark | None = field(default=None, init=False)
    _linked: int | None = field(default=None, init=False)
    """Up to here nothing was left to link: as long as nothing happens there is nothing to look for."""
    _told: datetime | None = field(default=None, init=False)
    _cut: bool = field(default=False, init=False)
    """Which is said once; how long it lasts the alarm says."""

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            pause, done = BEAT, False
            try:
                if await self.link():
                    pause = BREATH
                done = self._is_done
            except ChainCut:
                if not self._cut:
                    log.error("history was cut", advice="nothing is linked any more; see xinqiao verify")
                self._cut = True
            except Exception as error:  # noqa: BLE001 - an outer loop: a link that failed is made in the next round
                if not isinstance(error, StoreUnreachable):  # which the store has said
                    log.error("history cannot be linked", error=place_of(error))
            await rest(stopping, pause)
            if done and not stopping.is_set():
                await self.store.wakes.wait(chain.LANE, LONGEST)

    async def link(self) -> bool:
        """Add the next link; whether more is waiting for one. Raises ChainCut."""
        store, now = self.store, self.clock()
        settled = await store.read(self._settled)
        if settled is None or settled == self._linked:
            return False
        found = await store.read(lambda conn: chain.next_link(conn, store.sealer, settled))  # of a later snapshot
        if found is None:
            self._linked = settled
            return False
        if not await store.write(lambda conn: chain.add_link(conn, store.sealer, found, now)):
            return False
        if self._told is None or now - self._told >= TOLD_EVERY:
            self._told = now
            log.info("history is sealed", anchor=anchor(found))
        return found.entries == chain.LONGEST

    @property
    def _is_done(self) -> bool:
        """Whether every entry there is has its link."""
        return self._mark is not None and self._mark.last == self._linked

    def _settled(self, conn: Connection) -> int | None:
        """Up to which number no entry can appear any more; None: who may have taken one is not done yet."""
        if self._mark is None:
            self._mark = chain.mark(conn)
        if not chain.is_settled(conn, self._mark):
            return None
        settled, self._mark = self._mark.last, chain.mark(conn)
        return settled


def anchor(one: Link) -> str:
    """What `verify --anchor` takes."""
    return f"{one.upto}:{one.mac.hex()}"

"""Matters that keep coming while faults strike: enough that there is always work under way, never a flood."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.dovecot import Dovecot
from tests.endtoend.letterbox import TO, Letter, letters
from tests.endtoend.standins import Standins

FLOOD = 120
"""No more matters are brought while so many have not arrived at the OA."""
SHORTAGE = 40
"""With fewer than that on their way more are brought at once."""
STILL = 60.0
"""Seconds without anything new, after which more is brought."""
BETWEEN = 0.3
PLATFORMS = ("sunshine", "hotline")


@dataclass
class Sources:
    """What has arrived at the doors so far."""

    standins: Standins
    dovecot: Dovecot
    dice: Random
    mails: list[Letter] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*PLATFORMS, "letters"), 0))
    changes: int = 0

    @property
    def brought(self) -> int:
        return len(self.mails) + sum(self.counts.values())

    async def bring(self, mails: int, platforms: int, scans: int = 0) -> None:
        """So many new mails, so many new matters at each platform, so many scans."""
        new = letters(mails, len(self.mails))
        self.mails += new
        for name in PLATFORMS:
            self.counts[name] += platforms
        self.counts["letters"] += scans
        await asyncio.gather(
            asyncio.to_thread(self.dovecot.append, TO, *(letter.raw for letter in new)),
            *(self.standins.arrive(name, platforms) for name in PLATFORMS),
            self.standins.arrive("letters", scans),
        )

    async def change(self, about: int) -> None:
        """About so many petitions and orders change at their source."""
        able = sum(self.counts[name] for name in PLATFORMS)
        if able:
            self.changes += await self.standins.change(min(1.0, about / able))

    async def keep_coming(self, arrived: Callable[[], int], idle: Callable[[], bool], over: asyncio.Event) -> None:
        """Bring more whenever little is on its way or the OA has nothing to do; what was begun to bring is brought.

        What waits at a door that is shut for long is as good as not on its way.
        """
        loop = asyncio.get_running_loop()
        seen, since = arrived(), loop.time()
        while not over.is_set():
            if arrived() > seen:
                seen, since = arrived(), loop.time()
            on_its_way = self.brought - seen
            if on_its_way < SHORTAGE or (idle() and (on_its_way < FLOOD or loop.time() - since > STILL)):
                since = loop.time()
                await self.bring(self.dice.randrange(4, 10), self.dice.randrange(2, 6))
                await self.change(4)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), BETWEEN)

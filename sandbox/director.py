"""Who decides what happens next in the invented city, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random

from sandbox.chinatime import now
from sandbox.doors import FOLLOW_UP, Doors
from sandbox.journal import Act, Entry, Journal

OPENING = 12
"""So many matters come quickly at first, the same number through each door."""
OPENING_TIME = timedelta(seconds=20)
_WEIGHTS = {"sunshine": 3, "hotline": 5, "mailbox": 3, "letters": 1}


class Director:
    """Makes matters arrive and change; every act is in the journal before it can be seen."""

    def __init__(self, doors: Doors, journal: Journal, seed: int, clock: Callable[[], datetime] = now) -> None:
        self.doors, self._journal, self._seed, self._clock = doors, journal, seed, clock
        self.entries: list[Entry] = []
        self._ended: set[tuple[str, int, int]] = set()
        self._one_at_a_time = asyncio.Lock()

    async def resume(self) -> None:
        """Bring the stand-ins back to where the journal ends."""
        for entry in self._journal.read():
            self.entries.append(entry)
            self._note_end(entry)
            await self.doors.perform(entry, again=True)

    async def arrive(self, door: str) -> Entry:
        """The next matter, through this door."""
        async with self._one_at_a_time:
            number = 1 + max((entry.number for entry in self.entries if entry.seed == self._seed), default=-1)
            return await self._do(Entry(self._clock(), Act.ARRIVE, door, self._seed, number))

    async def change(self, arrival: Entry, dice: Random) -> Entry:
        """Something happens to a matter that arrived before."""
        step = dice.choice(self.doors.steps(arrival.door))
        async with self._one_at_a_time:
            return await self._do(Entry(self._clock(), Act.CHANGE, arrival.door, arrival.seed, arrival.number, step))

    async def preload(self, wanted: Mapping[str, int]) -> None:
        """Arrivals until each door has had so many; those of earlier runs count."""
        for door, count in wanted.items():
            had = sum(entry.act is Act.ARRIVE and entry.door == door for entry in self.entries)
            for _ in range(count - had):
                await self.arrive(door)

    async def revise(self, share: float) -> int:
        """This share of the matters that can change does so, once; answers how many."""
        dice = Random(f"{self._seed}/revise/{len(self.entries)}")
        able = self.changeable()
        chosen = dice.sample(able, round(len(able) * share))
        for arrival in chosen:
            await self.change(arrival, dice)
        return len(chosen)

    def changeable(self) -> list[Entry]:
        """Arrivals at doors where things can change, but for those withdrawn and mails followed up already."""
        return [
            entry
            for entry in self.entries
            if entry.act is Act.ARRIVE
            and self.doors.steps(entry.door)
            and entry.door in self.doors.open_doors()
            and (entry.door, entry.seed, entry.number) not in self._ended
        ]

    async def live(self, rate: timedelta) -> None:
        """Forever: a dozen matters at first unless there are some already, then one act every `rate`."""
        if not self.entries:
            for door in self._opening():
                await self.arrive(door)
                await asyncio.sleep(OPENING_TIME.total_seconds() / OPENING)
        while True:
            await asyncio.sleep(rate.total_seconds())
            await self._something()

    def _opening(self) -> list[str]:
        doors = self.doors.open_doors()
        return [doors[turn % len(doors)] for turn in range(OPENING)] if doors else []

    async def _something(self) -> None:
        dice = Random(f"{self._seed}/{len(self.entries)}")
        able = self.changeable()
        kind = dice.random()
        doors = self.doors.open_doors()
        if kind < 0.25 and able:
            await self.change(dice.choice(able), dice)
        elif kind < 0.32 and "mailbox" in doors:
            async with self._one_at_a_time:
                await self._do(Entry(self._clock(), Act.NOISE, "mailbox", self._seed, len(self.entries)))
        elif doors:
            await self.arrive(dice.choices(doors, [_WEIGHTS[door] for door in doors])[0])

    async def _do(self, entry: Entry) -> Entry:
        self._journal.append(entry)
        self.entries.append(entry)
        self._note_end(entry)
        await self.doors.perform(entry)
        return entry

    def _note_end(self, entry: Entry) -> None:
        if entry.step in {"撤回", "撤单", FOLLOW_UP}:
            self._ended.add((entry.door, entry.seed, entry.number))

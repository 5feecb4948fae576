"""What a strike is, and how it makes sure that it hit something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from tests.faults.proxy import Proxy, Trouble
from tests.faults.town import Town
from tests.faults.worker import Worker

KILL = "kill -9 at a random moment"
PATIENCE = 20.0
"""Seconds that a fault waits for something to hit."""


@dataclass(frozen=True)
class Blow:
    """A fault that met work in flight, and is over."""

    kind: str
    ended: float
    """By the loop's clock."""
    channel: str | None = None
    """The door that was struck: recovered when something new has come through it."""


Strike: TypeAlias = Callable[[Town, Random], Awaitable[list[Blow]]]


def over(kind: str, channel: str | None = None) -> list[Blow]:
    """It has ended just now."""
    return [Blow(kind, asyncio.get_running_loop().time(), channel)]


async def a_busy_worker(town: Town, dice: Random) -> Worker:
    """One with a request to the OA under way, if any has one soon."""
    able = [one for one in town.workers if one.lives]
    worker = dice.choice(able)
    await until(lambda: worker.oa.unanswered > 0, PATIENCE)
    return worker


async def struck_dead(town: Town, worker: Worker) -> bool:
    """Kill it; whether work was in its hands."""
    asked = worker.oa.unanswered > 0
    await worker.kill()
    await town.doors_are_free()
    return asked or (town.base is None and worker.flight().leased > 0)


async def line_struck(line: Proxy, trouble: Trouble, dice: Random, *, most: int) -> bool:
    """Whether the trouble met bytes on their way; `most`: so many bytes are let through at most before a reset."""
    async with line.troubled(trouble, after=dice.randrange(most), delay=dice.uniform(0.1, 0.6)):
        hit = await line.was_hit(PATIENCE)
        await asyncio.sleep(dice.uniform(0, 2.0 if trouble is Trouble.BLACK_HOLE else 0.5))
    return hit


async def until(holds: Callable[[], bool], patience: float) -> bool:
    """Wait for what can be seen from outside only; whether it came."""
    loop = asyncio.get_running_loop()
    latest = loop.time() + patience
    while not holds():
        if loop.time() > latest:
            return False
        await asyncio.sleep(0.02)
    return True

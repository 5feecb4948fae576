"""The lines between the daemons and the OA, the doors, the database."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random

from tests.faults.proxy import Trouble
from tests.faults.strikes.blow import PATIENCE, Blow, Strike, a_busy_worker, line_struck, over, until
from tests.faults.town import Town


def oa_line(trouble: Trouble) -> Strike:
    async def strike(town: Town, dice: Random) -> list[Blow]:
        worker = await a_busy_worker(town, dice)
        hit = await line_struck(worker.oa, trouble, dice, most=4000)
        return over(f"OA line: {trouble}") if hit else []

    return strike


async def oa_down(town: Town, dice: Random) -> list[Blow]:
    """Nobody listens for a while."""
    hit = await shut_off(town, dice.uniform(0.3, 2.0))
    return over("OA down") if hit else []


def door_line(trouble: Trouble) -> Strike:
    """The door that was struck longest ago, since one that failed is left alone for a while."""

    async def strike(town: Town, dice: Random) -> list[Blow]:
        name = next(iter(town.doors))
        door = town.doors[name] = town.doors.pop(name)
        await town.sources.bring(2, 2)
        hit = await line_struck(door, trouble, dice, most=120)
        await town.sources.bring(2, 2)
        return over(f"door line: {trouble}", name) if hit else []

    return strike


def database_line(trouble: Trouble) -> Strike:
    async def strike(town: Town, dice: Random) -> list[Blow]:
        line = (await a_busy_worker(town, dice)).database
        assert line is not None
        hit = await line_struck(line, trouble, dice, most=20_000)
        return over(f"database line: {trouble}") if hit else []

    return strike


async def shut_off(town: Town, seconds: float) -> bool:
    """Nobody listens at the OA for so long; whether something was under way when it went."""
    lines = [one.oa for one in town.workers if one.lives]
    await until(lambda: any(line.unanswered for line in lines), PATIENCE)
    async with AsyncExitStack() as stack:
        for line in lines:
            await stack.enter_async_context(line.shut())
        await asyncio.sleep(seconds)
    return any(line.hits for line in lines)


LINES: dict[str, Strike] = {
    **{f"OA line: {one}": oa_line(one) for one in Trouble},
    **{f"door line: {one}": door_line(one) for one in Trouble},
    "OA down": oa_down,
}

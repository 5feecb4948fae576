"""An OA that answers as it should not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from tests.faults import moods
from tests.faults.moods import Mood
from tests.faults.oa import ROUTES, WORKFLOW
from tests.faults.strikes.blow import PATIENCE, Blow, Strike, over
from tests.faults.town import Town


def answers(kind: str, made: Callable[[Random], Mood]) -> Strike:
    async def strike(town: Town, dice: Random) -> list[Blow]:
        wanted = dice.randint(1, 6)
        async with town.oa.in_mood(made(dice)):
            hit = await town.oa.until(lambda: town.oa.hits >= wanted, PATIENCE)
            await asyncio.sleep(dice.uniform(0, 0.5))
        return over(f"OA answers {kind}") if hit else []

    return strike


async def gone(town: Town, dice: Random) -> list[Blow]:
    """410: the target is paused until a person resumes it."""
    target = dice.choice(("oa", WORKFLOW))
    async with town.oa.in_mood(moods.status(410, route=ROUTES[target])):
        hit = await town.oa.until(lambda: town.oa.hits > 0, PATIENCE)
        await asyncio.sleep(0.5)
    worker = dice.choice([one for one in town.workers if one.lives])
    said = await worker.command("replay", "--send", "--target", target, "--since", "2099-01-01")
    assert said.status == 0, said.err
    return over("OA answers 410, resumed") if hit else []


async def poison(town: Town, dice: Random) -> list[Blow]:
    """One case's events always fail; the others go on; it heals, and what was laid aside a person sends in the end."""
    oa, before = town.oa, len(town.oa.arrivals)
    oa.poisoned, oa.hits = "next", 0
    hit = await oa.until(lambda: oa.hits > 1 and len(oa.arrivals) > before, 4 * PATIENCE)
    oa.poisoned = None
    return over("poison: one case always 500") if hit else []


ANSWERS: dict[str, Strike] = {
    "OA answers 500": answers("500", lambda dice: moods.status(500, takes=dice.random() < 0.5)),
    "OA answers 429": answers("429", lambda _: moods.status(429, moods.in_seconds(1))),
    "OA answers 503": answers("503", lambda _: moods.status(503, moods.at_a_time(2))),
    "OA answers 410, resumed": gone,
    "OA answers HTML": answers("HTML", lambda dice: moods.html(takes=dice.random() < 0.5)),
    "OA answers half JSON": answers("half JSON", lambda dice: moods.half_json(takes=dice.random() < 0.5)),
    "OA answers without end": answers("without end", lambda dice: moods.endless(takes=dice.random() < 0.5)),
    "poison: one case always 500": poison,
}

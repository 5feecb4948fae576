"""Strikes of many kinds in an order drawn by chance, until every quota is met or has been missed too often."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from tests.faults.strikes.blow import Blow, Strike, over
from tests.faults.strikes.lines import shut_off
from tests.faults.town import Town

TRIES = 4
"""So often a strike is tried, if it hits nothing."""
AT_SPEED = 50
"""Events after which a target that was down is sent to as before."""
RECOVERY = 150.0
"""Seconds after which nothing new at the OA is a finding."""


@dataclass
class Outcome:
    """What a campaign came to."""

    counted: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from a fault's end to the first new delivery, by kind."""
    unrecovered: list[str] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)
    """Strikes that hit nothing."""


async def campaign(town: Town, strikes: Mapping[str, Strike], quota: int, dice: Random) -> Outcome:
    """Each kind `quota` times, while matters keep coming and all daemons run."""
    outcome = Outcome()
    due = [kind for kind in strikes for _ in range(quota)]
    dice.shuffle(due)
    tried: Counter[str] = Counter()
    async with town.busy():
        await town.oa.first_after(0, RECOVERY)
        while due:
            kind = due.pop(0)
            if outcome.counted[kind] >= quota:  # one strike may be several blows
                continue
            tried[kind] += 1
            blows = await strikes[kind](town, dice)
            say(f"{kind}: {'hit' if any(one.kind == kind for one in blows) else 'missed'}")
            if not any(one.kind == kind for one in blows):
                outcome.missed[kind] += 1
                if tried[kind] < TRIES * quota:
                    due.append(kind)
            for blow in blows:
                await _take_down(town, blow, outcome)
    return outcome


async def flaps(town: Town, kind: str, quota: int, dice: Random) -> Outcome:
    """The OA goes down so often while events wait for it."""
    outcome = Outcome()
    await town.oa.first_after(0, RECOVERY)
    while outcome.counted[kind] < quota and outcome.missed[kind] < TRIES * quota:
        if not await shut_off(town, dice.uniform(0.2, 2.0)):
            outcome.missed[kind] += 1
            continue
        (blow,) = over(kind)
        await _take_down(town, blow, outcome)
        seen = len(town.oa.arrivals)
        await town.oa.until(lambda seen=seen: len(town.oa.arrivals) > seen + AT_SPEED, RECOVERY)  # type: ignore[misc]
        say(f"{kind}: {len(town.oa.arrivals)} have come")
    return outcome


async def _take_down(town: Town, blow: Blow, outcome: Outcome) -> None:
    outcome.counted[blow.kind] += 1
    at = await town.oa.first_after(blow.ended, RECOVERY, blow.channel)
    if at is None:
        outcome.unrecovered.append(blow.kind)
    else:
        outcome.recoveries.setdefault(blow.kind, []).append(at - blow.ended)


def say(text: str) -> None:
    """For whoever waits; the clock tells how long each takes."""
    print(f"{asyncio.get_running_loop().time():9.1f} {text}", file=sys.stderr, flush=True)  # noqa: T201 - shown to whoever waits, and when a test fails

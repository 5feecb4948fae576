"""One session: a town, a campaign in it, peace, and the reckoning."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.backlog import Backlog, fill
from tests.faults.campaign import Outcome, campaign, flaps, say
from tests.faults.oa import ROUTES
from tests.faults.reckoning import Reckoning, for_a_person, reckon
from tests.faults.strikes.answers import ANSWERS
from tests.faults.strikes.blow import Strike
from tests.faults.strikes.disks import DISKS
from tests.faults.strikes.lines import LINES
from tests.faults.strikes.processes import PROCESSES
from tests.faults.strikes.servers import OUTLIVED, SERVERS, outlive_their_leases
from tests.faults.town import POSTGRESQL, SQLITE, Town, a_town
from tests.faults.worker import FAKETIME, Worker

PEACE = 600
"""Seconds until all must be at rest."""
STILL = 4
"""So many workers stand still at once."""


@dataclass(frozen=True)
class Result:
    store: str
    outcome: Outcome
    reckoning: Reckoning


def strikes_for(store: str, town: Town | None = None) -> dict[str, Strike]:
    """The kinds that a store's town can be struck by; without root no disk of our own, without faketime no clock (in
    CI: an error).
    """
    found = {**PROCESSES, **LINES, **ANSWERS, **(DISKS if store == SQLITE else SERVERS)}
    if town is not None and town.disk is None:
        found.pop("disk full: the file system", None)
    if FAKETIME is None and "clock jumps an hour" in found:
        if os.environ.get("CI") == "true":
            raise RuntimeError(
                "libfaketime is not installed; sh scripts/servers.sh installs it or says what is missing"
            )
        del found["clock jumps an hour"]
    return found


async def session(place: Path, store: str, seed: str, quota: int, only: Collection[str]) -> Result:
    """Each of these kinds so often, in a new town under `place`."""
    dice = Random(seed)
    async with a_town(place, store, dice) as town:
        await staff(town)
        known = strikes_for(store, town)
        outcome = await campaign(town, {kind: known[kind] for kind in only if kind in known}, quota, dice)
        say("peace")
        await peace(town)
        return Result(store, outcome, await reckon(town))


async def staff(town: Town, daemons: int = 2) -> None:
    """On SQLite one daemon works, on PostgreSQL several on the same channels; the second's clock can be turned."""
    await town.sources.bring(20, 10)
    for number in range(daemons if town.store == POSTGRESQL else 1):
        worker = await town.hire(f"daemon{number}", skewable=number == 1)
        await worker.start()


async def peace(town: Town) -> None:
    """No faults any more: what was left lying is taken up, and everything comes to rest; then all daemons end."""
    for worker in town.workers:
        if worker.lives:
            await worker.stop()
    await town.hours_pass()
    worker = town.workers[0]
    await worker.start()
    duty = asyncio.create_task(on_duty(town, worker))
    for _ in range(2):  # what was poisoned; and what came to be so while others were on their way
        await worker.at_rest(PEACE)
    duty.cancel()
    await asyncio.wait([duty])
    if not duty.cancelled():
        duty.result()
    await worker.stop()


async def on_duty(town: Town, worker: Worker) -> None:
    """Does what waits for a person: sends again what was rejected, and looks in the OA for what may have arrived."""
    while True:
        waiting = await asyncio.to_thread(for_a_person, town)
        if any(one.state == "rejected" for one in waiting):
            await _replay(worker, "--send", "--dead")
        for one in waiting:
            if one.state == "unknown":
                there = one.event_id in {came["webhook_id"] for came in town.oa.ledger.events(ROUTES[one.target])}
                how = ("--arrived",) if there else ("--send", "--unknown")
                await _replay(worker, *how, "--case", one.case_id, "--target", one.target)
        await asyncio.sleep(1)


async def _replay(worker: Worker, *options: str) -> None:
    said = await worker.command("replay", *options)
    assert said.status == 0, said.err


async def outage(place: Path, store: str, seed: str, events: int, quota: int, drain: float) -> Result:
    """The OA goes down again and again while so many events wait for it; at the end each is there or still waits.

    `drain`: seconds that are given to those that still wait then.
    """
    dice, backlog = Random(seed), Backlog(events)
    async with a_town(place, store, dice, think=0.0, target={"concurrency": 16}) as town:
        filled = await asyncio.to_thread(town.opened)
        await asyncio.to_thread(fill, filled, backlog, "oa")
        if town.base is not None:
            await asyncio.to_thread(town.base.say, "SELECT setval('delivery_id_seq', (SELECT max(id) FROM delivery))")
        await asyncio.to_thread(filled.close)
        say(f"{events} events wait")
        for number in range(2 if store == POSTGRESQL else 1):
            await (await town.hire(f"daemon{number}")).start()
        outcome = await flaps(town, f"OA down, {events:,} waiting", quota, dice)
        await town.oa.until(lambda: len(town.oa.arrivals) >= events, drain)
        for worker in town.workers:
            await worker.stop()
        return Result(store, outcome, await reckon(town, backlog))


async def freezes(place: Path, store: str, seed: str, quota: int) -> Result:
    """Workers stand still until their leases have run out by themselves, several at once since it takes long."""
    dice = Random(seed)
    async with a_town(place, store, dice) as town:
        await staff(town, daemons=STILL + 1)
        outcome = await campaign(town, {OUTLIVED: outlive_their_leases}, quota, dice)
        await peace(town)
        return Result(store, outcome, await reckon(town))

"""A PostgreSQL that crashes or stands still, and several daemons on it."""

from __future__ import annotations

import asyncio
from random import Random

from tests.faults.proxy import Trouble
from tests.faults.strikes.blow import PATIENCE, Blow, Strike, a_busy_worker, over, until
from tests.faults.strikes.lines import database_line
from tests.faults.town import Town
from tests.faults.worker import Worker
from tests.postgres import frozen

OUTLIVED = "lease run out, worker alive"
LEASE_RUNS_OUT = 40.0
"""Seconds: twice a target's time limit, and its lookup's, and half a minute."""


async def database_crashes(town: Town, dice: Random) -> list[Blow]:
    assert town.base is not None
    await asyncio.sleep(dice.uniform(0, 0.5))
    hit = town.leased() > 0
    await asyncio.to_thread(town.base.server.restart, "immediate")
    return over("pg_ctl restart -m immediate") if hit else []


async def database_freezes(town: Town, dice: Random) -> list[Blow]:
    assert town.base is not None
    lines = [one.database for one in town.workers if one.database is not None]
    with frozen(town.base.server.processes()):
        await until(lambda: any(one.unanswered for one in lines), PATIENCE)
        hit = any(one.unanswered for one in lines)
        await asyncio.sleep(dice.uniform(0.5, 3))
    return over("database server frozen") if hit else []


async def joins_and_leaves(town: Town, dice: Random) -> list[Blow]:
    """A further daemon shares the work for a while, on the same channels, and leaves amid it."""
    worker = next((one for one in town.workers if not one.lives), None) or await town.hire("helper")
    before = worker.said("event delivered")
    await worker.start()
    try:
        await worker.until(lambda: worker.said("event delivered") > before, "it takes part", PATIENCE)
    except TimeoutError:
        await worker.stop()
        return []
    hit = await until(lambda: worker.oa.unanswered > 0, PATIENCE)
    await (worker.stop() if dice.random() < 0.5 else worker.kill())
    await town.doors_are_free()
    return over("one more daemon joins and leaves") if hit else []


async def clock_jumps(town: Town, dice: Random) -> list[Blow]:
    """One worker's clock goes an hour wrong and comes right again."""
    worker = next(one for one in town.workers if one.skewable)
    await until(lambda: worker.oa.unanswered > 0, PATIENCE)
    hit = worker.oa.unanswered > 0
    before = worker.said("event delivered")
    worker.turn_clock(dice.choice((-1, 1)))
    await until(lambda: worker.said("event delivered") > before + 5, 2 + PATIENCE / 2)
    worker.turn_clock(0)
    return over("clock jumps an hour") if hit else []


async def outlives_its_lease(town: Town, dice: Random) -> list[Blow]:
    """A worker stands still, others do its work, and what it wants to write afterwards is refused."""
    assert town.base is not None
    worker = await a_busy_worker(town, dice)
    before = late_writes(worker)
    with frozen([worker.process.pid]):
        if worker.oa.unanswered == 0:
            return []
        held = set(rows_in_hand(town))
        await asyncio.to_thread(town.base.say, "UPDATE ledger SET due = 0 WHERE leased AND lane LIKE 'push:%'")
        done = await until(lambda: held.isdisjoint(rows_in_hand(town)), PATIENCE)
    if not done:
        return []
    refused = await until(lambda: late_writes(worker) > before, PATIENCE)
    return over(OUTLIVED) if refused else []


async def outlive_their_leases(town: Town, dice: Random) -> list[Blow]:
    """Several stand still until their leases have run out by themselves, which takes about forty seconds."""
    some = [one for one in town.workers if one.lives][1:]
    await town.oa.until(lambda: all(one.oa.unanswered for one in some), PATIENCE)
    before = {one.name: late_writes(one) for one in some}
    with frozen([one.process.pid for one in some]):
        await asyncio.sleep(LEASE_RUNS_OUT)
        await town.oa.first_after(asyncio.get_running_loop().time(), PATIENCE)
        await asyncio.sleep(2)
    await until(lambda: all(late_writes(one) > before[one.name] for one in some), PATIENCE)
    late = [one for one in some if late_writes(one) > before[one.name]]
    return [blow for _ in late for blow in over(OUTLIVED)]


def late_writes(worker: Worker) -> int:
    """How often it was told that a lease of its had run out."""
    return worker.said("delivery outlived its lease") + worker.said("reading outlived its lease")


def rows_in_hand(town: Town) -> list[tuple[object, ...]]:
    assert town.base is not None
    return town.base.say("SELECT id, fence FROM ledger WHERE leased AND lane LIKE 'push:%'")


SERVERS: dict[str, Strike] = {
    "database line: reset amid the request": database_line(Trouble.RESET),
    "database line: reset before the answer": database_line(Trouble.UNANSWERED),
    "database line: black hole": database_line(Trouble.BLACK_HOLE),
    "pg_ctl restart -m immediate": database_crashes,
    "database server frozen": database_freezes,
    "one more daemon joins and leaves": joins_and_leaves,
    "clock jumps an hour": clock_jumps,
    OUTLIVED: outlives_its_lease,
}

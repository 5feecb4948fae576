"""Daemons that are killed or told to end."""

from __future__ import annotations

import asyncio
from random import Random

from ingest.command_run import LAST_RESORT
from tests.faults import moods
from tests.faults.strikes.blow import KILL, PATIENCE, Blow, Strike, a_busy_worker, over, struck_dead
from tests.faults.town import Town
from tests.faults.worker import Worker
from tests.postgres import frozen

TERM = "SIGTERM amid work"
SOON = 12
"""Seconds: it promises ten, and a busy machine may need a moment to see a process off."""
A_MOMENT = 0.3
NOT_TAKEN, TAKEN = "kill -9 before the OA has taken it", "kill -9 after the OA has taken it, unanswered"


async def kill(town: Town, dice: Random) -> list[Blow]:
    worker = await a_busy_worker(town, dice)
    await asyncio.sleep(dice.uniform(0, 0.3))
    hit = await struck_dead(town, worker)
    await worker.start()
    return over(KILL) if hit else []


def killed_at(point: str, most: int, *, scans: int = 0, keeps: bool = False) -> Strike:
    """Killed at a random moment, it dies in its next life by its own hand, at one of the first so many times there."""

    async def strike(town: Town, dice: Random) -> list[Blow]:
        worker = await (a_keeper(town) if keeps else a_busy_worker(town, dice))
        blows = over(KILL) if await struck_dead(town, worker) else []
        others = [one for one in town.workers if keeps and one.lives]
        for one in others:  # else the doors are theirs now
            await one.stop()
        await town.doors_are_free()
        await town.sources.bring(3, 2, scans)
        await worker.start(crash_at=f"{point}:{dice.randint(1, most)}", begun=False)
        try:
            await worker.killed(2 * PATIENCE + 20 * scans)
        except TimeoutError:
            await worker.kill()
        else:
            blows += over(f"kill -9 at {point}")
        await town.doors_are_free()
        for one in (worker, *others):
            await one.start()
        return blows

    return strike


def killed_unanswered(kind: str, *, takes: bool) -> Strike:
    """While the OA has an event before it and does not answer."""

    async def strike(town: Town, dice: Random) -> list[Blow]:
        worker = await a_busy_worker(town, dice)
        async with town.oa.in_mood(moods.silent(takes=takes)):
            hit = await town.oa.until(lambda: town.oa.hits > 0 and worker.oa.unanswered > 0, PATIENCE)
            await worker.kill()
        await town.doors_are_free()
        await worker.start()
        return over(kind) if hit else []

    return strike


async def amid_recognition(town: Town, dice: Random) -> list[Blow]:
    """While a process of its own is at work at a scan, also after the daemon stands still: the scan is in its hands."""
    await town.sources.bring(0, 0, len(town.workers))
    worker = dice.choice([one for one in town.workers if one.lives])
    for _ in range(int(2 * PATIENCE / A_MOMENT)):
        if await recognises(worker):
            with frozen([worker.process.pid]):
                if await recognises(worker):
                    await worker.kill()
                    break
    else:
        return []
    await town.doors_are_free()
    await worker.start()
    return over("kill -9 amid recognition")


async def recognises(worker: Worker) -> bool:
    before = worker.recognised()
    await asyncio.sleep(A_MOMENT)
    return worker.recognised() - before > 0.02


async def terminate(town: Town, dice: Random) -> list[Blow]:
    """It ends in time, and in order, unless the machine is too busy for that: nothing is left in its hands then but
    what it could not write down before, as on a full disk.
    """
    worker = await a_busy_worker(town, dice)
    hit = worker.oa.unanswered > 0
    took = await worker.stop()
    assert took < SOON, f"SIGTERM took {took:.1f} s"
    if town.base is None and took < LAST_RESORT.total_seconds():
        left, unwritten = worker.flight(), worker.unwritten()
        assert left.leased - left.suspects <= unwritten, (
            f"SIGTERM took {took:.1f} s: {left}, {unwritten} unwritten\n{worker.tail()}"
        )
    await worker.start()
    return over(TERM) if hit else []


async def a_keeper(town: Town) -> Worker:
    """One that keeps doors."""
    if town.base is None:
        return town.workers[0]
    return max((one for one in town.workers if one.lives), key=Worker.kept_doors)


PROCESSES: dict[str, Strike] = {
    KILL: kill,
    TERM: terminate,
    "kill -9 at after_raw_commit": killed_at("after_raw_commit", 2, keeps=True),
    "kill -9 at after_claim": killed_at("after_claim", 8),
    "kill -9 at store.commit": killed_at("store.commit", 40),
    "kill -9 at store.committed": killed_at("store.committed", 40),
    "kill -9 at before_post": killed_at("before_post", 8),
    "kill -9 at after_answer": killed_at("after_answer", 8),
    "kill -9 at mid_settle": killed_at("mid_settle", 1, scans=1, keeps=True),
    "kill -9 at mid_ocr": killed_at("mid_ocr", 1, scans=2),
    "kill -9 amid recognition": amid_recognition,
    NOT_TAKEN: killed_unanswered(NOT_TAKEN, takes=False),
    TAKEN: killed_unanswered(TAKEN, takes=True),
}

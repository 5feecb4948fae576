"""Disks that are full, for the embedded database."""

from __future__ import annotations

import asyncio
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.strikes.blow import KILL, PATIENCE, Blow, Strike, over, struck_dead, until
from tests.faults.town import Town
from tests.faults.worker import Worker

PAGE = 4096
OURS = re.compile(r"\b(OperationalError|OSError|TransactionLost)\b")
"""A `ClientOSError` is the OA's trouble."""


async def disk_full(town: Town, dice: Random) -> list[Blow]:
    """Not a byte is free on the disk of the data folder."""
    assert town.disk is not None
    (worker,) = town.workers
    before = failures(worker)
    with town.disk.full():
        await town.sources.bring(30, 3)  # more than fits into what SQLite has taken before
        hit = await until(lambda: failures(worker) > before, PATIENCE)
        await asyncio.sleep(dice.uniform(0, 1))
    return over("disk full: the file system") if hit else []


async def file_too_large(town: Town, dice: Random) -> list[Blow]:
    """No file may grow beyond a little, as under a quota."""
    (worker,) = town.workers
    before = failures(worker)
    with no_larger_than(worker.process.pid, dice.choice((PAGE, 16 * PAGE, 64 * PAGE))):
        hit = await until(lambda: failures(worker) > before, PATIENCE)
        await asyncio.sleep(dice.uniform(0, 1))
    return over("disk full: file-size limit") if hit else []


async def too_many_pages(town: Town, dice: Random) -> list[Blow]:
    """SQLite itself says that the disk is full."""
    (worker,) = town.workers
    blows = over(KILL) if await struck_dead(town, worker) else []
    used = (worker.data / "xinqiao.db").stat().st_size // PAGE
    worker.pages.write_text(str(used + dice.randint(1, 40)))
    worker.program = "tests.faults.cramped"
    try:
        await worker.start()
        before = failures(worker)
        await town.sources.bring(6, 3)
        hit = await until(lambda: failures(worker) > before, PATIENCE)
        await asyncio.sleep(dice.uniform(0, 1))
    finally:
        worker.pages.write_text("")
        worker.program = "ingest"
    return blows + (over("disk full: max_page_count") if hit else [])


@contextmanager
def no_larger_than(process: int, size: int) -> Iterator[None]:
    before = resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


def failures(worker: Worker) -> int:
    """How often the store or the disk has failed it."""
    return sum(OURS.search(line) is not None for line in told(worker))


def told(worker: Worker) -> list[str]:
    fields = ("error", "reason", "failure")
    return [str(line[name]) for line in worker.log_lines() for name in fields if name in line]


DISKS: dict[str, Strike] = {
    "disk full: the file system": disk_full,
    "disk full: file-size limit": file_too_large,
    "disk full: max_page_count": too_many_pages,
}

"""A process that makes one round of keeping the clocks, or dies in it; arguments: database, data folder, the time."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from ingest.almanac import Almanac
from ingest.clock_keeper import ClockKeeper
from ingest.logs import configure
from store.engine import open_store
from tests.ingest.desk import desk_over
from tests.ingest.test_reminding import TARGETS


async def main(database: str, folder: str, now: str) -> None:
    configure("console", "error")
    store = open_store(database, Path(folder), b"k" * 32)
    desk = desk_over(store, TARGETS).desk
    await ClockKeeper(store, desk, Almanac(desk.clockwork.calendar), lambda: datetime.fromisoformat(now)).round(
        asyncio.Event()
    )
    store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""A process that polls a door whose matters never end, until it is killed; says each poll."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.logs import configure
from ingest.poller import Poller
from store.engine import open_store
from tests.ingest.test_poller import Door

LEASE = timedelta(seconds=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


async def main(database: str, folder: str) -> None:
    configure("console", "error")
    store = open_store(database, Path(folder), b"k" * 32)
    door = Door(matters=3)
    poller = Poller("door", door, store, store.clock, START, lambda *_: None)
    poller.keeper.lease = LEASE

    async def poll_on() -> None:
        while True:
            await poller.round()
            os.write(1, b"polled\n")
            await asyncio.sleep(0.05)

    await poller.keeper.keep(poll_on)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

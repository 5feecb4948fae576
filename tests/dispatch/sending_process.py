"""A process that sends to the target `oa` until it dies; arguments: database, data folder, the target's block."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from dispatch.settings import TargetSettings
from dispatch.worker import TargetWorker
from ingest.logs import configure
from store.engine import open_store


async def main(database: str, folder: str, settings: str) -> None:
    configure("console", "error")
    store = open_store(database, Path(folder), b"k" * 32)
    target = TargetSettings.model_validate(json.loads(settings))
    await TargetWorker("oa", target, store, store.clock, lambda *_: None).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

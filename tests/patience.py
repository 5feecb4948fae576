"""Waiting for what must come. How long only bounds a failure: a slow machine may take its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 60
"""Seconds."""


async def until(true: Callable[[], bool]) -> None:
    """Wait for what another task, thread or process brings about."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - the state is all there is to look at
            await asyncio.sleep(0.01)

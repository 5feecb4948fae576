"""What is done now and then is done together."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from store import beats

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("since_the_beginning", "every", "expected"),
    [
        (0.0, MINUTE, 60.0),
        (10.0, MINUTE, 50.0),
        (70.0, MINUTE, 50.0),
        (70.0, 10 * MINUTE, 530.0),
        (59.0, MINUTE, 61.0),  # the one that is as good as there is left out
        (1.0, timedelta(0), 0.0),
    ],
)
def test_all_wait_for_the_same_moments(
    since_the_beginning: float, every: timedelta, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.beats.time.monotonic", lambda: beats._BEGAN + since_the_beginning)

    assert beats.left(every).total_seconds() == pytest.approx(expected)


async def test_whoever_rests_is_told_to_stop() -> None:
    stopping = asyncio.Event()
    resting = asyncio.create_task(beats.beat(stopping, timedelta(hours=1)))
    await asyncio.sleep(0)
    stopping.set()
    async with asyncio.timeout(10):
        await resting

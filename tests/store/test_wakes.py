"""Wake-ups: heard at once, and where other processes add work too, not relied upon."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from store import wakes
from store.wakes import Wakes
from tests.patience import PATIENCE

HOUR = timedelta(hours=1)


async def test_a_rung_lane_wakes_who_waits_for_it() -> None:
    bell = Wakes()
    waiting = [asyncio.ensure_future(bell.wait(lane, HOUR)) for lane in ("read", "push")]
    await asyncio.sleep(0)
    bell.ring(["read"])
    await waiting[0]

    assert not waiting[1].done()
    bell.ring_all()
    await waiting[1]
    await bell.wait("read", HOUR)  # it is time to stop: nobody sleeps again


async def test_what_rang_before_anybody_had_ever_waited_is_heard() -> None:
    bell = Wakes()
    bell.ring(["read"])

    async with asyncio.timeout(PATIENCE):
        await bell.wait("read", HOUR)


def test_embedded_nobody_wakes_without_a_reason() -> None:
    assert Wakes()._nap("read", HOUR) == HOUR


async def test_polling_a_lane_is_looked_at_less_and_less_often_until_it_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Wakes(polling=True)

    assert [bell._nap("read", HOUR).total_seconds() for _ in range(5)] == [0.2, 0.4, 0.8, 1, 1]
    assert bell._nap("push", HOUR).total_seconds() == 0.2
    assert bell._nap("read", timedelta(seconds=0.1)).total_seconds() == 0.1
    assert bell._nap("read", timedelta(0)) == wakes.NAP_SHORTEST  # it is due, and in another process's hands
    waiting = asyncio.ensure_future(bell.wait("read", HOUR))
    await asyncio.sleep(0)
    bell.ring(["read"])
    await waiting
    assert bell._nap("read", HOUR) == wakes.NAP_FIRST


async def test_polling_without_a_ring_a_sleeper_wakes_by_itself() -> None:
    bell = Wakes(polling=True)

    await asyncio.wait_for(bell.wait("read", HOUR), PATIENCE)

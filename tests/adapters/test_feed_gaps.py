"""The HTTP door before lists with gaps: what is not listed yet, or never, is not taken for read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.adapters.platforms import NOW, Hotline, serving
from tests.adapters.test_feed import Door, fill, hotline_settings, keys

DAY = timedelta(days=1)


@pytest.fixture
async def hotline() -> AsyncIterator[Hotline]:
    platform = Hotline()
    async with serving(platform):
        yield platform


@pytest.mark.parametrize(("window", "days"), [("P30D", 29), ("P7D", 9), ("P1D", 3)])
async def test_what_comes_after_days_of_standstill_with_its_old_time_is_brought(
    hotline: Hotline, window: str, days: int
) -> None:
    """An exchange that stands still answers like an idle one; what it held back then bears the times of those days."""
    door = Door(hotline_settings(hotline, listing={"max_window": window}))
    hotline.put("before", NOW - days * DAY)
    cursor = (await door.poll(start=NOW - 60 * DAY))[-1].cursor
    hotline.put("held back", NOW - days * DAY + timedelta(minutes=1))

    batches = await door.poll(cursor)
    await door.adapter.close()

    assert "held back" in keys(batches)


async def test_an_idle_platform_costs_few_requests_a_poll(hotline: Hotline) -> None:
    door = Door(hotline_settings(hotline))
    fill(hotline, 1, NOW - 300 * DAY)
    cursor = (await door.poll(start=NOW - 365 * DAY))[-1].cursor
    hotline.asked.clear()
    door.now += timedelta(minutes=1)
    await door.poll(cursor)
    await door.adapter.close()

    assert len(hotline.asked) <= 2

"""The HTTP door before lists with gaps: what is not listed yet, or never, is not taken for read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from adapters.base import Batch, ChannelUnavailable, Cursor
from tests.adapters.platforms import NOW, Hotline, Record, Sunshine, serving
from tests.adapters.test_feed import START, Door, fill, hotline_settings, keys, sunshine_settings

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


async def test_a_window_that_hides_records_hides_no_later_window(hotline: Hotline) -> None:
    start = NOW - 60 * DAY
    old = fill(hotline, 9, start, timedelta(minutes=10))
    hotline.put("new", NOW - DAY)
    whole = hotline.listed
    hotline.listed = lambda begin, end, page, size: (  # type: ignore[method-assign]
        whole(begin, end, page, size) if page <= 2 else (whole(begin, end, 1, size)[0], [])
    )
    door = Door(hotline_settings(hotline, listing={"page_size": 3, "ordered": False}))
    batches, error = await brought(door, start=start)
    await door.adapter.close()

    assert "listed 6 of 9" in str(error)
    assert keys(batches) == [*old[:6], "new"]
    assert {batch.cursor["modified"] for batch in batches} == {start.isoformat()}


@pytest.fixture
async def sunshine() -> AsyncIterator[Sunshine]:
    platform = Sunshine()
    async with serving(platform):
        yield platform


@pytest.fixture
async def door(sunshine: Sunshine) -> AsyncIterator[Door]:
    door = Door(sunshine_settings(sunshine, listing={"page_size": 3}))
    yield door
    await door.adapter.close()


async def brought(
    door: Door, cursor: Cursor | None = None, start: datetime = START
) -> tuple[list[Batch], ChannelUnavailable | None]:
    """What a poll brings until it ends or fails."""
    batches: list[Batch] = []
    try:
        async for batch in door.adapter.poll(cursor, start):
            batches.append(batch)  # noqa: PERF401  what came before the failure counts
    except ChannelUnavailable as error:
        return batches, error
    return batches, None


def reversed_list(platform: Sunshine) -> None:
    """The newest first, over all pages."""
    listed = platform.listed

    def newest_first(begin: str, end: str, page: int, size: int) -> tuple[int, list[Record]]:
        total, whole = listed(begin, end, 1, 1000)
        return total, whole[::-1][(page - 1) * size : page * size]

    platform.listed = newest_first  # type: ignore[method-assign]


async def test_a_start_in_the_future_is_no_success(sunshine: Sunshine, door: Door) -> None:
    fill(sunshine, 2)

    with pytest.raises(ChannelUnavailable, match=r"lies in the future.*start_from.*clock"):
        await door.poll(start=NOW + timedelta(hours=8))

    assert sunshine.asked == []


async def test_a_start_that_was_put_back_with_the_clock_counts_from_then_on(sunshine: Sunshine, door: Door) -> None:
    """First asked by a clock eight hours ahead."""
    door.now = NOW + timedelta(hours=8)
    ahead = (await door.poll(start=door.now))[-1].cursor
    door.now = NOW + timedelta(minutes=9)
    sunshine.put("in between", NOW + timedelta(minutes=5))

    batches = await door.poll(ahead, start=NOW)

    assert keys(batches) == ["in between"]
    assert keys(await door.poll(batches[-1].cursor, start=NOW)) == ["in between"]  # the look-back, no further


@pytest.mark.parametrize("beyond", ["nothing", "nothing of 0", "the last page"])
async def test_a_platform_that_hides_its_deep_pages_loses_nothing_and_says_so(sunshine: Sunshine, beyond: str) -> None:
    names = fill(sunshine, 12)
    reversed_list(sunshine)
    whole = sunshine.listed

    def shallow(begin: str, end: str, page: int, size: int) -> tuple[int, list[Record]]:
        total, rows = whole(begin, end, min(page, 2) if beyond == "the last page" else page, size)
        if page <= 2 or beyond == "the last page":
            return total, rows
        return (0 if beyond == "nothing of 0" else total), []

    sunshine.listed = shallow  # type: ignore[method-assign]
    door = Door(sunshine_settings(sunshine, listing={"page_size": 3, "ordered": False}))
    batches, error = await brought(door)

    assert sorted(keys(batches)) == names[6:]
    assert {batch.cursor["modified"] for batch in batches} == {START.isoformat()}
    assert "listed 6 of 12" in str(error)

    sunshine.listed = whole  # type: ignore[method-assign]
    healed, error = await brought(door, batches[-1].cursor)
    await door.adapter.close()

    assert sorted(keys(healed)) == names
    assert error is None


async def test_more_records_of_one_second_than_can_be_paged_through_are_said(sunshine: Sunshine, door: Door) -> None:
    """What is newer comes all the same."""
    fill(sunshine, 30, step=timedelta())
    sunshine.put("y1", START + timedelta(hours=1))
    sunshine.put("y2", START + timedelta(hours=2))
    whole = sunshine.listed
    sunshine.listed = lambda begin, end, page, size: (  # type: ignore[method-assign]
        whole(begin, end, page, size) if page <= 4 else (whole(begin, end, 1, size)[0], [])
    )

    batches, error = await brought(door)

    assert sorted(keys(batches)) == [*(f"x{number:03}" for number in range(12)), "y1", "y2"]
    assert {batch.cursor["modified"] for batch in batches} == {START.isoformat()}
    assert "listed 12 of 32" in str(error)
    assert error is not None
    assert not error.reached_end  # all since the cursor is listed anew: not at every beat


async def test_a_first_page_of_one_second_does_not_hide_what_is_older(sunshine: Sunshine, door: Door) -> None:
    """A nightly job touches a page and more of records; the platform lists the newest first."""
    names = fill(sunshine, 4)
    for number in range(5):
        sunshine.put(f"touched{number}", START + timedelta(hours=9))
    reversed_list(sunshine)

    batches, error = await brought(door)

    assert error is None
    assert sorted(keys(batches)) == sorted([*(f"touched{number}" for number in range(5)), *names])


async def test_pages_of_one_second_each_lead_on_in_order(sunshine: Sunshine, door: Door) -> None:
    names = [f"{minute}{place}" for minute in range(5) for place in "abc"]
    for name in names:
        sunshine.put(name, START + timedelta(minutes=int(name[0])))

    batches, error = await brought(door)

    assert error is None
    assert sorted(keys(batches)) == names
    assert datetime.fromisoformat(str(batches[-1].cursor["modified"])) == START + timedelta(minutes=4)

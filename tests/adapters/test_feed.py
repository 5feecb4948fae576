"""The HTTP door: what it brings, whatever the platform does meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from adapters.base import Batch, ChannelRefused, ChannelUnavailable, Cursor, Json, RawKind
from adapters.document import at_pointer
from adapters.feed import FeedAdapter
from adapters.hotline import HotlineSettings
from adapters.sunshine import SunshineSettings
from tests.adapters.platforms import (
    LOGIN_PAGE,
    NOW,
    Hotline,
    Record,
    Sunshine,
    answering,
    cut,
    saying,
    serving,
    written,
)

START = NOW - timedelta(days=2)


class Door:
    """An adapter with a clock that stands still until told."""

    def __init__(self, settings: SunshineSettings | HotlineSettings) -> None:
        self.now = NOW
        self.adapter = FeedAdapter("door", settings, lambda: self.now)

    async def poll(self, cursor: Cursor | None = None, start: datetime = START) -> list[Batch]:
        return [batch async for batch in self.adapter.poll(cursor, start)]


def sunshine_settings(platform: Sunshine, **more: Any) -> SunshineSettings:
    block = {"base_url": platform.base_url, "app_id": "bureau", "app_secret": "s3cret", **more}
    return SunshineSettings.model_validate(block)


def hotline_settings(platform: Hotline, **more: Any) -> HotlineSettings:
    block = {"base_url": platform.base_url, "app_id": "bureau", "app_secret": "s3cret", **more}
    return HotlineSettings.model_validate(block)


@pytest.fixture
async def sunshine() -> AsyncIterator[Sunshine]:
    platform = Sunshine()
    async with serving(platform):
        yield platform


@pytest.fixture
async def hotline() -> AsyncIterator[Hotline]:
    platform = Hotline()
    async with serving(platform):
        yield platform


@pytest.fixture
async def door(sunshine: Sunshine) -> AsyncIterator[Door]:
    door = Door(sunshine_settings(sunshine, listing={"page_size": 3}))
    yield door
    await door.adapter.close()


def keys(batches: list[Batch]) -> list[str]:
    return [raw.key for batch in batches for raw in batch.raws]


def fill(
    platform: Sunshine | Hotline, count: int, first: datetime = START, step: timedelta = timedelta(minutes=20)
) -> list[str]:
    names = [f"x{number:03}" for number in range(count)]
    for number, name in enumerate(names):
        platform.put(name, first + number * step)
    return names


async def test_every_record_points_into_its_page_as_received(sunshine: Sunshine, door: Door) -> None:
    names = fill(sunshine, 8)

    batches = await door.poll()

    assert sorted(keys(batches)) == names
    for batch in batches:
        for raw in batch.raws:
            assert raw.kind is RawKind.RECORD
            assert at_pointer(json.loads(batch.blobs[raw.blob]), raw.pointer) == sunshine.records[raw.key]


async def test_the_version_changes_with_the_content_and_with_nothing_else(sunshine: Sunshine, door: Door) -> None:
    fill(sunshine, 1)
    first = (await door.poll())[0].raws[0]
    again = (await door.poll())[0].raws[0]
    sunshine.put("x000", START, xfjzt="受理")
    changed = (await door.poll())[0].raws[0]

    assert first.version == again.version
    assert changed.key == first.key
    assert changed.version != first.version


async def test_volatile_keys_make_no_new_version(sunshine: Sunshine) -> None:
    door = Door(sunshine_settings(sunshine, listing={"volatile": ["queriedAt"]}))
    sunshine.put("x1", START, queriedAt="1")
    first = (await door.poll())[0].raws[0]
    sunshine.put("x1", START, queriedAt="2")
    again = (await door.poll())[0].raws[0]
    await door.adapter.close()

    assert first.version == again.version


FILE = "https://files.example/2026/1.jpg"
SIGNED = [
    (f"{FILE}?Expires=1&OSSAccessKeyId=k&Signature=a%3D", f"{FILE}?Expires=2&OSSAccessKeyId=k&Signature=b%3D"),
    (f"{FILE}?X-Amz-Date=1&X-Amz-Signature=a&id=7", f"{FILE}?X-Amz-Date=2&X-Amz-Signature=b&id=7"),
    (
        f"{FILE}?q-sign-time=1557902800;1557910000&q-signature=a",
        f"{FILE}?q-sign-time=1557902900;1557910100&q-signature=b",
    ),
    ("/f/1.jpg?e=1&token=k:a,/f/2.jpg?e=1&token=k:b", "/f/1.jpg?e=2&token=k:c,/f/2.jpg?e=2&token=k:d"),
    ("/f/1.jpg?auth_key=1-0-0-a;/f/2.jpg?auth_key=1-0-0-b", "/f/1.jpg?auth_key=2-0-0-c;/f/2.jpg?auth_key=2-0-0-d"),
    ([{"url": f"{FILE}?se=1&sig=a&sv=1"}], [{"url": f"{FILE}?se=2&sig=b&sv=1"}]),
]


@pytest.mark.parametrize(("listed", "again"), SIGNED)
async def test_addresses_that_are_signed_anew_make_no_new_version(
    sunshine: Sunshine, door: Door, listed: Json, again: Json
) -> None:
    sunshine.put("x1", START, fj=listed)
    first = (await door.poll())[0].raws[0]
    sunshine.put("x1", START, fj=again)

    assert (await door.poll())[0].raws[0].version == first.version


@pytest.mark.parametrize(
    ("listed", "again"),
    [
        *((listed, json.loads(json.dumps(again).replace("1.jpg", "3.jpg"))) for listed, again in SIGNED),
        ("/f/1.jpg?auth_key=1-a;/f/2.jpg?auth_key=1-b", "/f/1.jpg?auth_key=2-c;/f/3.jpg?auth_key=2-d"),
        (f"{FILE}?X-Amz-Signature=a&id=7", f"{FILE}?X-Amz-Signature=b&id=8"),
        (f"{FILE}?x-oss-signature=a&x-oss-process=image", f"{FILE}?x-oss-signature=b"),
        ("/file?token=7", "/file?token=8"),
        ("/file?e=1", "/file?e=2"),
        ([{"url": f"{FILE}?se=1&sig=a&sv=1", "size": 7}], [{"url": f"{FILE}?se=2&sig=b&sv=1", "size": 8}]),
        ("怎么办?Expires=1", "怎么办?Expires=2"),
    ],
)
async def test_another_file_behind_a_signed_address_makes_a_new_version(
    sunshine: Sunshine, door: Door, listed: Json, again: Json
) -> None:
    sunshine.put("x1", START, fj=listed)
    first = (await door.poll())[0].raws[0]
    sunshine.put("x1", START, fj=again)

    assert (await door.poll())[0].raws[0].version != first.version


async def test_the_next_poll_begins_a_look_back_before_the_last_record(sunshine: Sunshine, door: Door) -> None:
    fill(sunshine, 4)
    cursor = (await door.poll())[-1].cursor
    sunshine.asked.clear()
    sunshine.put("late", START + timedelta(minutes=55))

    batches = await door.poll(cursor)

    assert sunshine.asked[0]["lastmodifytimeBegin"] == written(START + timedelta(minutes=50))
    assert "late" in keys(batches)


async def test_the_look_back_does_not_reach_before_the_start(sunshine: Sunshine, door: Door) -> None:
    sunshine.put("before", START - timedelta(minutes=1))
    sunshine.put("after", START + timedelta(minutes=1))
    first = await door.poll()
    again = await door.poll(first[-1].cursor)

    assert set(keys(first)) == set(keys(again)) == {"after"}


async def test_what_lies_before_the_start_is_counted_once(sunshine: Sunshine, door: Door) -> None:
    fill(sunshine, 5, START - timedelta(hours=9))
    sunshine.put("new", START)

    batches = await door.poll()

    assert [batch.skipped for batch in batches] == [5]


async def test_an_empty_platform_sets_the_cursor_and_then_says_nothing(door: Door) -> None:
    first = await door.poll()
    again = await door.poll(first[-1].cursor)

    assert [(batch.blobs, batch.raws) for batch in first] == [((), ())]
    assert all(not batch.raws for batch in again)


async def test_a_record_changed_while_paging_hides_no_other(sunshine: Sunshine, door: Door) -> None:
    """It leaves its place, and all behind it move up by one: also over the boundary of the page just read."""
    names = fill(sunshine, 12)
    moving = iter(names[:6])
    sunshine.after_page = lambda _: sunshine.put(next(moving, names[0]), NOW)

    batches = await door.poll()
    sunshine.after_page = None
    door.now = NOW + timedelta(minutes=1)
    batches += await door.poll(batches[-1].cursor)

    assert set(keys(batches)) == set(names)


async def test_a_record_changed_while_paging_through_one_second_hides_no_other(sunshine: Sunshine, door: Door) -> None:
    names = fill(sunshine, 10, step=timedelta())
    moving = names[:2]

    def changes(page: int) -> None:
        if page == 1 and moving:
            sunshine.put(moving.pop(), NOW)

    sunshine.after_page = changes

    batches = await door.poll()

    assert set(names[2:]) <= set(keys(batches))


async def test_a_second_that_changes_during_each_reading_is_asked_for_again(sunshine: Sunshine, door: Door) -> None:
    """Each record changes as it is read, and pulls the next one over the boundary: a pass sees half of those left."""
    (begun,) = await door.poll()
    names = fill(sunshine, 128, step=timedelta())
    still = list(names)
    sunshine.page_cap = 1
    sunshine.after_page = lambda page: sunshine.put(still.pop(page - 1), NOW) if page <= len(still) else None
    batches: list[Batch] = []

    async def poll() -> None:
        async for batch in door.adapter.poll(begun.cursor, START):
            batches.append(batch)  # noqa: PERF401  what came before the failure counts

    with pytest.raises(ChannelUnavailable, match="changed during each of 6 readings"):
        await poll()

    assert batches
    assert {json.dumps(batch.cursor) for batch in batches} == {json.dumps(begun.cursor)}

    sunshine.after_page = None
    assert set(keys(await door.poll(batches[-1].cursor))) == set(names)


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("tells_total", [False, True])
@pytest.mark.parametrize("page_cap", [2, 1000])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
async def test_platforms_end_their_lists_in_many_ways(
    sunshine: Sunshine, door: Door, count: int, page_cap: int, tells_total: bool, repeats: bool
) -> None:
    sunshine.page_cap, sunshine.tells_total, sunshine.repeats_last_page = page_cap, tells_total, repeats
    names = fill(sunshine, count)

    assert sorted(keys(await door.poll())) == names


async def test_a_page_that_repeats_records_brings_each_once(sunshine: Sunshine, door: Door) -> None:
    names = fill(sunshine, 5)

    def stuttering(answer: Record) -> Record:
        rows = answer["data"]["rows"]
        return {**answer, "data": {**answer["data"], "rows": rows[:1] + rows[:1] + rows}}

    sunshine.envelope = stuttering

    assert sorted(keys(await door.poll())) == names


async def test_a_repeated_record_does_not_stand_for_a_missing_one(sunshine: Sunshine) -> None:
    names = fill(sunshine, 3)
    told: list[Record] = []

    def once_short(answer: Record) -> Record:
        rows = answer["data"]["rows"]
        if len(rows) == 3 and not told:
            told.extend(rows)
            rows = [rows[0], rows[0], rows[1]]
        return {**answer, "data": {**answer["data"], "rows": rows}}

    door = Door(sunshine_settings(sunshine))
    first = await door.poll()
    sunshine.envelope = once_short
    again = await door.poll()
    await door.adapter.close()

    assert told
    assert sorted(keys(first)) == sorted(keys(again)) == names


async def test_more_records_of_one_second_than_a_page_holds_are_all_brought(sunshine: Sunshine, door: Door) -> None:
    names = fill(sunshine, 4) + [f"bulk{number}" for number in range(10)]
    for name in names[4:]:
        sunshine.put(name, START + timedelta(minutes=30))

    batches = await door.poll()

    assert sorted(keys(batches)) == sorted(names)
    assert datetime.fromisoformat(str(batches[-1].cursor["modified"])) == START + timedelta(hours=1)


async def test_a_list_in_no_order_is_brought_whole_before_the_cursor_moves(sunshine: Sunshine, door: Door) -> None:
    names = fill(sunshine, 9)
    sunshine.envelope = lambda answer: {**answer, "data": {**answer["data"], "rows": answer["data"]["rows"][::-1]}}

    batches = await door.poll()

    assert sorted(keys(batches)) == names
    assert {batch.cursor["modified"] for batch in batches[:-1]} == {START.isoformat()}


async def test_stopping_after_any_page_loses_nothing(sunshine: Sunshine, door: Door) -> None:
    names = fill(sunshine, 11)
    for name in names[3:8]:
        sunshine.put(name, START + timedelta(minutes=70))
    whole = await door.poll()
    for stop in range(1, len(whole)):
        rest = await door.poll(whole[stop - 1].cursor)

        assert set(keys(whole[:stop]) + keys(rest)) == set(names)


async def test_a_record_from_the_future_does_not_carry_the_cursor_there(sunshine: Sunshine, door: Door) -> None:
    fill(sunshine, 2)
    future = {"xfjid": "f", "lastmodifytime": "2099-01-01 00:00:00"}

    def with_future(answer: Record) -> Record:
        return {**answer, "data": {"total": 3, "rows": [*answer["data"]["rows"], future]}}

    sunshine.envelope = with_future

    batches = await door.poll()

    assert "f" in keys(batches)
    assert datetime.fromisoformat(str(batches[-1].cursor["modified"])) <= NOW


async def test_a_record_without_its_key_is_kept_by_its_content(sunshine: Sunshine, door: Door) -> None:
    sunshine.records["?"] = {"xfjid": None, "bt": "无编号", "lastmodifytime": written(START)}
    sunshine.key = "bt"

    (batch,) = await door.poll()

    assert batch.raws[0].key.startswith("sha256:")


@pytest.mark.parametrize("key", ["\ud83d", "\x00", "x\ud83d1", "x\x001", "x\u202e1"])
async def test_a_record_whose_key_cannot_be_stored_is_known_by_the_rest_of_it(
    sunshine: Sunshine, door: Door, key: str
) -> None:
    """It would stop its whole channel: the store cannot even be asked for it."""
    sunshine.put(key, START)
    sunshine.put("other", START)

    (batch,) = await door.poll()
    (stored,) = {raw.key for raw in batch.raws} - {"other"}

    assert stored == "x1" if "x" in key else stored.startswith("sha256:")


async def test_windows_longer_than_the_platform_takes_are_walked_in_steps(hotline: Hotline) -> None:
    door = Door(hotline_settings(hotline))
    names = fill(hotline, 8, NOW - timedelta(days=100), timedelta(days=14))

    batches = await door.poll(start=NOW - timedelta(days=100))
    await door.adapter.close()

    assert keys(batches) == names
    assert len(hotline.asked) >= 4


async def test_an_idle_platform_is_not_walked_from_its_beginning_every_time(hotline: Hotline) -> None:
    door = Door(hotline_settings(hotline))
    first = await door.poll(start=NOW - timedelta(days=365))
    hotline.asked.clear()
    await door.poll(first[-1].cursor, start=NOW - timedelta(days=365))
    await door.adapter.close()

    assert len(hotline.asked) <= 2


@pytest.mark.parametrize(
    "fault",
    [
        answering(500),
        answering(502, LOGIN_PAGE),
        cut,
        saying({"code": 500, "msg": "系统繁忙"}),
        saying({"code": 0, "data": {"total": 3, "rows": "?"}}),
        saying({"code": 0, "data": {"total": 3, "rows": []}}),
        saying({"code": 0, "data": {"total": "很多", "rows": []}}),
        answering(200, '{"code": 0, "data": {"rows": [{"xm": "秘密"'),
        answering(200, "not json 秘密"),
        answering(200),
        answering(200, "[" * 100_000),
    ],
)
async def test_a_platform_in_trouble_is_asked_later_and_moves_no_cursor(
    sunshine: Sunshine, door: Door, fault: Any
) -> None:
    fill(sunshine, 7)
    before = await door.poll()
    sunshine.faults = [fault]

    with pytest.raises(ChannelUnavailable) as caught:
        await door.poll(before[0].cursor)
    after = await door.poll(before[0].cursor)

    assert "door" in str(caught.value)
    assert "秘密" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert set(keys(before[:1]) + keys(after)) == set(sunshine.records)


@pytest.mark.parametrize("said", [{"error": "database down"}, {"code": 500, "msg": "系统繁忙"}, {}])
async def test_an_error_is_no_empty_list_where_no_rule_tells_them_apart(sunshine: Sunshine, said: Any) -> None:
    """Days of such answers, taken for days without matters, would move the cursor past what came meanwhile."""
    door = Door(sunshine_settings(sunshine, success=None, listing={"max_window": "P30D"}))
    sunshine.faults = [saying(said)]

    with pytest.raises(ChannelUnavailable, match=r"no list of records at data\.rows"):
        await door.poll()
    await door.adapter.close()


@pytest.mark.parametrize("said", [{"code": 0, "data": None}, {"code": 0, "data": {}}, {"data": {"rows": None}}])
async def test_an_empty_list_may_be_written_as_nothing(sunshine: Sunshine, said: Any) -> None:
    door = Door(sunshine_settings(sunshine, success=None))
    sunshine.faults = [saying(said)]

    assert keys(await door.poll()) == []
    await door.adapter.close()


SIX_HOURS = 6 * 3600


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("120", 120),
        ("Tue, 31 Mar 2026 02:05:00 GMT", 300),
        ("soon", None),
        ("9999999999999", SIX_HOURS),
        ("9" * 5000, None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", SIX_HOURS),
        ("Fri, 31 Dec 9999 23:59:59 -2359", SIX_HOURS),
    ],
)
async def test_a_busy_platform_says_how_long_to_wait(
    sunshine: Sunshine, door: Door, said: str, wait: int | None
) -> None:
    sunshine.faults = [answering(429, **{"Retry-After": said})]

    with pytest.raises(ChannelUnavailable) as caught:
        await door.poll()

    assert caught.value.retry_after == (None if wait is None else timedelta(seconds=wait))


@pytest.mark.parametrize(
    "fault",
    [
        saying({"code": 401, "msg": "token失效"}),
        answering(401),
        answering(200, LOGIN_PAGE),
        answering(302, Location="/login"),
    ],
)
async def test_an_ended_session_is_opened_again_once(sunshine: Sunshine, door: Door, fault: Any) -> None:
    names = fill(sunshine, 2)
    sunshine.faults = [fault]
    assert sorted(keys(await door.poll())) == names
    assert sunshine.logins == 2

    sunshine.faults = [fault, fault]
    with pytest.raises((ChannelRefused, ChannelUnavailable)):
        await door.poll()


async def test_a_token_is_renewed_before_it_runs_out(sunshine: Sunshine, door: Door) -> None:
    await door.poll()
    await door.poll()
    assert sunshine.logins == 1

    door.now += timedelta(seconds=1780)
    await door.poll()

    assert sunshine.logins == 2


@pytest.mark.parametrize("life", [2**63 - 1, 1_774_922_400_000, float("inf"), float("nan"), "soon"])
async def test_a_token_s_life_that_is_none_is_not_gone_by(sunshine: Sunshine, door: Door, life: Any) -> None:
    sunshine.token_life = life
    fill(sunshine, 1)

    assert keys(await door.poll()) == ["x000"]


@pytest.mark.parametrize("fault", [saying({"code": 403, "msg": "无权限"}), answering(403)])
async def test_a_refusal_wants_a_person(sunshine: Sunshine, door: Door, fault: Any) -> None:
    sunshine.faults = [fault]

    with pytest.raises(ChannelRefused):
        await door.poll()


async def test_a_wrong_secret_is_refused_and_not_told(sunshine: Sunshine) -> None:
    door = Door(sunshine_settings(sunshine, app_secret="wr0ng"))
    with pytest.raises(ChannelRefused) as caught:
        await door.adapter.probe()
    await door.adapter.close()

    assert "wr0ng" not in str(caught.value)


async def test_a_wrong_signature_is_refused(hotline: Hotline) -> None:
    door = Door(hotline_settings(hotline, app_secret="wr0ng"))
    with pytest.raises(ChannelRefused, match="40001"):
        await door.poll()
    await door.adapter.close()


async def test_a_nonce_called_used_is_replaced_at_once(hotline: Hotline) -> None:
    door = Door(hotline_settings(hotline))
    hotline.faults = [saying({"success": False, "code": 40003, "message": "nonce重复"})]
    hotline.put("1", START)
    assert keys(await door.poll()) == ["1"]

    hotline.faults = [saying({"success": False, "code": 40029, "message": "调用过于频繁"})]
    with pytest.raises(ChannelUnavailable, match="40029"):
        await door.poll()
    await door.adapter.close()


async def test_a_slow_platform_is_left(sunshine: Sunshine) -> None:
    released = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse | None:
        await released.wait()
        return None

    sunshine.faults = [slow]
    door = Door(sunshine_settings(sunshine, timeout="PT0.2S"))
    with pytest.raises(ChannelUnavailable, match="no whole answer"):
        await door.poll()
    released.set()
    await door.adapter.close()


async def test_a_page_too_large_is_not_read(sunshine: Sunshine) -> None:
    sunshine.put("big", START, tsnr="长" * 5000)
    door = Door(sunshine_settings(sunshine, max_page_bytes=4096))
    with pytest.raises(ChannelUnavailable, match="max_page_bytes"):
        await door.poll()
    await door.adapter.close()


async def test_nobody_at_the_address_is_unavailable() -> None:
    settings = SunshineSettings.model_validate({"base_url": "http://127.0.0.1:9", "app_id": "a", "app_secret": "b"})
    adapter = settings.build("door")
    with pytest.raises(ChannelUnavailable, match=r"door: POST http://127\.0\.0\.1:9/api/auth/token"):
        await adapter.probe()
    await adapter.close()


async def test_a_probe_says_what_it_saw(sunshine: Sunshine, door: Door) -> None:
    sunshine.put("x1", NOW - timedelta(hours=1))
    seen = await door.adapter.probe()
    assert "1 records changed" in seen

    sunshine.records["x1"]["xfjid"] = ""
    assert "no xfjid" in await door.adapter.probe()


async def test_a_cursor_of_another_kind_is_refused(door: Door) -> None:
    with pytest.raises(ChannelRefused, match="cursor"):
        await door.poll({"uidvalidity": 1})

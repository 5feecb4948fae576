from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from sandbox.hotline import Hotline, sign
from sandbox.matters import matter
from tests.sandbox.conftest import Clock

FIELDS = [
    "roll_number",
    "src_way",
    "payroll_title",
    "payroll_name",
    "call_number",
    "company_tel",
    "sex",
    "addr",
    "region_district_id",
    "region_district",
    "payroll_type",
    "event_type2_id",
    "roll_content",
    "note",
    "is_secret",
    "urgency_level",
    "comp_obj",
    "state",
    "call_time",
    "dispatch_time",
    "handle_rel_expire_time",
    "update_time",
    "attachments",
    "recording_url",
    "workflow",
]


class Caller:
    """The hotline as a client sees it, with a signature of its own making."""

    def __init__(self, session: aiohttp.ClientSession, hotline: Hotline, clock: Clock) -> None:
        self._session, self._hotline, self._clock, self._told = session, hotline, clock, 0

    def signed(self, **parameters: str) -> dict[str, str]:
        self._told += 1
        stamp = str(int(self._clock().timestamp()))
        asked = {"appId": "xinqiao", "nonceStr": f"n{self._told}", "timeStamp": stamp, **parameters}
        text = "&".join(f"{name}={asked[name]}" for name in sorted(asked)) + "&appSecret=hotline-secret"
        return {**asked, "sign": hashlib.md5(text.encode()).hexdigest().upper()}

    async def ask(self, parameters: dict[str, str]) -> dict[str, Any]:
        async with self._session.get(f"{self._hotline.url}/openapi/orders", params=parameters) as answer:
            assert answer.status == 200
            found: dict[str, Any] = await answer.json()
            return found

    def window(self, page: int = 1, size: int = 50, **parameters: str) -> dict[str, str]:
        window = {"startTime": "2026-03-01 00:00:00", "endTime": "2026-03-30 00:00:00"}
        return self.signed(**{**window, "page": str(page), "pageSize": str(size), **parameters})

    async def file(self, path: str, parameters: dict[str, str]) -> bytes:
        async with self._session.get(f"{self._hotline.url}/{path}", params=parameters) as answer:
            return await answer.read()


async def test_pages_follow_the_time_of_change_and_hold_every_order_once(clock: Clock) -> None:
    async with Hotline(clock=clock) as hotline, aiohttp.ClientSession() as session:
        for number in range(23):
            hotline.register(matter(1, number), clock.pass_(timedelta(seconds=number % 2)))
        caller = Caller(session, hotline, clock)

        pages = [(await caller.ask(caller.window(page, 10))) for page in (1, 2, 3)]

    rows = [row for page in pages for row in page["resultData"]["list"]]
    assert all((page["success"], page["code"], page["resultData"]["total"]) == (True, 10000, 23) for page in pages)
    assert len({row["roll_number"] for row in rows}) == 23
    assert rows == sorted(rows, key=lambda row: (row["update_time"], row["roll_number"]))
    assert all(list(row) == FIELDS for row in rows)
    assert all(len(row["roll_number"]) == 18 and row["roll_number"].isdigit() for row in rows)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda asked: {**asked, "sign": "0" * 32}, 40001),
        (lambda asked: {**asked, "page": "2"}, 40001),
        (lambda asked: {name: value for name, value in asked.items() if name != "sign"}, 40001),
        (lambda asked: {**asked, "appId": "other", "sign": sign({**asked, "appId": "other"}, "hotline-secret")}, 40001),
    ],
)
async def test_a_request_not_signed_by_us_is_refused(
    clock: Clock, spoil: Callable[[dict[str, str]], dict[str, str]], code: int
) -> None:
    async with Hotline(clock=clock) as hotline, aiohttp.ClientSession() as session:
        caller = Caller(session, hotline, clock)

        answer = await caller.ask(spoil(caller.window()))

    assert (answer["success"], answer["code"]) == (False, code)


async def test_a_nonce_is_good_once_and_a_timestamp_ten_minutes(clock: Clock) -> None:
    async with Hotline(clock=clock) as hotline, aiohttp.ClientSession() as session:
        caller = Caller(session, hotline, clock)
        asked = caller.window()
        codes = [(await caller.ask(asked))["code"], (await caller.ask(asked))["code"]]
        old = caller.window()
        clock.pass_(timedelta(minutes=11))

        codes.append((await caller.ask(old))["code"])

    assert codes == [10000, 40003, 40001]


async def test_a_window_of_more_than_thirty_days_is_refused(clock: Clock) -> None:
    async with Hotline(clock=clock) as hotline, aiohttp.ClientSession() as session:
        caller = Caller(session, hotline, clock)

        thirty = await caller.ask(caller.window(endTime="2026-03-31 00:00:00"))
        more = await caller.ask(caller.window(endTime="2026-03-31 00:00:01"))

    assert thirty["success"]
    assert (more["success"], more["message"]) == (False, "查询时间跨度不能超过30天")


async def test_attachments_lie_under_their_relative_path_and_are_signed_too(clock: Clock) -> None:
    async with Hotline(clock=clock) as hotline, aiohttp.ClientSession() as session:
        for number in range(20):
            hotline.register(matter(1, number), clock())
        caller = Caller(session, hotline, clock)
        orders = (await caller.ask(caller.window()))["resultData"]["list"]
        paths = [path for one in orders for path in one["attachments"].split(",") if path]
        contents = [await caller.file(path, caller.signed()) for path in paths]
        unsigned = await caller.file(paths[0], {})

    assert all(content.startswith((b"\x89PNG", b"%PDF")) for content in contents)
    assert paths[0].startswith("file/2026-03-02/")
    assert b"40001" in unsigned


async def test_an_order_lives_and_is_pushed_back(clock: Clock) -> None:
    async with Hotline(clock=clock) as hotline:
        key = hotline.register(matter(1, 1), clock())
        states = [hotline.orders[key]["state"]]
        for action in ("签收", "处置", "回访", "退回重办", "催办", "补充", "撤单"):
            hotline.act(key, action, clock.pass_(timedelta(hours=1)), matter(1, 1))
            states.append(hotline.orders[key]["state"])
        order: Any = hotline.orders[key]

    assert states == ["待签收", "待处置", "已处置", "回访中", "退回重办", "退回重办", "退回重办", "已办结"]
    assert [step["id"] for step in order["workflow"]] == list(range(1, 9))
    assert order["workflow"][0]["action"] == "派单"
    assert "【市民补充】" in order["roll_content"]
    assert order["update_time"] == "2026-03-02 16:00:00"


async def test_the_platform_says_later_in_both_its_ways(clock: Clock) -> None:
    async with Hotline(clock=clock) as hotline, aiohttp.ClientSession() as session:
        caller = Caller(session, hotline, clock)
        hotline.switch.set("error")

        codes = {(await caller.ask(caller.window()))["code"] for _ in range(4)}

    assert codes == {40029, 50000}

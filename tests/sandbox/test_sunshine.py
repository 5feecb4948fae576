from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from sandbox.chinatime import stamp
from sandbox.faults import UnknownFault
from sandbox.matters import matter
from sandbox.sunshine import SunshinePlatform
from tests.sandbox.conftest import Clock

LOGIN = {"appId": "xinqiao", "appSecret": "sunshine-secret"}
RECORD_FIELDS = [
    "xfjid",
    "xfjbh",
    "cxm",
    "xfrq",
    "xfxs",
    "xfrs",
    "sjrs",
    "djjgmc",
    "djsj",
    "zssj",
    "bt",
    "gkxx",
    "tsnr",
    "sxr",
    "xfjzt",
    "wtsddm",
    "wtsdmc",
    "nrfldm",
    "nrflmc",
    "xfmddm",
    "xfmdmc",
    "lmbz",
    "gkbz",
    "nmbz",
    "isbm",
    "yybz",
    "zdjjbz",
    "rdwt",
    "sfssbz",
    "jabz",
    "qgccbz",
    "cfxfbz",
    "bfyrhdw",
    "ycrq",
    "xbjzsj",
    "lastmodifytime",
    "xfr",
    "blfs",
    "xgfj",
]


class Caller:
    """The platform as a client sees it."""

    def __init__(self, session: aiohttp.ClientSession, platform: SunshinePlatform) -> None:
        self._session, self._platform, self.token = session, platform, ""

    async def log_in(self, **credentials: str) -> dict[str, Any]:
        answer = await self.post("/api/auth/token", {**LOGIN, **credentials})
        self.token = answer.get("data", {}).get("token", "")
        return answer

    async def page(self, page: int = 1, size: int = 50, **window: str) -> dict[str, Any]:
        asked = {"lastmodifytimeBegin": "2026-01-01 00:00:00", "lastmodifytimeEnd": "2027-01-01 00:00:00", **window}
        return await self.post("/api/xfj/list", {**asked, "pageNo": page, "pageSize": size})

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"token": self.token}
        async with self._session.post(self._platform.url + path, json=body, headers=headers) as answer:
            assert answer.status == 200
            found: dict[str, Any] = await answer.json()
            return found

    async def file(self, path: str) -> tuple[str, bytes]:
        async with self._session.get(self._platform.url + path, headers={"token": self.token}) as answer:
            return answer.content_type, await answer.read()


async def test_pages_follow_the_time_of_change_and_hold_every_record_once(clock: Clock) -> None:
    async with SunshinePlatform(clock=clock) as platform, aiohttp.ClientSession() as session:
        for number in range(25):
            platform.register(matter(1, number), clock.pass_(timedelta(seconds=number % 2)))
        caller = Caller(session, platform)
        await caller.log_in()

        pages = [await caller.page(page, 10) for page in (1, 2, 3, 4)]

    rows = [row for page in pages for row in page["data"]["rows"]]
    assert [len(page["data"]["rows"]) for page in pages] == [10, 10, 5, 0]
    assert all(page["data"]["total"] == 25 for page in pages)
    assert len({row["xfjid"] for row in rows}) == 25
    assert rows == sorted(rows, key=lambda row: (row["lastmodifytime"], row["xfjid"]))


async def test_a_record_has_every_field_of_the_manual_and_flags_are_one_or_zero(clock: Clock) -> None:
    async with SunshinePlatform(clock=clock) as platform:
        keys = [platform.register(matter(1, number), clock()) for number in range(60)]
        records = [platform.records[key] for key in keys]

    assert all(list(record) == RECORD_FIELDS or set(record) == set(RECORD_FIELDS) for record in records)
    for flag in ("lmbz", "gkbz", "nmbz", "isbm", "yybz", "zdjjbz", "rdwt", "sfssbz", "jabz", "qgccbz", "cfxfbz"):
        assert {record[flag] for record in records} <= {"0", "1"}
    assert {"0", "1"} == {record["nmbz"] for record in records}
    assert all(record["nmbz"] == "1" or record["xfr"] for record in records)


async def test_only_changes_within_the_window_are_listed_both_ends_included(clock: Clock) -> None:
    async with SunshinePlatform(clock=clock) as platform, aiohttp.ClientSession() as session:
        times = [clock.pass_(timedelta(minutes=1)) for _ in range(4)]
        for number, time in enumerate(times):
            platform.register(matter(1, number), time)
        caller = Caller(session, platform)
        await caller.log_in()

        answer = await caller.page(lastmodifytimeBegin=stamp(times[1]), lastmodifytimeEnd=stamp(times[2]))

    assert [row["lastmodifytime"] for row in answer["data"]["rows"]] == [stamp(times[1]), stamp(times[2])]


async def test_a_wrong_secret_is_refused_and_a_token_expires(clock: Clock) -> None:
    async with SunshinePlatform(clock=clock) as platform, aiohttp.ClientSession() as session:
        caller = Caller(session, platform)
        wrong = await caller.log_in(appSecret="guess")
        before = await caller.page()
        right = await caller.log_in()
        fresh = await caller.page()
        clock.pass_(timedelta(seconds=1801))
        stale = await caller.page()

    assert wrong["code"] == 403
    assert before["code"] == 401
    assert right["data"]["expiresIn"] == 1800
    assert fresh["code"] == 0
    assert stale == {"code": 401, "msg": "token失效"}


async def test_attachments_are_real_files_of_the_size_the_record_says(clock: Clock) -> None:
    signatures = {"png": b"\x89PNG", "pdf": b"%PDF"}
    async with SunshinePlatform(clock=clock) as platform, aiohttp.ClientSession() as session:
        for number in range(30):
            platform.register(matter(1, number), clock())
        caller = Caller(session, platform)
        await caller.log_in()
        files = [file for row in (await caller.page())["data"]["rows"] for file in row["xgfj"]]
        contents = [(file, (await caller.file(file["url"]))[1]) for file in files]
        missing = await caller.file("/files/nothing/x.png")

    assert {file["fjmc"].rpartition(".")[2] for file in files} == {"png", "pdf"}
    assert all(content.startswith(signatures[file["fjmc"][-3:]]) for file, content in contents)
    assert all(len(content) == file["fjdx"] for file, content in contents)
    assert missing[1].decode() == "附件不存在"


@pytest.mark.parametrize(("step", "status"), [("撤回", "已撤回"), ("退回重办", "退回重办"), ("催办", "待受理")])
async def test_a_step_moves_the_time_of_change_and_is_told(clock: Clock, step: str, status: str) -> None:
    async with SunshinePlatform(clock=clock) as platform:
        key = platform.register(matter(1, 0), clock())
        platform.advance(key, step, clock.pass_(timedelta(hours=1)), matter(1, 0))
        record = platform.records[key]

    steps: Any = record["blfs"]
    assert record["lastmodifytime"] == "2026-03-02 10:00:00"
    assert record["xfjzt"] == status
    assert [one["blfs"] for one in steps] == ["登记", "转送", step]
    assert len({one["blfsid"] for one in steps}) == 3


async def test_a_supplement_adds_words_and_a_file(clock: Clock) -> None:
    async with SunshinePlatform(clock=clock) as platform:
        key = platform.register(matter(1, 0), clock())
        before = platform.records[key]
        platform.advance(key, "补充", clock.pass_(timedelta(hours=1)), matter(1, 0))
        after: Any = platform.records[key]

    assert str(after["tsnr"]).startswith(str(before["tsnr"]))
    assert len(after["tsnr"]) > len(str(before["tsnr"]))
    assert after["xgfj"][-1]["fjmc"].startswith("补充材料")


async def test_duplicate_pages_repeat_records_and_lose_none(clock: Clock) -> None:
    async with SunshinePlatform(clock=clock) as platform, aiohttp.ClientSession() as session:
        keys = {platform.register(matter(1, number), clock()) for number in range(25)}
        caller = Caller(session, platform)
        await caller.log_in()
        platform.switch.set("duplicate")

        rows = [row["xfjid"] for page in (1, 2, 3) for row in (await caller.page(page, 10))["data"]["rows"]]

    assert set(rows) == keys
    assert len(rows) > 25


async def test_the_faults_of_http(clock: Clock) -> None:
    async with SunshinePlatform(clock=clock) as platform, aiohttp.ClientSession() as session:
        caller = Caller(session, platform)
        await caller.log_in()
        platform.register(matter(1, 0), clock())
        address, seen = platform.url + "/api/xfj/list", {}
        for fault in ("500", "429", "error"):
            platform.switch.set(fault)
            async with session.post(address, json={}) as answer:
                seen[fault] = (answer.status, answer.headers.get("Retry-After"), (await answer.text())[:24])
        platform.switch.set("truncated")
        with pytest.raises(ValueError, match=r"char|delimiter|Unterminated"):
            await caller.page()
        platform.switch.set("cut")
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.page()
        platform.switch.set("none")
        works = await caller.page()

    assert seen["500"][0] == 500
    assert seen["429"][:2] == (429, "2")
    assert seen["error"] == (200, None, '{"code": 500, "msg": "\\u')
    assert works["code"] == 0


async def test_down_is_a_closed_port_and_the_same_port_opens_again(clock: Clock) -> None:
    async with SunshinePlatform(clock=clock) as platform:
        address = platform.url
        platform.switch.set("down")
        await platform.turned()
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await Caller(session, platform).log_in()
            platform.switch.set("none")
            await platform.turned()
            answer = await Caller(session, platform).log_in()

    assert platform.url == address
    assert answer["code"] == 0


def test_an_unknown_fault_is_named_with_those_that_exist() -> None:
    platform = SunshinePlatform()

    with pytest.raises(
        UnknownFault, match="sunshine: fault 'gone' is not known, expected one of 429, 500, 500-done, cut"
    ):
        platform.switch.set("gone")
    with pytest.raises(UnknownFault, match="share 2"):
        platform.switch.set("slow", 2)

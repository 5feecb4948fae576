"""The stand-in for 致远 behaves as the real one does, its bad habits included."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from sandbox.seeyon import Seeyon
from tests.sandbox.conftest import Clock

START = "/seeyon/rest/bpm/process/start"
LOGIN = {"userName": "rest", "password": "seeyon-password", "loginName": "xinfang"}


@dataclass
class Integrator:
    """Does what a partner's code does."""

    oa: Seeyon
    session: aiohttp.ClientSession
    token: str = ""

    async def log_in(self, **other: str) -> str:
        async with self.session.post(f"{self.oa.url}/seeyon/rest/token", json=LOGIN | other) as answer:
            self.token = (await answer.json())["id"]
            return self.token

    async def start(self, form: dict[str, Any] | None = None, **other: Any) -> tuple[int, Any]:
        tables = {"formmain_0124": form or {"信访件编号": "2026-000001"}, "formson_0125": [{"序号": "1"}]}
        data = {"templateCode": "XF_01", "draft": "0", "subject": "信访件", "data": tables, **other}
        body = {"appName": "collaboration", "data": data}
        headers = {"token": self.token}
        async with self.session.post(self.oa.url + START, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status == 200 else None


@asynccontextmanager
async def integrating(oa: Seeyon) -> AsyncIterator[Integrator]:
    async with oa, aiohttp.ClientSession() as session:
        one = Integrator(oa, session)
        await one.log_in()
        yield one


@pytest.fixture
async def us() -> AsyncIterator[Integrator]:
    async with integrating(Seeyon()) as one:
        yield one


async def test_a_process_is_started_and_its_numbers_stand_in_a_text_within_the_answer(us: Integrator) -> None:
    _, answer = await us.start()
    await us.start()

    assert answer["code"] == 0
    assert json.loads(answer["data"]["app_bussiness_data"])["summaryId"] == str(us.oa.processes[0].id)
    assert us.oa.started() == {"2026-000001": 2}  # it knows no idempotency


@pytest.mark.parametrize("wrong", [{"password": "guessed"}, {"userName": "nobody"}, {"loginName": "nobody"}])
async def test_a_wrong_login_gets_minus_one_for_a_token(us: Integrator, wrong: dict[str, str]) -> None:
    assert await us.log_in(**wrong) == "-1"
    assert (await us.start())[0] == 401


async def test_the_older_form_answers_with_bare_text(us: Integrator) -> None:
    url = f"{us.oa.url}/seeyon/rest/token/rest/seeyon-password?loginName=xinfang"
    async with us.session.get(url) as answer:
        us.token = await answer.text()
    async with us.session.get(url, headers={"Accept": "application/json"}) as answer:
        told = await answer.json()

    assert (await us.start())[0] == 200
    assert set(told) == {"id"}


@pytest.mark.parametrize(
    ("form", "other", "said"),
    [
        ({"编号": "1"}, {}, "表单字段[编号]不存在"),
        (None, {"templateCode": "XF_02"}, "模板XF_02不存在"),
        (None, {"data": {"formmain_9999": {}}}, "表单数据不正确"),
    ],
)
async def test_what_is_wrong_is_said_with_200_and_a_code(
    us: Integrator, form: dict[str, Any] | None, other: dict[str, Any], said: str
) -> None:
    status, answer = await us.start(form, **other)

    assert (status, answer["code"], answer["message"]) == (200, 1, said)
    assert us.oa.processes == []


async def test_a_token_is_good_for_a_quarter_of_an_hour(clock: Clock) -> None:
    async with integrating(Seeyon(clock=clock)) as us:
        clock.pass_(timedelta(minutes=14))
        young, _ = await us.start()
        clock.pass_(timedelta(minutes=1))
        old, _ = await us.start()

    assert (young, old) == (200, 401)

"""The stand-in for e-cology behaves as the real one does, its bad habits included."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sandbox.ecology import Ecology
from tests.sandbox.conftest import Clock

CREATE = "/api/workflow/paService/doCreateRequest"
LIST = "/api/workflow/paService/getMyWorkflowRequestList"
MAIN = [{"fieldName": "xfjbh", "fieldValue": "2026-000001"}]


@dataclass
class Integrator:
    """Does what a partner's code does."""

    oa: Ecology
    session: aiohttp.ClientSession
    spk: str = ""
    token: str = ""

    async def post(self, path: str, headers: dict[str, str], **more: Any) -> Any:
        async with self.session.post(self.oa.url + path, headers=headers, **more) as answer:
            assert answer.status == 200
            return await answer.json()

    async def log_in(self, life: str = "1800") -> Any:
        told = await self.post("/api/ec/dev/auth/regist", {"appid": "xinqiao", "cpk": "123"})
        self.spk = told["spk"]
        shown = {"appid": "xinqiao", "secret": self.encrypted(told["secrit"]), "time": life}
        given = await self.post("/api/ec/dev/auth/applytoken", shown)
        self.token = given["token"]
        return told, given

    def encrypted(self, text: str) -> str:
        key = load_der_public_key(base64.b64decode(self.spk))
        assert isinstance(key, RSAPublicKey)
        return base64.b64encode(key.encrypt(text.encode(), padding.PKCS1v15())).decode()

    async def call(self, path: str, user: str = "1024", **fields: Any) -> Any:
        form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return await self.post(path, self.shown(user), data=form)

    def shown(self, user: str = "1024") -> dict[str, str]:
        return {"appid": "xinqiao", "token": self.token, "userid": self.encrypted(user)}

    async def create(self, **other: Any) -> Any:
        return await self.call(CREATE, **{"workflowId": "23", "requestName": "信访件", "mainData": MAIN, **other})


@asynccontextmanager
async def integrating(oa: Ecology) -> AsyncIterator[Integrator]:
    async with oa, aiohttp.ClientSession() as session:
        one = Integrator(oa, session)
        await one.log_in()
        yield one


@pytest.fixture
async def us() -> AsyncIterator[Integrator]:
    async with integrating(Ecology()) as one:
        yield one


async def test_who_shows_the_secrit_under_the_key_gets_a_token(us: Integrator) -> None:
    told, given = await us.log_in()

    assert (told["status"], given["status"], bool(given["token"])) == (True, True, True)


async def test_another_key_another_secret_or_an_unknown_application_gets_none(us: Integrator) -> None:
    told, _ = await us.log_in()
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    wrong = [
        {"appid": "xinqiao", "secret": told["secrit"]},
        {"appid": "xinqiao", "secret": us.encrypted("guessed")},
        {"appid": "xinqiao", "secret": base64.b64encode(foreign.encrypt(b"x", padding.PKCS1v15())).decode()},
        {"appid": "nobody", "secret": us.encrypted(told["secrit"])},
    ]

    for headers in wrong:
        answer = await us.post("/api/ec/dev/auth/applytoken", headers)
        assert (answer["status"], "token" in answer) == (False, False)
    assert (await us.post("/api/ec/dev/auth/regist", {"appid": "nobody", "cpk": "1"}))["status"] is False


async def test_a_request_is_started_and_its_code_is_written_in_three_ways(us: Integrator) -> None:
    answers = [await us.create() for _ in range(3)]

    assert [one["data"]["requestid"] for one in answers] == [8888, 8889, 8890]
    assert [one["code"] for one in answers] == ["SUCCESS", {"name": "SUCCESS"}, {"statusCode": "SUCCESS"}]
    assert us.oa.started() == {"2026-000001": 3}  # it knows no idempotency


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mainData": []}, {"workflowId": "0"}),
        ({"mainData": "[{]"}, {"workflowId": "0"}),
        ({"mainData": [{"fieldName": "xfjbh"}]}, {"workflowId": "0"}),
        ({"workflowId": "25"}, {"workflowId": "0"}),
        ({"workflowId": "24", "mainData": [{"fieldName": "bt", "fieldValue": "x"}]}, {"bt": "字段不存在"}),
        ({"requestName": ""}, {"requestName": "不能为空"}),
        ({"mainData": [{"fieldName": "requestname", "fieldValue": "x"}]}, {"requestname": "字段不存在"}),
        ({"mainData": [{"fieldName": "zzz", "fieldValue": "x"}]}, {"zzz": "字段不存在"}),
    ],
)
async def test_what_is_wrong_is_said_with_200_and_often_of_another_field(
    us: Integrator, fields: dict[str, Any], said: dict[str, str]
) -> None:
    answer = await us.create(**fields)

    assert (answer["code"], answer["data"], answer["errMsg"]) == ("PARAM_ERROR", {}, said)
    assert us.oa.requests == []


async def test_a_body_of_json_is_not_understood(us: Integrator) -> None:
    answer = await us.post(CREATE, us.shown(), json={"workflowId": "23", "requestName": "x", "mainData": MAIN})

    assert answer["errMsg"] == {"workflowId": "0"}


async def test_the_user_must_be_shown_encrypted(us: Integrator) -> None:
    open_user = await us.post(CREATE, {**us.shown(), "userid": "1024"}, data={"workflowId": "23"})
    stranger = await us.call(CREATE, user="1")

    assert [one["code"] for one in (open_user, stranger)] == ["USER_EXCEPTION"] * 2


async def test_files_come_as_base64_and_need_a_folder() -> None:
    file = {"fieldName": "fj", "fieldValue": [{"filePath": "base64:JVBERg==", "fileName": "来信.pdf"}]}
    async with integrating(Ecology()) as us:
        await us.create(mainData=[*MAIN, file])
        kept = us.oa.requests[0].files
    async with integrating(Ecology(upload_folder=False)) as us:
        refused = await us.create(mainData=[*MAIN, file])

    assert kept == {"来信.pdf": b"%PDF"}
    assert refused["errMsg"] == {"fj": "字段未设置附件上传目录"}


async def test_a_token_runs_out_when_its_time_is_up_or_everything_is_forgotten(clock: Clock) -> None:
    async with integrating(Ecology(clock=clock)) as us:
        await us.log_in("60")
        clock.pass_(timedelta(seconds=61))
        late = await us.create()
        await us.log_in()
        us.oa.forget_logins()
        forgotten = await us.create()

    assert [one["status"] for one in (late, forgotten)] == [False, False]


async def test_who_started_a_request_finds_it_by_a_part_of_its_name(us: Integrator) -> None:
    await us.create(requestName="信访件2026-000001：收费")
    await us.create(requestName="信访件2026-000002：收费")

    found = await us.call(LIST, conditions={"requestname": "2026-000001"})
    nothing = await us.call(LIST, conditions={"requestname": "2026-000003"})

    assert [one["requestId"] for one in found] == ["8888"]
    assert nothing == []


@pytest.mark.parametrize(("fault", "done"), [("lost", 1), ("cut", 1), ("500-done", 1), ("500", 0), ("429", 0)])
async def test_faults_strike_before_or_after_the_request_is_started(us: Integrator, fault: str, done: int) -> None:
    us.oa.switch.set(fault, times=1)

    with pytest.raises((aiohttp.ClientError, AssertionError)):
        await us.create()

    assert len(us.oa.requests) == done
    assert (await us.create())["errMsg"] == {}  # it struck once

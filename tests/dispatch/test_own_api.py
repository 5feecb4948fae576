"""An OA with an interface of its own: login, requests made from templates, and how often anything is asked."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook as Verifier

from dispatch.answer import Answer, Verdict
from dispatch.client import Client
from dispatch.deciding import end_of_lookup, sign_of_lookup
from dispatch.own_api import Finding, Found, LoginFailed, OwnApi
from dispatch.parcel import Parcel
from dispatch.recording import Health
from dispatch.sender import Sender
from dispatch.settings import TargetSettings
from tests.dispatch.own_receiver import (
    NOW,
    Answering,
    OwnReceiver,
    answering,
    cut_off,
    ended_early,
    own_receiving,
    own_settings,
    parcel,
)
from tests.ingest.desk import SECRET

TITLE = "关于课后延时服务收费的疑问"
CASE: dict[str, Any] = {
    "case_id": "01J",
    "case_no": "2026-000123",
    "title": TITLE,
    "source_no": "../a?b#c",
    "received_at": "2026-03-02T09:14:55+08:00",
    "petitioners": [{"name": "顾晓棠"}, {"name": "李四"}],
    "attachments": [
        {"name": "来信.pdf", "sha256": "aa", "size": 4, "state": "stored"},
        {"name": "大.zip", "sha256": "bb", "size": 10**9, "state": "stored"},
    ],
}
LOGIN: dict[str, Any] = {
    "calls": [{"path": "/login", "body": {"user": "xinqiao", "password": "a-long-password"}, "take": {"token": "id"}}],
}
CREATE: dict[str, Any] = {
    "path": "/create",
    "headers": {"token": "{{ token }}"},
    "body": {"no": "{{ case.case_no }}"},
}


def event(case: Mapping[str, Any] = CASE, type_: str = "case.created", **more: Any) -> Parcel:
    told = {"type": type_, "timestamp": "2026-03-02T09:15:04.120+08:00", "data": {"case": case, "change": None}}
    return parcel(json.dumps(told, ensure_ascii=False).encode(), type_, **more)


def with_login(url: str, login: Mapping[str, Any] = LOGIN, **more: Any) -> TargetSettings:
    return own_settings(url, **{"calls": {"case.created": CREATE}, "login": login, **more})


async def sent(settings: TargetSettings, *parcels: Parcel, after: timedelta = timedelta(0)) -> list[Answer]:
    """Each in turn, the next so much later."""
    sender = Sender(settings)
    try:
        return [await sender.send(one, NOW + number * after) for number, one in enumerate(parcels)]
    finally:
        await sender.close()


async def asked_with(call: Mapping[str, Any], one: Parcel | None = None, **more: Any) -> OwnReceiver:
    """What arrives of a single event sent with this call."""
    async with own_receiving() as oa:
        oa.answer("/create", {"code": 0})
        settings = own_settings(oa.url, **{"calls": {"case.created": {"path": "/create", **call}}, **more})
        (answer,) = await sent(settings, one or event())
        assert answer.verdict is Verdict.DELIVERED, answer
    return oa


async def test_a_body_is_json_with_every_value_of_its_own_type() -> None:
    rows = {"each": "{{ case.petitioners }}", "row": {"序号": "{{ number }}", "姓名": "{{ row.name }}"}}
    oa = await asked_with({"body": {"编号": "{{ case.case_no }}", "人": rows, "n": 1}})

    (got,) = oa.asked
    assert (got.method, got.headers["content-type"]) == ("POST", "application/json; charset=utf-8")
    assert json.loads(got.body) == {
        "编号": "2026-000123",
        "人": [{"序号": 1, "姓名": "顾晓棠"}, {"序号": 2, "姓名": "李四"}],
        "n": 1,
    }


async def test_a_form_holds_json_where_a_value_is_no_text() -> None:
    body = {"requestName": "信访件 {{ case.case_no }}", "main": [{"name": "bt", "value": "{{ case.title }}"}], "n": 23}
    oa = await asked_with({"body_as": "form", "body": body})

    (got,) = oa.asked
    assert got.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    fields = {name: value[0] for name, value in parse_qs(got.body.decode(), strict_parsing=True).items()}
    assert (fields["requestName"], fields["n"]) == ("信访件 2026-000123", "23")
    assert json.loads(fields["main"]) == [{"name": "bt", "value": TITLE}]


async def test_a_form_that_is_no_block_of_fields_is_not_sent() -> None:
    async with own_receiving() as oa:
        body = {"each": "{{ case.petitioners }}", "row": "{{ row.name }}"}
        calls = {"case.created": {"path": "/create", "body_as": "form", "body": body}}
        (answer,) = await sent(own_settings(oa.url, calls=calls), event())

    assert (answer.verdict, answer.detail) == (Verdict.REJECTED, "calls.case.created.body: is no block of fields")
    assert oa.asked == []


async def test_path_query_and_headers_are_templates_too() -> None:
    call = {
        "path": "/create",
        "method": "PUT",
        "params": {"no": "{{ case.case_no }}", "标题": "{{ case.title }}"},
        "headers": {"x-case": "{{ case.case_id }}", "Content-Type": "application/vnd.oa+json"},
        "body": {},
    }
    oa = await asked_with(call, headers={"X-Case": "general", "x-gateway": "{{ event.type }}"})

    (got,) = oa.asked
    assert (got.method, parse_qs(got.path.partition("?")[2])) == ("PUT", {"no": ["2026-000123"], "标题": [TITLE]})
    assert (got.headers["x-case"], got.headers["x-gateway"]) == ("01J", "case.created")
    assert got.headers["content-type"] == "application/vnd.oa+json"  # once, as the call says
    assert got.headers["webhook-id"] == "evt_1"


async def test_what_a_citizen_wrote_leads_nowhere_else() -> None:
    async with own_receiving() as oa:
        oa.answer("/cases/../a?b#c", {})
        (answer,) = await sent(
            own_settings(oa.url, calls={"case.created": {"path": "/cases/{{ case.source_no }}"}}), event()
        )

    assert answer.verdict is Verdict.DELIVERED
    assert oa.asked[0].path == "/cases/..%2Fa%3Fb%23c"


@pytest.mark.parametrize("value", ["a\r\nx-admin: 1", "a\nb", "a\0b"])
async def test_a_header_cannot_be_broken_out_of(value: str) -> None:
    call = {**CREATE, "headers": {"x-title": "{{ case.title }}"}}
    async with own_receiving() as oa:
        settings = own_settings(oa.url, calls={"case.created": call}, idempotent=False)
        (answer,) = await sent(settings, event({**CASE, "title": value}))

    assert (answer.verdict, answer.detail) == (
        Verdict.REJECTED,
        "calls.case.created.headers.x-title: has a line break or NUL, which no header can hold",
    )
    assert oa.asked == []


async def test_files_small_enough_are_at_hand_in_base64_and_others_are_none() -> None:
    rows = {"each": "{{ case.attachments }}", "row": {"name": "{{ row.name }}", "file": "{{ row.content }}"}}
    oa = await asked_with({"body": {"files": rows}}, event(files={"aa": b"%PDF"}), inline_files=1000)

    assert json.loads(oa.asked[0].body)["files"] == [
        {"name": "来信.pdf", "file": base64.b64encode(b"%PDF").decode()},
        {"name": "大.zip", "file": None},
    ]


async def test_the_receivers_number_is_at_hand_once_it_is_known() -> None:
    oa = await asked_with({"body": {"requestId": "{{ receiver_id }}"}}, event(receiver_id="8888"))

    assert json.loads(oa.asked[0].body) == {"requestId": "8888"}


async def test_a_call_is_signed_where_a_secret_is_given() -> None:
    async with own_receiving() as oa:
        oa.answer("/create", {})
        sender = Sender(own_settings(oa.url, secret=SECRET))
        now = NOW.now(NOW.tzinfo)
        await sender.send(event(), now)
        await sender.close()

    Verifier(SECRET).verify(oa.asked[0].body.decode(), oa.asked[0].headers)


async def test_an_event_without_a_call_is_for_a_person() -> None:
    async with own_receiving() as oa:
        (answer,) = await sent(own_settings(oa.url), event(type_="case.withdrawn"))

    assert (answer.verdict, answer.status) == (Verdict.REJECTED, None)
    assert "it must be told by hand" in str(answer.detail)
    assert oa.asked == []


async def test_a_template_that_cannot_be_filled_is_for_a_person_and_says_where() -> None:
    async with own_receiving() as oa:
        call = {"path": "/create", "body": {"main": [{"value": "{{ case.titel }}"}]}}
        (answer,) = await sent(own_settings(oa.url, calls={"case.created": call}), event())

    assert (answer.verdict, answer.detail) == (
        Verdict.REJECTED,
        "calls.case.created.body.main.0.value: there is no titel",
    )
    assert oa.asked == []


async def test_logging_in_happens_once_and_again_when_its_time_is_up() -> None:
    async with own_receiving() as oa:
        oa.answer("/login", {"id": "first-token"}, {"id": "second-token"})
        oa.answer("/create", {})
        settings = with_login(oa.url, {**LOGIN, "lasts": timedelta(minutes=10)})
        await sent(settings, event(), event(), event(), after=timedelta(minutes=5))

    assert json.loads(oa.at("/login")[0].body) == {"user": "xinqiao", "password": "a-long-password"}
    assert [one.headers["token"] for one in oa.at("/create")] == ["first-token", "first-token", "second-token"]


async def test_many_at_once_log_in_once() -> None:
    async with own_receiving() as oa:
        oa.answer("/login", {"id": "one-token"})
        oa.answer("/create", {})
        sender = Sender(with_login(oa.url))
        await asyncio.gather(*(sender.send(event(), NOW) for _ in range(5)))
        await sender.close()

    assert (len(oa.at("/login")), len(oa.at("/create"))) == (1, 5)


async def test_a_login_that_fails_fails_all_who_wait_for_it_and_nobody_after() -> None:
    """Each by itself would wait for its own time limit, one after the other, until their leases are over."""
    on = asyncio.Event()

    async def hanging(_request: web.Request) -> web.Response:
        await on.wait()
        return web.Response(status=500)

    async with own_receiving() as oa:
        oa.answer("/login", hanging, {"id": "a-token"})
        oa.answer("/create", {})
        sender = Sender(with_login(oa.url))
        waiting = [asyncio.create_task(sender.send(event(), NOW)) for _ in range(8)]
        await oa.count("/login", 1)
        on.set()
        answers = await asyncio.gather(*waiting)
        after = await sender.send(event(), NOW)
        await sender.close()

    assert {(one.verdict, one.detail, one.status) for one in answers} == {
        (Verdict.AGAIN, "login.calls.0: HTTP 500, expected 200", 500)
    }
    assert after.verdict is Verdict.DELIVERED
    assert len(oa.at("/login")) == 2


@pytest.mark.parametrize(
    "refusal",
    [answering(401), lambda _: web.json_response({"status": False, "msg": "token已超时"})],
    ids=["401", "200"],
)
async def test_a_login_that_ran_out_is_renewed_once_and_the_call_made_again(refusal: Answering) -> None:
    async with own_receiving() as oa:
        oa.answer("/login", {"id": "old-token"}, {"id": "new-token"})
        oa.answer("/create", refusal, {"code": 0})
        (answer,) = await sent(with_login(oa.url, {**LOGIN, "refused": "status == `false`"}), event())

    assert answer.verdict is Verdict.DELIVERED
    assert [one.headers["token"] for one in oa.at("/create")] == ["old-token", "new-token"]


async def test_of_many_refused_at_once_one_logs_in_anew_for_all() -> None:
    async with own_receiving() as oa:
        oa.answer("/login", {"id": "old-token"}, {"id": "new-token"})
        oa.answer(
            "/create",
            lambda request: web.Response(status=200 if request.headers["token"] == "new-token" else 401),
        )
        sender = Sender(with_login(oa.url))
        answers = await asyncio.gather(*(sender.send(event(), NOW) for _ in range(8)))
        await sender.close()

    assert {one.verdict for one in answers} == {Verdict.DELIVERED}
    assert len(oa.at("/login")) == 2


@pytest.mark.parametrize("idempotent", [True, False])
async def test_refused_again_after_a_new_login_it_may_be_the_event_or_the_target(idempotent: bool) -> None:
    async with own_receiving() as oa:
        oa.answer("/login", {"id": "a-token"})
        oa.answer("/create", answering(401, "no entry"))
        (answer,) = await sent(with_login(oa.url, idempotent=idempotent), event())

    assert answer == Answer(Verdict.AGAIN, 401, "not let in, also after logging in anew", "no entry")
    assert (len(oa.at("/login")), len(oa.at("/create"))) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answering(500), "login.calls.0: HTTP 500, expected 200"),
        (answering(302, Location="/elsewhere"), "login.calls.0: HTTP 302, expected 200"),
        ({"id": None}, "login.calls.0: no id in the answer"),
        ({"id": ""}, "login.calls.0: no id in the answer"),
        ({"id": False}, "login.calls.0: no id in the answer"),
        ({}, "login.calls.0: no id in the answer"),
        ([], "login.calls.0: no id in the answer"),
        (answering(200, "<html>"), "login.calls.0: no id in the answer"),
        (cut_off, "login.calls.0: ServerDisconnectedError"),
    ],
)
@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_login_that_fails_leaves_the_event_unsent_for_later(
    answer: Answering | object, said: str, idempotent: bool
) -> None:
    async with own_receiving() as oa:
        oa.answer("/login", answer)
        (got,) = await sent(with_login(oa.url, idempotent=idempotent), event())

    assert (got.verdict, got.detail, got.reached) == (Verdict.AGAIN, said, False)
    assert oa.at("/create") == []


async def test_a_token_may_come_as_bare_text() -> None:
    async with own_receiving() as oa:
        oa.answer("/token/rest/pw", answering(200, "bare-token\n"))
        oa.answer("/create", {})
        login = {"calls": [{"method": "GET", "path": "/token/rest/pw", "take": {"token": "@"}}]}
        await sent(with_login(oa.url, login), event())

    assert oa.at("/create")[0].headers["token"] == "bare-token"


async def test_a_wrong_passwords_answer_can_be_told_from_a_token() -> None:
    login = {"calls": [{**LOGIN["calls"][0], "take": {"token": "id != '-1' && id"}}]}
    async with own_receiving() as oa:
        oa.answer("/login", {"id": "-1"}, {"id": "good-token"})
        oa.answer("/create", {})
        refused, let_in = await sent(with_login(oa.url, login), event(), event())

    assert (refused.verdict, refused.reached, let_in.verdict) == (Verdict.AGAIN, False, Verdict.DELIVERED)


async def test_steps_of_a_login_use_what_the_earlier_ones_gave() -> None:
    login = {
        "calls": [
            {"path": "/regist", "headers": {"appid": "xinqiao"}, "take": {"spk": "spk", "secrit": "secrit"}},
            {"path": "/token/{{ secrit }}", "params": {"spk": "{{ spk }}"}, "take": {"token": "token"}},
        ]
    }
    async with own_receiving() as oa:
        oa.answer("/regist", {"spk": "a+key", "secrit": "s/1"})
        oa.answer("/token/s/1", {"token": "given-token"})
        oa.answer("/create", {})
        (answer,) = await sent(with_login(oa.url, login), event())

    assert answer.verdict is Verdict.DELIVERED
    assert oa.asked[1].path == "/token/s%2F1?spk=a%2Bkey"


async def test_a_key_that_is_none_is_the_logins_trouble_not_the_events() -> None:
    """An OA in trouble must not have every event laid aside."""
    login = {
        "calls": [
            {"path": "/regist", "take": {"spk": "spk"}},
            {"path": "/token", "headers": {"secret": "{{ rsa(spk, 'x') }}"}, "take": {"token": "token"}},
        ]
    }
    async with own_receiving() as oa:
        oa.answer("/regist", {"spk": "no key"})
        (answer,) = await sent(with_login(oa.url, login), event())

    assert (answer.verdict, answer.reached) == (Verdict.AGAIN, False)
    assert answer.detail == "login.calls.1.headers.secret: rsa(): the first value is no public key in base64"


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_a_request_is_made_once_whatever_its_method(method: str) -> None:
    """The HTTP library would repeat a PUT or GET by itself when the connection breaks."""
    call = {"path": "/create", "method": method, **({} if method == "GET" else {"body": {}})}
    async with own_receiving() as oa:
        oa.answer("/create", cut_off)
        (answer,) = await sent(own_settings(oa.url, calls={"case.created": call}, idempotent=False), event())

    assert (answer.verdict, len(oa.asked)) == (Verdict.UNKNOWN, 1)


async def test_knocking_logs_in_and_sends_nothing() -> None:
    async with own_receiving() as oa:
        oa.answer("/login", {"id": "a-token"}, answering(500))
        settings = with_login(oa.url)
        for said in (None, "HTTP 500"):
            client = Client(settings)
            if said is None:
                assert await OwnApi(settings, client).let_in(NOW) == {"token": "a-token"}
            else:
                with pytest.raises(LoginFailed, match=said):
                    await OwnApi(settings, client).let_in(NOW)
            await client.close()

    assert {one.path for one in oa.asked} == {"/login"}


LOOKUP: dict[str, Any] = {
    "path": "/find",
    "method": "GET",
    "params": {"no": "{{ case.case_no }}"},
    "headers": {"token": "{{ token }}"},
    "found": "total > `0`",
    "absent": "total == `0`",
    "receiver_id": "rows[0].id",
}


async def found(oa: OwnReceiver, *answers: Answering | object, **more: Any) -> Finding:
    oa.answer("/login", {"id": "first-token"}, {"id": "second-token"})
    oa.answer("/find", *answers)
    settings = with_login(oa.url, idempotent=False, lookup={**LOOKUP, **more})
    assert settings.lookup is not None
    sender = Sender(settings)
    try:
        return await sender.find(settings.lookup, event(), NOW)
    finally:
        await sender.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"total": 1, "rows": [{"id": 8888}]}, (Found.FOUND, None, "8888")),
        ({"total": 0}, (Found.ABSENT, "lookup: it has not arrived", None)),
        ({"total": None}, (Found.UNSURE, "lookup: neither found nor absent", None)),
        ({}, (Found.UNSURE, "lookup: neither found nor absent", None)),
        ({"code": 500, "message": "系统繁忙"}, (Found.UNSURE, "lookup: neither found nor absent", None)),
        (answering(200, "<html>please log in</html>"), (Found.UNSURE, "lookup: neither found nor absent", None)),
        (answering(200, ""), (Found.UNSURE, "lookup: neither found nor absent", None)),
        (answering(200, '{"total": 0'), (Found.UNSURE, "lookup: neither found nor absent", None)),
        (ended_early(b'{"total": 0}'), (Found.UNSURE, "lookup: neither found nor absent", None)),
        (answering(404, '{"total": 0}'), (Found.UNSURE, "lookup: HTTP 404", None)),
        (answering(500), (Found.UNSURE, "lookup: HTTP 500", None)),
        (answering(401), (Found.UNSURE, "lookup: HTTP 401", None)),
        (cut_off, (Found.UNSURE, "lookup: ServerDisconnectedError", None)),
    ],
)
async def test_a_lookup_finds_finds_nothing_or_cannot_tell(
    answer: Answering | object, expected: tuple[Found, str | None, str | None]
) -> None:
    async with own_receiving() as oa:
        finding = await found(oa, answer)

    assert (finding.found, finding.detail, finding.receiver_id) == expected
    assert oa.at("/find")[0].path == "/find?no=2026-000123"
    assert oa.at("/create") == []


@pytest.mark.parametrize("media_type", ["text/html;charset=GBK", "text/html"])
async def test_logins_and_lookups_that_answer_in_gbk_are_understood(media_type: str) -> None:
    def gbk(document: object) -> Answering:
        body = json.dumps(document, ensure_ascii=False).encode("gbk")
        return lambda _request: web.Response(body=body, headers={"Content-Type": media_type})

    async with own_receiving() as oa:
        finding = await found(oa, gbk({"total": 1, "rows": [{"id": "信〔2026〕8号"}], "msg": "查询成功"}))
        oa.answer("/login", gbk({"msg": "登录成功", "id": "a-token"}))
        oa.answer("/create", {})
        await sent(with_login(oa.url), event())

    assert (finding.found, finding.receiver_id) == (Found.FOUND, "信〔2026〕8号")
    assert [one.headers["token"] for one in oa.at("/create")] == ["a-token"]


async def test_a_lookup_logs_in_anew_where_its_login_ran_out() -> None:
    async with own_receiving() as oa:
        finding = await found(oa, answering(401), {"total": 0})

    assert finding.found is Found.ABSENT
    assert [one.headers["token"] for one in oa.at("/find")] == ["first-token", "second-token"]


async def test_a_lookup_that_cannot_be_filled_or_let_in_cannot_tell() -> None:
    async with own_receiving() as oa:
        unfilled = await found(oa, {"total": 0}, params={"no": "{{ case.nothing }}"})
        oa.answers["/login"] = [answering(500)]
        settings = with_login(oa.url, idempotent=False, lookup=LOOKUP)
        assert settings.lookup is not None
        sender = Sender(settings)
        shut = await sender.find(settings.lookup, event(), NOW)
        await sender.close()

    assert unfilled == Finding(Found.UNSURE, "lookup: lookup.params.no: there is no nothing")
    assert (shut.found, shut.detail) == (Found.UNSURE, "lookup: login.calls.0: HTTP 500, expected 200")
    assert oa.at("/find") == []


async def test_a_number_of_any_shape_is_kept_as_text_and_none_as_none() -> None:
    numbers: list[tuple[object, str | None]] = [
        (8888, "8888"),
        ("-5512594795463686679", "-5512594795463686679"),
        ("", None),
        (None, None),
        ("x" * 500, "x" * 200),
        ("a\u0000b\ud800c", "a\ufffdb\ufffdc"),
        ({"a": 1}, '{"a": 1}'),
    ]
    async with own_receiving() as oa:
        oa.answer("/create", *({"id": number} for number, _ in numbers))
        answers = await sent(own_settings(oa.url, receiver_id="id"), *[event()] * len(numbers))

    assert [one.receiver_id for one in answers] == [kept for _, kept in numbers]


async def test_a_receiver_that_never_knew_a_parcel_sends_it_under_its_own_name() -> None:
    first, second = event(), replace(event(), event_id="evt_2")
    async with own_receiving() as oa:
        oa.answer("/create", {})
        await sent(own_settings(oa.url), first, second)

    assert [one.headers["webhook-id"] for one in oa.asked] == ["evt_1", "evt_2"]


LATER = {"Retry-After": "600"}


async def test_a_login_that_asks_for_patience_is_given_it() -> None:
    async with own_receiving() as oa:
        oa.answer("/login", answering(429, **LATER))
        oa.answer("/create", {})
        answers = await sent(with_login(oa.url), event())

    assert [(one.verdict, one.wait, one.reached) for one in answers] == [(Verdict.AGAIN, timedelta(seconds=600), False)]


async def test_a_lookup_that_asks_for_patience_is_given_it_and_the_target_left_alone() -> None:
    async with own_receiving() as oa:
        oa.answer("/login", {"id": "a-token"})
        oa.answer("/find", answering(503, **LATER))
        settings = with_login(oa.url, idempotent=False, lookup={**LOOKUP, "path": "/find"})
        assert settings.lookup is not None
        sender = Sender(settings)
        finding = await sender.find(settings.lookup, event(), NOW)
        await sender.close()
    sign = sign_of_lookup(event(), finding, at=NOW, doubts=0, chance=0.5)
    end = end_of_lookup(event(), finding, settings, at=NOW, took=timedelta(0), sign=sign, chance=0.5)

    assert finding.wait == timedelta(seconds=600)
    assert sign is not None
    assert (sign.health, sign.wait) == (Health.TROUBLED, timedelta(seconds=600))
    assert (end.due, end.charged) == (NOW, False)


async def test_a_date_to_wait_for_counts_from_the_answer_not_from_the_question() -> None:
    async def thinking(_request: web.Request) -> web.Response:
        await asyncio.sleep(1.5)
        return web.Response(
            status=503, headers={"Retry-After": format_datetime(NOW + timedelta(minutes=1), usegmt=True)}
        )

    async with own_receiving() as oa:
        oa.answer("/create", thinking)
        (answer,) = await sent(own_settings(oa.url), event())

    assert answer.wait is not None
    assert timedelta(seconds=40) < answer.wait <= timedelta(seconds=58.5)

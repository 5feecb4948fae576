from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from sandbox import chinatime
from sandbox.oa import BadSignature, OaInbox, verify
from sandbox.oa_pages import OaPages
from sandbox.oa_reports import Reporter
from sandbox.web import Listener

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four!").decode()
COLLECTED = time.time()
"""When the headers below are signed: a long run reaches them minutes later."""
REPORTS = "whsec_" + base64.b64encode(b"a third of twenty-four..").decode()
DISCIPLINE = "whsec_" + base64.b64encode(b"another of twenty-four..").decode()


def _event(case_id: str = "C1", revision: int = 1, kind: str = "case.created", **case: Any) -> bytes:
    told = {"case_id": case_id, "case_no": "2026-000001", "revision": revision, "title": "咨询学区", **case}
    body = {"type": kind, "timestamp": "2026-03-02T09:15:04.120+08:00", "data": {"case": told, "change": None}}
    return json.dumps(body, ensure_ascii=False).encode()


def _headers(event_id: str, body: bytes, secret: str = SECRET, age: timedelta = timedelta(0)) -> dict[str, str]:
    """Signed by the independent implementation."""
    moment = datetime.now(UTC) - age
    signature = Webhook(secret).sign(event_id, moment, body.decode())
    stamp = str(int(moment.timestamp()))
    return {"webhook-id": event_id, "webhook-timestamp": stamp, "webhook-signature": signature}


async def _post(
    oa: OaInbox, event_id: str, body: bytes, path: str = "/webhook", secret: str = SECRET
) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(oa.url + path, data=body, headers=_headers(event_id, body, secret)) as answer,
    ):
        return answer.status, await answer.json()


async def _get(oa: OaInbox, path: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(oa.url + path) as answer:
        return await (answer.json() if answer.content_type == "application/json" else answer.text())


def _inbox(folder: Path) -> OaInbox:
    return OaInbox(folder / "oa.sqlite", {"": SECRET, "discipline": DISCIPLINE})


def test_what_the_independent_implementation_signs_is_accepted() -> None:
    body = _event()

    assert verify(SECRET, _headers("m1", body), body, time.time()) == "m1"


def test_one_good_signature_among_several_is_enough() -> None:
    body = _event()
    headers = _headers("m1", body)
    headers["webhook-signature"] = (
        f"{_headers('m1', body, DISCIPLINE)['webhook-signature']} {headers['webhook-signature']}"
    )

    assert verify(SECRET, headers, body, time.time()) == "m1"


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (_headers("m1", _event(), DISCIPLINE), _event(), "no signature matches"),
        (_headers("m1", _event()), _event(revision=2), "no signature matches"),
        ({**_headers("m1", _event()), "webhook-id": "m2"}, _event(), "no signature matches"),
        (_headers("m1", _event(), age=timedelta(minutes=6)), _event(), "five minutes"),
        ({"webhook-id": "m1"}, _event(), "webhook-timestamp"),
        ({**_headers("m1", _event()), "webhook-timestamp": "soon"}, _event(), "five minutes"),
    ],
)
def test_what_was_not_signed_so_is_refused(headers: dict[str, str], body: bytes, reason: str) -> None:
    with pytest.raises(BadSignature, match=reason):
        verify(SECRET, headers, body, COLLECTED)


async def test_a_repeated_event_is_taken_once_and_gets_the_same_answer(tmp_path: Path) -> None:
    async with _inbox(tmp_path) as oa:
        answers = [await _post(oa, "m1", _event()) for _ in range(3)]
        stats = await _get(oa, "/api/stats")

    assert answers == [(200, {"code": 0, "id": f"OA-{chinatime.now().year}-00001"})] * 3
    assert stats == {"events": 1, "duplicates": 2, "altered": 0, "out_of_order": 0, "cases": 1, "bad_signatures": 0}


async def test_a_repetition_with_another_body_and_an_older_revision_are_counted(tmp_path: Path) -> None:
    async with _inbox(tmp_path) as oa:
        await _post(oa, "m1", _event(revision=1))
        await _post(oa, "m3", _event(revision=3, title="第三版"))
        await _post(oa, "m2", _event(revision=2, title="第二版"))
        await _post(oa, "m1", _event(revision=9))
        stats = await _get(oa, "/api/stats")
        cases = await _get(oa, "/api/cases")
        events = await _get(oa, "/api/events?case_id=C1")

    assert (stats["events"], stats["altered"], stats["out_of_order"]) == (3, 1, 1)
    assert (cases[0]["revision"], cases[0]["case"]["title"]) == (3, "第三版")
    assert [event["webhook_id"] for event in events] == ["m1", "m3", "m2"]


async def test_a_bad_signature_is_answered_401_and_counted(tmp_path: Path) -> None:
    async with _inbox(tmp_path) as oa:
        status, _ = await _post(oa, "m1", _event(), secret=DISCIPLINE)
        stats = await _get(oa, "/api/stats")

    assert status == 401
    assert (stats["events"], stats["bad_signatures"]) == (0, 1)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"type": "case.created", "data": {"case": {}}}'])
async def test_a_body_that_is_no_event_is_answered_400(tmp_path: Path, body: bytes) -> None:
    async with _inbox(tmp_path) as oa:
        status, _ = await _post(oa, "m1", body)
        stats = await _get(oa, "/api/stats")

    assert (status, stats["events"]) == (400, 0)


async def test_restricted_cases_come_by_their_own_route_with_their_own_secret(tmp_path: Path) -> None:
    async with _inbox(tmp_path) as oa:
        wrong, _ = await _post(oa, "m1", _event(), "/webhook/discipline", SECRET)
        right, _ = await _post(oa, "m1", _event(title="举报"), "/webhook/discipline", DISCIPLINE)
        nowhere, _ = await _post(oa, "m1", _event(), "/webhook/elsewhere")
        ordinary = await _get(oa, "/api/cases")
        restricted = await _get(oa, "/api/cases?route=discipline")

    assert (wrong, right, nowhere) == (401, 200, 404)
    assert ordinary == []
    assert [one["case"]["title"] for one in restricted] == ["举报"]


async def test_the_ledger_survives_a_restart(tmp_path: Path) -> None:
    async with _inbox(tmp_path) as oa:
        first = await _post(oa, "m1", _event())
    async with _inbox(tmp_path) as oa:
        again = await _post(oa, "m1", _event())
        stats = await _get(oa, "/api/stats")

    assert first == again
    assert (stats["events"], stats["duplicates"]) == (1, 1)


async def test_a_case_that_was_lost_is_taken_again_by_an_event_known_already(tmp_path: Path) -> None:
    async with _inbox(tmp_path) as oa:
        await _post(oa, "m1", _event())
        oa.ledger._run("DELETE FROM matter")
        again = await _post(oa, "m1", _event())
        cases = await _get(oa, "/api/cases")

    assert again[0] == 200
    assert [one["case"]["case_id"] for one in cases] == ["C1"]


async def test_a_cut_answer_comes_after_the_event_was_stored(tmp_path: Path) -> None:
    async with _inbox(tmp_path) as oa:
        oa.switch.set("cut")
        with pytest.raises(aiohttp.ClientPayloadError):
            await _post(oa, "m1", _event())
        stats = await _get(oa, "/api/stats")

    assert stats["events"] == 1


async def test_a_slow_answer_comes_after_the_event_was_stored(tmp_path: Path) -> None:
    async with _inbox(tmp_path) as oa:
        oa.switch.set("slow")
        posting = asyncio.create_task(_post(oa, "m1", _event()))
        async with asyncio.timeout(10):
            while not (await _get(oa, "/api/stats"))["events"]:  # each look is a round trip, no spinning
                pass
        unanswered = not posting.done()
        posting.cancel()

    assert unanswered


@pytest.mark.parametrize(("fault", "status"), [("500", 500), ("429", 429), ("error", 200)])
async def test_a_refused_event_is_not_stored_and_pages_still_work(tmp_path: Path, fault: str, status: int) -> None:
    async with _inbox(tmp_path) as oa:
        oa.switch.set(fault)
        body = _event()
        async with (
            aiohttp.ClientSession() as session,
            session.post(oa.url + "/webhook", data=body, headers=_headers("m1", body)) as answer,
        ):
            seen = answer.status
        stats = await _get(oa, "/api/stats")

    assert (seen, stats["events"]) == (status, 0)


async def test_the_pages_show_a_case_in_both_languages_and_nothing_restricted_on_the_ordinary_list(
    tmp_path: Path,
) -> None:
    due = [{"rule": "xf.notice", "kind": "notice", "due_at": "2026-03-17T23:59:59+08:00", "basis": "第二十三条"}]
    oa = _inbox(tmp_path)
    OaPages(oa.app, oa.ledger, {})
    async with oa:
        await _post(oa, "m1", _event(channel_kind="mailbox", deadlines=due, content="<b>正文</b>"))
        await _post(oa, "m2", _event("C2", title="举报某校长"), "/webhook/discipline", DISCIPLINE)
        await _post(oa, "m3", _event("C3", title=None, restricted=True))
        listed, english = await _get(oa, "/"), await _get(oa, "/?lang=en")
        case, restricted = await _get(oa, "/cases/C1"), await _get(oa, "/discipline")

    assert "咨询学区" in listed
    assert "局长信箱" in listed
    assert "2026-03-17 23:59" in listed
    assert "Petition inbox" in english
    assert "举报某校长" not in listed
    assert "举报某校长" in restricted
    assert "&lt;b&gt;正文&lt;/b&gt;" in case
    assert "http-equiv" in listed
    assert "//" not in listed.replace("<!doctype html>", "")


async def test_a_file_of_a_case_is_fetched_with_the_bearer_token(tmp_path: Path) -> None:
    async def file(request: web.Request) -> web.Response:
        right = request.headers.get("Authorization") == "Bearer token-of-the-oa"
        return web.Response(body=b"%PDF", content_type="application/pdf") if right else web.Response(status=401)

    app = web.Application()
    app.router.add_get("/files/C1/abc", file)
    source = Listener(app, 0)
    await source.start()
    attachment = {"name": "a.pdf", "sha256": "abc", "url": f"{source.url}/files/C1/abc"}
    oa = _inbox(tmp_path)
    OaPages(oa.app, oa.ledger, {"": "token-of-the-oa"})
    async with oa, aiohttp.ClientSession() as session:
        await _post(oa, "m1", _event(attachments=[attachment]))
        async with session.get(f"{oa.url}/cases/C1/files/abc") as answer:
            fetched = (answer.status, await answer.read())
        async with session.get(f"{oa.url}/cases/C1/files/other") as answer:
            missing = answer.status
    await source.stop()

    assert fetched == (200, b"%PDF")
    assert missing == 404


async def test_a_case_taken_back_leaves_only_its_numbers(tmp_path: Path) -> None:
    case = {"case_id": "C1", "case_no": "2026-000001", "restricted": True}
    data = {"case": case, "change": None}
    event = {"type": "case.withdrawn", "timestamp": "2026-03-02T09:20:00.000+08:00", "data": data}
    async with _inbox(tmp_path) as oa:
        await _post(oa, "m1", _event(revision=3))
        await _post(oa, "m2", json.dumps(event).encode())
        (matter,) = await _get(oa, "/api/cases")
        stats = await _get(oa, "/api/stats")

    assert (matter["last_type"], matter["case"]) == ("case.withdrawn", case)
    assert stats["out_of_order"] == 0


async def test_the_page_reports_back_signed_and_shows_what_was_answered(tmp_path: Path) -> None:
    heard: list[tuple[str, dict[str, Any]]] = []
    answers = iter([500, 200, 409])

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        report_id = verify(REPORTS, request.headers, body, time.time())
        heard.append((report_id, json.loads(body)))
        return web.json_response({"error": "expected reopened"}, status=next(answers))

    console = web.Application()
    console.router.add_post("/api/v1/reports", take)
    listener = Listener(console, 0)
    await listener.start()
    oa = _inbox(tmp_path)
    OaPages(oa.app, oa.ledger, {}, Reporter(oa.ledger, f"{listener.url}/api/v1/reports", {"": REPORTS}))
    async with oa, aiohttp.ClientSession() as browser:
        await _post(oa, "m1", _event())
        for form in ({"type": "accepted"}, {}, {"type": "closed"}):
            async with browser.post(f"{oa.url}/cases/C1/report", data=form) as answer:
                page = await answer.text()
        async with browser.post(f"{oa.url}/cases/C1/report", data={"type": "lost"}) as answer:
            assert answer.status == 400
    await listener.stop()

    assert [(one["case_id"], one["type"]) for _, one in heard] == [
        ("C1", kind) for kind in ("accepted",) * 2 + ("closed",)
    ]
    assert heard[0] == heard[1]  # again under the same id, with the same words
    assert "409" in page
    assert "expected reopened" in page

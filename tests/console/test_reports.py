"""Reports over HTTP, as an OA sends them: signed by an independent implementation of Standard Webhooks."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook as Signer

from dispatch.settings import ReportsSettings, TargetSettings
from ingest.console import ConsoleSettings, FileAccess
from ingest.console.reports import LARGEST
from ingest.office import Office
from tests.console.conftest import Browser, build
from tests.console.town import NOW, populate
from tests.ingest.desk import Desk, desk_over, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.test_docs import FOR_THE_OA, snippet

OLD, NEW, LINE = ("whsec_" + letter * 32 for letter in "ABC")
PATH = "/api/v1/reports"


def reporting(*secrets: str, **settings: Any) -> TargetSettings:
    return target(reports=ReportsSettings(secret=tuple(map(SecretStr, secrets))), **settings)


TARGETS = {"oa": reporting(OLD, NEW), "discipline": reporting(LINE, restricted="only")}


@pytest.fixture
def desk(office: Office) -> Desk:
    return desk_over(office.store, TARGETS)


@pytest.fixture
async def client(office: Office, desk: Desk) -> Any:
    access = {name: FileAccess((f"token-of-{name}-0001",), one) for name, one in TARGETS.items()}
    settings = ConsoleSettings(secure_cookies=False, targets=access, reporters=TARGETS)
    async with TestClient(TestServer(build(office, populate(office.store), settings).app)) as opened:
        yield opened


def said(case_id: str, type_: str = "accepted", **more: Any) -> bytes:
    told = {"case_id": case_id, "type": type_, "at": (NOW - timedelta(hours=1)).isoformat(), **more}
    return json.dumps(told, ensure_ascii=False).encode()


def signed(body: bytes, secret: str = OLD, report_id: str = "rep_1", at: datetime = NOW) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "webhook-id": report_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(secret).sign(report_id, at, body.decode()),
    }


async def sent(client: Browser, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    answer = await client.post(PATH, data=body, headers=headers or signed(body))
    return answer.status, await answer.json()


@pytest.fixture
def case_id(desk: Desk) -> str:
    return desk.take_in(reading("x:1"), key="1")[0]


async def test_a_report_is_taken_and_shows_when_the_oa_asks(client: Browser, desk: Desk, case_id: str) -> None:
    status, answer = await sent(client, said(case_id))

    assert (status, answer["case_id"], answer["type"]) == (200, case_id, "accepted")
    asked = await client.get(f"/api/v1/cases/{case_id}", headers={"Authorization": "Bearer token-of-oa-0001"})
    shown = await asked.json()
    ended = {one["rule"]: one["ended_at"] for one in shown["deadlines"]}
    assert ended["xf.notice"] is not None
    assert (shown["revision"], desk.events().count("case.updated")) == (1, 0)


async def test_again_under_the_same_id_is_answered_as_the_first_time(client: Browser, case_id: str) -> None:
    first = await sent(client, said(case_id))

    assert await sent(client, said(case_id)) == first
    status, answer = await sent(client, said(case_id, "closed"))
    assert (status, "other words" in answer["error"]) == (409, True)


async def test_either_secret_is_good_while_it_is_changed(client: Browser, case_id: str) -> None:
    assert (await sent(client, said(case_id), signed(said(case_id), NEW)))[0] == 200
    closed = said(case_id, "closed")
    assert (await sent(client, closed, signed(closed, OLD, "rep_2")))[0] == 200


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"webhook-signature": "v1,AAAA"}, "no signature"),
        ({"webhook-timestamp": str(int(NOW.timestamp()) - 301)}, "five minutes"),
        ({"webhook-timestamp": "9" * 5000}, "five minutes"),
        ({"webhook-id": "rep_9"}, "no signature"),
        ({"webhook-id": "报告"}, "webhook-id"),
        ({"webhook-signature": "v1,签"}, "no signature"),
    ],
)
async def test_what_is_not_genuine_is_refused(
    client: Browser, case_id: str, change: dict[str, str], expected: str
) -> None:
    status, answer = await sent(client, said(case_id), signed(said(case_id)) | change)

    assert (status, expected in answer["error"]) == (401, True)


async def test_without_any_signature_nothing_is_taken(client: Browser, case_id: str) -> None:
    assert (await sent(client, said(case_id), {"content-type": "application/json"}))[0] == 401


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (b"<html>", 400, "body"),
        (b'{"case_id": "01J", "type": "accepted"', 400, "body"),
        (b"[]", 422, "body"),
        (b'{"type": "accepted", "at": "2026-03-02T09:30:00+08:00"}', 422, "case_id"),
        (b'{"case_id": "01J", "type": "lost", "at": "2026-03-02T09:30:00+08:00"}', 422, "type"),
        (b'{"case_id": "\\u0000", "type": "closed", "at": "2026-03-02T09:30:00+08:00"}', 422, "case_id"),
        (b'{"case_id": "01J", "type": "closed", "at": "0001-01-01T00:00:00+08:00"}', 422, "at"),
        (b'{"case_id": "01J", "type": "closed", "at": "2126-03-02T09:30:00+08:00"}', 422, "future"),
        (b'{"case_id": "01J", "type": "extended", "at": "2026-03-01T09:30:00+08:00"}', 422, "until"),
    ],
)
async def test_what_is_no_report_is_refused_with_what_was_expected(
    client: Browser, body: bytes, status: int, expected: str
) -> None:
    found, answer = await sent(client, body)

    assert (found, expected in answer["error"]) == (status, True)


async def test_of_a_case_it_may_not_see_a_target_learns_nothing(client: Browser, desk: Desk, case_id: str) -> None:
    (secret,) = desk.take_in(reading("x:2", **ACCUSATION), key="2")

    refused = [await sent(client, said(one)) for one in (secret, "01NONE")]
    by_line = said(secret)

    assert [status for status, _ in refused] == [404, 404]
    assert refused[0][1]["error"].replace(secret, "01NONE") == refused[1][1]["error"]
    assert (await sent(client, by_line, signed(by_line, LINE)))[0] == 200
    assert (await sent(client, said(case_id), signed(said(case_id), LINE, "rep_2")))[0] == 404


async def test_what_cannot_follow_is_refused_with_what_can(client: Browser, case_id: str) -> None:
    status, answer = await sent(client, said(case_id, "reopened"))

    assert (status, "expected accepted, not_ours" in answer["error"]) == (409, True)
    assert (await sent(client, said(case_id, "closed")))[0] == 200  # what was refused took no id


async def test_a_report_is_no_place_for_a_book(client: Browser, case_id: str) -> None:
    longest = said(case_id, text="长" * 20_000, public_text="长" * 20_000)
    assert (await sent(client, longest))[0] == 200

    for size in (LARGEST + 1, 2 * 1024 * 1024):
        answer = await client.post(PATH, data=BytesIO(b" " * size), headers=signed(b""))
        assert answer.status == 413


async def test_where_no_target_reports_nobody_is_heard(office: Office) -> None:
    async with TestClient(TestServer(build(office, populate(office.store)).app)) as opened:
        status, answer = await sent(opened, said("01J"))

    assert (status, answer["error"]) == (401, "no target has a secret for reports")


@pytest.mark.parametrize("guide", FOR_THE_OA, ids=lambda path: path.name)
async def test_the_integrators_own_lines_report_a_case(client: Browser, case_id: str, guide: Path) -> None:
    report: Any = snippet(guide, 2, "report")
    told = json.loads(said(case_id)) | {"at": (NOW - timedelta(hours=1)).isoformat()}
    address = str(client.make_url(PATH))

    with patch("time.time", NOW.timestamp):
        answer = await asyncio.to_thread(report, address, OLD, told, "rep_guide")

    assert (answer["case_id"], answer["type"]) == (case_id, "accepted")

"""A case that is no longer restricted: what it was stays closed to those who could not see it then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import insert, literal, select, update

from dispatch.attempts import Attempt, attempt_row
from dispatch.settings import TargetSettings
from ingest.attachments import vetted
from ingest.compute import Correction
from ingest.console import ConsoleSettings, FileAccess
from ingest.office import Office
from normalize.case import AttachmentRole, AttachmentState
from normalize.reading import Part
from store.schema import attachment, attempt, delivery, raw
from tests.console.conftest import Browser, House, build, log_in, read
from tests.console.town import populate
from tests.ingest.desk import Desk, desk_over, reading, target
from tests.ingest.test_cases import ACCUSATION

SECRET = "举报桃溪小学校长收受回扣"
OA = {"Authorization": "Bearer token-of-the-oa-0001"}


@pytest.fixture
def desk(house: House) -> Desk:
    return desk_over(house.store, {"oa": target(), "line": target(restricted="only")})


def raws_of(desk: Desk) -> list[int]:
    wanted = select(raw.c.id).where(raw.c.key == "opened").order_by(raw.c.id)
    return list(desk.store.read_now(lambda conn: conn.execute(wanted).scalars()))


@pytest.mark.parametrize(("role", "sees"), [("clerk", False), ("leader", False), ("discipline", True)])
async def test_what_a_case_was_while_restricted_is_for_those_who_could_see_it_then(
    house: House, browser: Browser, desk: Desk, role: str, sees: bool
) -> None:
    part = Part("证据.txt", AttachmentRole.EVIDENCE, AttachmentState.STORED, content=SECRET.encode())
    accused = reading("x:1", **{**ACCUSATION, "title": SECRET}, parts=(part,))
    (case_id,) = desk.take_in(accused, key="opened")
    sha = desk.case(case_id).attachments[0].sha256
    for value in (SECRET * 2, "课表"):
        fix = Correction("content", value)
        desk.write(lambda conn, fix=fix: desk.desk.correct(conn, case_id, [fix], "he", later(desk)))
    desk.take_in(reading("x:1", title="咨询作息时间"), key="opened")
    await log_in(browser, role)
    first, last = raws_of(desk)

    page = await read(browser, f"/cases/{case_id}")
    original = await browser.get(f"/cases/{case_id}/originals/{first}")
    file = await browser.get(f"/files/{case_id}/{sha}")
    assert "咨询作息时间" in page
    assert (SECRET in page) is sees
    assert [original.status, file.status] == ([200, 200] if sees else [404, 404])
    assert (await browser.get(f"/cases/{case_id}/originals/{last}")).status == 200


async def test_a_case_a_person_opened_shows_the_original_it_is_made_from(browser: Browser, desk: Desk) -> None:
    (case_id,) = desk.take_in(reading("x:1", **ACCUSATION), key="opened")
    for field, value in (("restricted", False), ("restricted_reason", None)):
        desk.write(
            lambda conn, f=field, v=value: desk.desk.correct(conn, case_id, [Correction(f, v)], "he", later(desk))
        )
    await log_in(browser, "clerk")

    assert (await browser.get(f"/cases/{case_id}/originals/{raws_of(desk)[0]}")).status == 200


@pytest.mark.parametrize(("role", "sees"), [("operator", False), ("clerk", True)])
async def test_what_a_receiver_said_is_shown_to_those_who_may_read_the_case(
    browser: Browser, desk: Desk, role: str, sees: bool
) -> None:
    (case_id,) = desk.take_in(reading("x:1"), key="opened")
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    made = Attempt(at, timedelta(seconds=1), "rejected", 422, "HTTP 422", excerpt="顾晓棠 is unknown here")
    wanted = select(delivery.c.id).where(delivery.c.case_id == case_id)
    number = desk.store.read_now(lambda conn: conn.execute(wanted).scalar_one())
    desk.write(lambda conn: conn.execute(insert(attempt).values(attempt_row(desk.store.sealer, number, made))))
    await log_in(browser, role)

    assert ("is unknown here" in await read(browser, f"/cases/{case_id}")) is sees
    assert "is unknown here" not in await read(browser, "/deliveries")
    assert "HTTP 422" in await read(browser, "/deliveries")


@pytest.mark.parametrize(
    ("settings", "delivered", "status"),
    [
        ({}, None, 200),
        ({"enabled": False}, None, 404),
        ({"channels": ("director_mailbox",)}, None, 404),
        ({"channels": ("director_mailbox",)}, "delivered", 200),
        ({"channels": ("director_mailbox",)}, "dropped", 404),
        ({"types": ("case.returned",)}, None, 404),
        ({"types": ("case.returned",)}, "delivered", 200),
        ({"restricted": "only"}, None, 404),
        ({"restricted": "numbers"}, None, 200),
    ],
)
async def test_a_target_fetches_the_files_of_the_cases_it_is_sent(
    office: Office, settings: Mapping[str, Any], delivered: str | None, status: int
) -> None:
    house = build(office, populate(office.store), _settings(target(**settings)))
    desk = desk_over(office.store, {"other": target()})
    part = Part("证据.txt", AttachmentRole.EVIDENCE, AttachmentState.STORED, content=b"evidence")
    (case_id,) = desk.take_in(reading("x:1", parts=(part,)), key="opened")
    if delivered:
        desk.write(lambda conn: conn.execute(_as_oa(case_id, delivered)))
    async with TestClient(TestServer(house.app)) as client:
        sha = desk.case(case_id).attachments[0].sha256

        assert (await client.get(f"/files/{case_id}/{sha}", headers=OA)).status == status


async def test_the_files_of_a_case_taken_back_are_not_for_its_former_reader(office: Office) -> None:
    house = build(office, populate(office.store), _settings(target(restricted="only")))
    desk = desk_over(office.store, {"oa": target(restricted="only")})
    part = Part("证据.txt", AttachmentRole.EVIDENCE, AttachmentState.STORED, content=b"evidence")
    (case_id,) = desk.take_in(reading("x:1", **ACCUSATION, parts=(part,)), key="opened")
    sha = desk.case(case_id).attachments[0].sha256
    async with TestClient(TestServer(house.app)) as client:
        assert (await client.get(f"/files/{case_id}/{sha}", headers=OA)).status == 200
        desk.write(lambda conn: conn.execute(update(delivery).values(state="delivered")))
        desk.take_in(reading("x:1", parts=(part,)), key="opened")

        assert (await client.get(f"/files/{case_id}/{sha}", headers=OA)).status == 404


def later(desk: Desk) -> datetime:
    desk.now += timedelta(minutes=1)
    return desk.now


def _settings(oa: TargetSettings) -> ConsoleSettings:
    return ConsoleSettings(secure_cookies=False, targets={"oa": FileAccess(("token-of-the-oa-0001",), oa)})


def _as_oa(case_id: str, state: str) -> Any:
    columns = ["event_id", "case_id", "target", "view", "state", "attempts"]
    sent = select(delivery.c.event_id, delivery.c.case_id)
    return insert(delivery).from_select(
        columns,
        sent.add_columns(*(literal(value) for value in ("oa", "full", state, 0))).where(delivery.c.case_id == case_id),
    )


async def test_a_scan_in_which_something_was_found_is_shown_and_handed_to_nobody(
    house: House, browser: Browser, desk: Desk
) -> None:
    part = Part(
        "来信.pdf", AttachmentRole.SCAN, AttachmentState.STORED, whole=True, media_type="application/pdf", size=9
    )
    (case_id,) = desk.take_in(reading("x:9", parts=(part,)), key="opened")
    (raw_id,) = raws_of(desk)
    await log_in(browser, "clerk")
    before = (await browser.get(f"/cases/{case_id}/originals/{raw_id}")).status
    ours = select(attachment.c.id).where(attachment.c.case_id == case_id)
    desk.write(lambda conn: vetted(conn, conn.execute(ours).scalar_one(), "Eicar"))
    page = await read(browser, f"/cases/{case_id}")
    after = (await browser.get(f"/cases/{case_id}/originals/{raw_id}")).status

    assert (before, after) == (200, 404)
    assert "此扫描件查出病毒，已封存，不能显示。" in page

"""Who may see what, page by page, and that nothing of a restricted case is anywhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Request, Response
from sqlalchemy import select

from ingest.accounts import Role
from ingest.console.case_view import full_view
from ingest.console.guard import is_for_anybody
from normalize.calendar import WorkCalendar
from store.schema import history
from tests.console.conftest import Browser, House, form_token, log_in, origin, read
from tests.console.test_acts import happened, post
from tests.console.town import SECRET_NAME, SECRET_PHONE, SECRET_WORDS
from tests.endtoend.searching import text_of_pdf

PAGES = {
    "/": "operator clerk discipline leader auditor",
    "/cases": "operator clerk discipline leader auditor",
    "/cases.csv": "operator clerk discipline leader auditor",
    "/cases/{fees}": "operator clerk discipline leader auditor",
    "/cases/{accusation}": "operator clerk discipline leader auditor",
    "/cases/{fees}/sheet": "clerk discipline leader",
    "/cases/{accusation}/sheet": "discipline",
    "/cases/{fees}/correct": "clerk",
    "/cases/{accusation}/correct": "discipline",
    "/deliveries": "operator clerk discipline",
    "/deliveries/3": "operator clerk discipline",
    "/doors/city_hotline": "operator clerk discipline leader auditor",
    "/targets/oa": "operator clerk discipline leader auditor",
    "/quarantine": "operator clerk discipline",
    "/quarantine/{quarantined}": "clerk discipline",
    "/quarantine/{quarantined}/original": "clerk discipline",
    "/cases/{bus}/originals/2": "clerk discipline leader",
    "/files/{fees}/{photo_sha}": "clerk discipline leader",
    "/history": "auditor",
    "/accounts": "auditor",
    "/password": "operator clerk discipline leader auditor",
}
ACTS = {
    "/password": "operator clerk discipline leader auditor",
    "/cases/{fees}/correct": "clerk",
    "/cases/{accusation}/correct": "discipline",
    "/cases/{fees}/corrections/1/undo": "clerk",
    "/deliveries/resend": "operator",
    "/deliveries/3/resend": "operator",
    "/deliveries/3/skip": "operator",
    "/deliveries/3/arrived": "operator",
    "/doors/city_hotline/pause": "operator",
    "/doors/city_hotline/resume": "operator",
    "/targets/oa/pause": "operator",
    "/targets/oa/resume": "operator",
    "/quarantine/{quarantined}/register": "clerk discipline",
    "/quarantine/{quarantined}/dismiss": "clerk discipline",
    "/quarantine/{quarantined}/read": "operator clerk discipline",
    "/quarantine/read": "operator clerk discipline",
}
FEES_CONTENT = ("王秀兰", "13800001234", "32040219900101123X", "柳堤新村", "课后服务", "班主任")
TYPED = re.compile(rb'(?<=name="q" type="search" value=")[^"]*')
"""What a person typed into the search is his own."""


@pytest.mark.parametrize(("method", "named"), [("GET", PAGES), ("POST", ACTS)])
def test_every_page_and_every_act_is_tried(house: House, method: str, named: Mapping[str, str]) -> None:
    tried = [path.format(**vars(house.town)) for path in named]
    resources = [route.resource for route in house.app.router.routes() if route.method == method]
    guarded = [one.canonical for one in resources if one is not None and not is_for_anybody(one.canonical)]

    assert [path for path in guarded if not any(re.fullmatch(_shape(path), one) for one in tried)] == []


def _shape(canonical: str) -> str:
    return "[^/]+".join(map(re.escape, re.split(r"\{\w+\}", canonical)))


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_opens_its_pages_and_no_other(house: House, browser: Browser, role: Role) -> None:
    await log_in(browser, role.value)
    for path, roles in PAGES.items():
        answer = await browser.get(path.format(**vars(house.town)), allow_redirects=False)
        allowed = role.value in roles.split()

        assert (answer.status == 200) == allowed, (path, answer.status)
        assert allowed or answer.status in (403, 404)


async def test_a_stranger_opens_nothing(house: House, browser: Browser) -> None:
    for path in PAGES:
        answer = await browser.get(path.format(**vars(house.town)), allow_redirects=False)
        assert answer.status in (303, 401), path


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_does_its_acts_and_no_other(house: House, browser: Browser, role: Role) -> None:
    await log_in(browser, role.value)
    for path, roles in ACTS.items():
        answer = await post(browser, path.format(**vars(house.town)))

        assert (answer.status not in (403, 404)) == (role.value in roles.split()), (path, answer.status)


async def test_a_stranger_does_nothing(house: House, browser: Browser) -> None:
    csrf = await form_token(browser)
    for path in ACTS:
        address = path.format(**vars(house.town))
        answer = await browser.post(address, data={"csrf": csrf}, headers=origin(browser), allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, f"/login?next={address}")


async def test_a_handler_that_asks_for_no_right_is_for_nobody_who_has_not_logged_in(house: House) -> None:
    async def forgotten(_request: Request) -> Response:
        return Response(text="open")

    house.app.router.add_get("/forgotten", forgotten)
    async with TestClient(TestServer(house.app)) as browser:
        answer = await browser.get("/forgotten", allow_redirects=False)

        assert (answer.status, answer.headers["Location"]) == (303, "/login?next=/forgotten")


def addresses(house: House) -> list[str]:
    """Every page there is, with every search that could betray."""
    town = vars(house.town)
    case_ids = [value for value in town.values() if str(value).startswith("01CASE")]
    found = [path.format(**town) for path in PAGES]
    found += [f"/cases/{case_id}" for case_id in case_ids]
    found += [f"/cases/{case_id}/originals/{raw}" for case_id in case_ids for raw in range(1, 8)]
    found += [f"/quarantine/{raw}{tail}" for raw in range(1, 8) for tail in ("", "/original")]
    found += [f"/cases/{case_id}/correct" for case_id in case_ids]
    found += [f"/deliveries/{number}" for number in range(1, 5)]
    found += [f"/files/{case_id}/{town[sha]}" for case_id in case_ids for sha in ("photo_sha", "scan_sha")]
    filters = ("q=回扣", f"q={SECRET_PHONE}", f"q={SECRET_NAME}", "type=report", "state=restricted", "state=urgent")
    found += [
        f"/cases?{query}" for query in (*filters, "channel=mailbox", "channel=mailbox:director_mailbox", "overdue=1")
    ]
    return [*found, "/cases.csv?q=回扣", "/cases?q=2026-000105", "/deliveries?state=waiting", "/deliveries?target=oa"]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.DISCIPLINE])
async def test_a_restricted_case_is_readable_on_no_page_of_any_other_role(
    house: House, browser: Browser, role: Role
) -> None:
    await log_in(browser, role.value)
    for path in addresses(house):
        answer = await browser.get(path)
        body = await answer.read()
        shown = text_of_pdf(body) if answer.content_type == "application/pdf" else TYPED.sub(b"", body)
        for secret in (SECRET_NAME, SECRET_PHONE, SECRET_WORDS, "secret@mail.example", "举报：", "回扣"):
            assert secret.encode() not in shown, (path, secret)


async def test_the_discipline_line_reads_it(house: House, browser: Browser) -> None:
    await log_in(browser, "discipline")
    text = await read(browser, f"/cases/{house.town.accusation}")

    assert SECRET_NAME in text
    assert SECRET_PHONE in text
    assert SECRET_WORDS in text
    assert SECRET_WORDS.encode() in await (await browser.get(f"/quarantine/{house.town.suspected}/original")).read()


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
async def test_operators_and_auditors_meet_no_content_at_all(house: House, browser: Browser, role: Role) -> None:
    await log_in(browser, role.value)
    for path in addresses(house):
        body = (await (await browser.get(path)).read()).decode("utf-8", "replace")
        for content in (*FEES_CONTENT, "陈晓南", "孙有田", "校车", "照明"):
            assert content not in body, (path, content)


@pytest.mark.parametrize("role", [Role.CLERK, Role.LEADER, Role.OPERATOR, Role.AUDITOR])
async def test_no_filter_finds_a_restricted_case_by_its_content(house: House, browser: Browser, role: Role) -> None:
    await log_in(browser, role.value)
    hidden = "2026-000105"

    for query in ("q=回扣", f"q={SECRET_PHONE}", f"q={SECRET_NAME}", "q=secret@mail.example", "type=report",
                  "state=urgent", "channel=mailbox:director_mailbox", "q=<secret@mail.example>"):  # fmt: skip
        assert hidden not in await read(browser, f"/cases?{query}"), query
    for query in ("q=2026-000105", "channel=mailbox", "state=restricted", ""):
        assert hidden in await read(browser, f"/cases?{query}"), query


async def test_a_scan_that_also_holds_a_restricted_letter_is_withheld(house: House, browser: Browser) -> None:
    town = house.town
    await log_in(browser, "clerk")
    assert "此原件同时包含受限件" in await read(browser, f"/cases/{town.letter}")
    await read(browser, f"/cases/{town.letter}/originals/{town.scan_raw}", status=404)
    await read(browser, f"/files/{town.letter}/{town.scan_sha}", status=404)

    browser.session.cookie_jar.clear()
    await log_in(browser, "discipline")
    scan = await browser.get(f"/cases/{town.letter}/originals/{town.scan_raw}")
    assert (scan.status, scan.content_type) == (200, "image/png")


async def test_lists_mask_what_the_case_page_shows(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    for path in ("/cases", "/"):
        text = await read(browser, path)
        for personal in ("王秀兰", "13800001234", "陈晓南", "李建国", "32040219900101123X"):
            assert personal not in text, (path, personal)
    assert "王**" in await read(browser, "/cases")
    assert "138****1234" in await read(browser, "/cases")

    full = await read(browser, f"/cases/{house.town.fees}")
    for personal in ("王秀兰", "13800001234", "32040219900101123X", "李建国"):
        assert personal in full


@pytest.mark.parametrize("role", list(Role))
def test_the_view_itself_asks_again_whether_the_role_may(house: House, role: Role) -> None:
    store, case_id = house.store, house.town.accusation
    seen = store.read_now(lambda conn: full_view(conn, store.sealer, role, case_id, WorkCalendar()))

    assert (seen is not None) == (role is Role.DISCIPLINE)


async def test_every_view_of_personal_data_is_written_down(house: House, browser: Browser) -> None:
    town = house.town
    await log_in(browser, "leader")
    await read(browser, f"/cases/{town.fees}")
    await browser.get(f"/files/{town.fees}/{town.photo_sha}")
    await browser.get(f"/cases/{town.fees}/originals/1")
    await read(browser, f"/cases/{town.accusation}")

    wanted = select(history).where(history.c.kind == "viewed").order_by(history.c.id)
    rows = house.store.read_now(lambda conn: conn.execute(wanted).all())
    assert [(row.actor, row.case_id, row.detail) for row in rows] == [
        ("leader", town.fees, {"role": "leader"}),
        ("leader", town.fees, {"role": "leader", "file": town.photo_sha[:12]}),
        ("leader", town.fees, {"role": "leader", "original": 1}),
    ]


async def test_what_a_target_fetches_by_itself_is_written_down(house: House, browser: Browser) -> None:
    town, token = house.town, {"Authorization": "Bearer token-of-the-oa-0001"}
    assert (await browser.get(f"/api/v1/cases/{town.fees}", headers=token)).status == 200
    assert (await browser.get(f"/files/{town.fees}/{town.photo_sha}", headers=token)).status == 200
    await browser.get(f"/api/v1/cases/{town.accusation}", headers=token)

    assert happened(house, "viewed") == [
        ("oa@target", town.fees, {"target": "oa"}),
        ("oa@target", town.fees, {"target": "oa", "file": town.photo_sha[:12]}),
    ]


async def test_a_search_is_written_down_with_whom_it_found_and_never_what_for(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    await read(browser, "/cases?q=王秀兰")
    await read(browser, "/cases?q=nobody")
    await read(browser, "/cases")

    assert happened(house, "searched") == [("clerk", None, {"role": "clerk", "found": ["2026-000101"]})]


async def test_the_auditor_sees_who_looked_at_a_case(house: House, browser: Browser) -> None:
    await log_in(browser, "leader")
    await read(browser, f"/cases/{house.town.fees}")
    await log_in(browser, "auditor")

    by_number = await read(browser, "/history?kind=viewed&case=2026-000101")
    assert ">leader<" in by_number
    assert ">leader<" in await read(browser, f"/history?kind=viewed&actor=leader&case={house.town.fees}")
    assert ">leader<" not in await read(browser, "/history?kind=viewed&case=2026-000102")

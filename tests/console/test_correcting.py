"""A clerk corrects a case on its page: what he sees, saves, gets back, and may."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from aiohttp import ClientResponse
from sqlalchemy import func, select

from ingest.accounts import Role
from ingest.operations import perform
from store.schema import correction, history
from tests.console.conftest import Browser, House, log_in, origin, read
from tests.console.test_acts import said_after
from tests.ingest.desk import Desk, reading
from tests.ingest.test_cases import ACCUSATION

TITLE = "关于课后延时服务收费的疑间"
"""As a scanner reads it."""


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house.store, house.office.desk, house.clock())


def take_in(desk: Desk, **values: Any) -> str:
    (case_id,) = desk.take_in(
        reading("city:9", channel="city_hotline", channel_kind="hotline", **{"title": TITLE, **values}),
        channel="city_hotline", key="9",
    )  # fmt: skip
    return case_id


@pytest.fixture
def case_id(desk: Desk) -> str:
    return take_in(desk)


def filled(page: str) -> dict[str, Any]:
    """What a browser would send of the page's form, nothing touched."""
    form = page.partition('class="writing">')[2].partition("</form>")[0]
    sent: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]+>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            sent.setdefault(name[1], []).append(unescape(value[1]) if value else "")
    for name, text in re.findall(r'<textarea id="[^"]+" name="([^"]+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
        sent[name] = [unescape(text).replace("\n", "\r\n")]
    for name, options in re.findall(r'<select id="[^"]+" name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        sent[name] = [chosen[1]] if chosen else []
    return sent


async def post_form(browser: Browser, path: str, sent: dict[str, Any]) -> ClientResponse:
    pairs = [(name, value) for name, values in sent.items() for value in values]
    return await browser.post(path, data=pairs, headers=origin(browser), allow_redirects=False)


async def correct(browser: Browser, case_id: str, **changes: str | list[str]) -> ClientResponse:
    """Open the form, change these fields, save."""
    sent = filled(await read(browser, f"/cases/{case_id}/correct"))
    return await post_form(browser, f"/cases/{case_id}/correct", sent | _lists(changes))


def _lists(changes: dict[str, Any]) -> dict[str, list[str]]:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value if isinstance(value, list) else [value] for name, value in named.items()}


def newest_correction(house: House) -> int:
    newest: int = house.store.read_now(lambda conn: conn.execute(select(func.max(correction.c.id))).scalar_one())
    return newest


def at_field(page: str, name: str) -> str:
    """What is said under a field."""
    return page.partition(f'id="{name}-said">')[2].partition("</div>")[0]


@pytest.fixture
async def clerk(browser: Browser) -> Browser:
    await log_in(browser, "clerk")
    return browser


async def test_the_main_topic_stays_the_first_when_a_box_is_ticked_beside_it(desk: Desk, clerk: Browser) -> None:
    case_id = take_in(desk, topics=("meals", "fees"))  # not as the boxes stand
    untouched = await correct(clerk, case_id)
    assert await said_after(clerk, untouched) == "没有改动。"

    await correct(clerk, case_id, topics=["", "after_school", "fees", "meals"])

    assert desk.case(case_id).topics == ("meals", "fees", "after_school")


async def test_the_form_shows_the_case_beside_the_original_and_untouched_changes_nothing(
    desk: Desk, clerk: Browser, case_id: str
) -> None:
    page = await read(clerk, f"/cases/{case_id}/correct")
    assert TITLE in page
    assert "raw city_hotline 9 1" in page.partition("<aside")[2]
    answer = await post_form(clerk, f"/cases/{case_id}/correct", filled(page))

    assert await said_after(clerk, answer) == "没有改动。"
    assert desk.case(case_id).revision == 1


async def test_what_was_corrected_is_told_in_words_people_use(clerk: Browser, case_id: str) -> None:
    await correct(
        clerk, case_id, topics=["", "fees", "after_school"], petitioners__0__phones="13911112222\r\n051981234567",
        purpose__code="appeal", confidential_requested="no",
    )  # fmt: skip
    corrections = (await read(clerk, f"/cases/{case_id}")).partition("<h3>人工更正</h3>")[2].partition("</table>")[0]
    told = re.findall(r"<td>([^<]+)</td><td>([^<]+)</td></tr>", corrections)

    assert ("主题", "收费、延时服务") in told
    assert ("信访人 1 · 电话", "13911112222、0519-81234567") in told
    assert ("信访目的", "申诉求决") in told


async def test_a_revision_tells_codes_by_their_names_and_takes_none_apart(clerk: Browser, case_id: str) -> None:
    await correct(clerk, case_id, topics=["", "teacher_conduct"])
    await correct(clerk, case_id, topics=["", "teacher_pay_title"])
    changes = (await read(clerk, f"/cases/{case_id}")).partition('<table class="changes">')[2].partition("</table>")[0]

    assert "<del>师德</del><ins>教师待遇职称</ins>" in changes


async def test_what_was_changed_is_saved_as_one_revision(desk: Desk, clerk: Browser, case_id: str) -> None:
    answer = await correct(
        clerk, case_id, title=TITLE.replace("间", "问"), topics=["", "fees", "after_school"],
        petitioners__0__phones="139 1111 2222\r\n0519-81234567", purpose__code="appeal", restricted="no",
    )  # fmt: skip
    case = desk.case(case_id)

    assert await said_after(clerk, answer) == "更正已保存，并通知接收方。"
    assert (case.revision, case.title, case.topics) == (2, TITLE.replace("间", "问"), ("fees", "after_school"))
    assert case.petitioners[0].phones == ("13911112222", "0519-81234567")
    assert desk.events()[-2:] == ["case.created", "case.updated"]


async def test_the_form_says_what_the_program_read_and_who_corrected_it_and_undoes_it(
    desk: Desk, clerk: Browser, case_id: str
) -> None:
    await correct(clerk, case_id, title="更正后的标题")
    page = await read(clerk, f"/cases/{case_id}/correct")
    said = at_field(page, "title")
    assert f'系统读作：<span class="value">{TITLE}</span>' in said
    assert "clerk 于 2026-03-09 10:30 更正" in said
    number = re.search(r'form="undo-(\d+)"', said)
    assert number is not None
    answer = await post_form(
        clerk, f"/cases/{case_id}/corrections/{number[1]}/undo", {"csrf": filled(page)["csrf"], "revision": ["2"]}
    )

    assert await said_after(clerk, answer) == "更正已撤销。"
    assert desk.case(case_id).title == TITLE
    shown = await read(clerk, f"/cases/{case_id}")
    assert "<del>更正后的标题</del>" in shown
    assert "已由 clerk 于 2026-03-09 10:30 撤销" in shown


async def test_what_does_not_fit_is_said_at_its_field_and_the_words_are_kept(
    desk: Desk, clerk: Browser, case_id: str
) -> None:
    answer = await correct(
        clerk, case_id, title=" ", summary="写得对的摘要", petitioners__0__id_no="320402199001010042", restricted="yes"
    )
    page = await answer.text()

    assert answer.status == 400
    assert "有 3 处需要修改" in page
    assert "请填写，不能为空。" in at_field(page, "title")
    assert "身份证号的校验码不符" in at_field(page, "petitioners.0.id_no")
    assert "请填写，不能为空。" in at_field(page, "restricted_reason")
    assert "写得对的摘要" in page
    assert 'value="320402199001010042"' in page
    assert desk.case(case_id).revision == 1


async def test_who_meets_anothers_change_is_told_and_keeps_his_words_and_the_others(
    house: House, desk: Desk, clerk: Browser, case_id: str
) -> None:
    sent = filled(await read(clerk, f"/cases/{case_id}/correct"))
    await perform(house.office, "correct", {"case": case_id, "changes": {"summary": "别人写的摘要"}}, "li")
    answer = await post_form(clerk, f"/cases/{case_id}/correct", sent | {"title": ["我的标题"]})
    page = await answer.text()

    assert answer.status == 409
    assert "在您填写期间，此件已有新的版本" in page
    assert 'value="我的标题"' in page
    assert TITLE in at_field(page, "title")  # what it is by now
    assert "别人写的摘要" in page
    assert desk.case(case_id).title == TITLE

    again = await post_form(clerk, f"/cases/{case_id}/correct", filled(page))
    assert await said_after(clerk, again) == "更正已保存，并通知接收方。"
    case = desk.case(case_id)
    assert (case.title, case.summary, case.revision) == ("我的标题", "别人写的摘要", 3)


async def test_a_correction_that_shows_an_accusation_closes_the_case_to_the_clerk(
    desk: Desk, clerk: Browser, case_id: str
) -> None:
    answer = await correct(clerk, case_id, purpose__code="accusation")

    assert "此件现为受限件" in await said_after(clerk, answer)
    assert desk.case(case_id).restricted_reason == "purpose accusation"
    assert TITLE not in await read(clerk, f"/cases/{case_id}")
    await read(clerk, f"/cases/{case_id}/correct", status=404)


@pytest.mark.parametrize("role", list(Role))
async def test_who_corrects_open_cases_and_who_restricted_ones(
    house: House, desk: Desk, browser: Browser, role: Role
) -> None:
    open_case = take_in(desk)
    (closed,) = desk.take_in(reading("city:10", channel="city_hotline", **ACCUSATION), channel="city_hotline", key="10")
    await log_in(browser, role.value)
    csrf = (await read(browser, "/password")).partition('name="csrf" value="')[2].partition('"')[0]
    house.clock.pass_(desk.now - house.clock())
    statuses = []
    for case_id in (open_case, closed):
        got = await browser.get(f"/cases/{case_id}/correct")
        sent = {"csrf": [csrf], "revision": ["1"], "title": [f"{role.value} 的更正"]}
        posted = await post_form(browser, f"/cases/{case_id}/correct", sent)
        number = newest_correction(house)
        undone = await post_form(
            browser, f"/cases/{case_id}/corrections/{number}/undo", {"csrf": [csrf], "revision": ["2"]}
        )
        statuses.append((got.status, posted.status, undone.status))

    allowed, forbidden, hidden = (200, 303, 303), (403, 403, 403), (404, 404, 404)
    assert (
        statuses
        == {
            Role.CLERK: [allowed, hidden],
            Role.DISCIPLINE: [forbidden, (200, 303, 303)],
            Role.LEADER: [forbidden, hidden],
            Role.OPERATOR: [hidden, hidden],
            Role.AUDITOR: [hidden, hidden],
        }[role]
    )
    assert desk.case(open_case).revision == (3 if role is Role.CLERK else 1)
    assert desk.case(closed).revision == (3 if role is Role.DISCIPLINE else 1)
    shown = await browser.get(f"/cases/{open_case}")
    assert (f"/cases/{open_case}/correct" in await shown.text()) == (role is Role.CLERK)


async def test_what_was_corrected_while_the_case_was_restricted_is_neither_seen_nor_undone_by_a_clerk(
    house: House, desk: Desk, clerk: Browser
) -> None:
    (case_id,) = desk.take_in(
        reading("city:11", channel="city_hotline", **ACCUSATION), channel="city_hotline", key="11"
    )
    house.clock.pass_(desk.now - house.clock() + timedelta(minutes=1))
    await perform(house.office, "correct", {"case": case_id, "changes": {"title": "不点名的标题"}}, "discipline")
    number = newest_correction(house)
    house.clock.pass_(timedelta(minutes=1))
    await perform(house.office, "correct", {"case": case_id, "changes": {"restricted": "no"}}, "discipline")
    page = await read(clerk, f"/cases/{case_id}/correct")

    assert at_field(page, "title") == ""
    assert "系统读作" not in page
    csrf = filled(page)["csrf"]
    undone = await post_form(clerk, f"/cases/{case_id}/corrections/{number}/undo", {"csrf": csrf, "revision": ["3"]})
    assert undone.status == 404
    guessed = await post_form(
        clerk, f"/cases/{case_id}/correct", {"csrf": csrf, "revision": ["1"], "request_type__code": ["report"]}
    )
    assert guessed.status == 400  # nor compared with a guess


async def test_opening_the_form_is_a_view_that_is_written_down(house: House, clerk: Browser, case_id: str) -> None:
    await read(clerk, f"/cases/{case_id}/correct")

    wanted = select(history.c.actor, history.c.case_id).where(history.c.kind == "viewed")
    assert house.store.read_now(lambda conn: conn.execute(wanted).all()) == [("clerk", case_id)]


async def test_the_form_needs_its_token(clerk: Browser, desk: Desk, case_id: str) -> None:
    sent = filled(await read(clerk, f"/cases/{case_id}/correct")) | {"title": ["x"], "csrf": ["forged"]}

    assert (await post_form(clerk, f"/cases/{case_id}/correct", sent)).status == 403
    assert desk.case(case_id).revision == 1


async def test_a_long_letter_is_corrected_and_a_longer_one_is_left_alone(desk: Desk, clerk: Browser) -> None:
    case_id = take_in(desk, content="字" * 40_000)
    await correct(clerk, case_id, content="改" * 40_000)
    assert desk.case(case_id).content == "改" * 40_000
    (longer,) = desk.take_in(
        reading("city:12", channel="city_hotline", content="长" * 60_000), channel="city_hotline", key="12"
    )
    page = await read(clerk, f"/cases/{longer}/correct")
    assert "内容过长，不能在此修改" in page
    await correct(clerk, longer, title="只改标题")

    assert desk.case(longer).content == "长" * 60_000
    assert desk.case(longer).title == "只改标题"


async def test_a_stranger_may_not_send_a_large_form(browser: Browser) -> None:
    answer = await browser.post("/login", data={"name": "x" * 70_000}, headers=origin(browser))

    assert answer.status == 413

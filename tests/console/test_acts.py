"""What operators do through pages: deliveries, doors and targets; who may, and that it is written down."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from html import unescape
from typing import Any

import pytest
from aiohttp import ClientResponse
from sqlalchemy import select, update

from dispatch import targets
from ingest import channels
from ingest.accounts import Role
from ingest.history import record_history
from store import ledger
from store.schema import delivery, history
from tests.console.conftest import Browser, House, form_token, log_in, origin, read

DELIVERIES = {"delivered": 1, "waiting": 2, "rejected": 3}
"""By state, the town's own."""


async def post(browser: Browser, path: str, **fields: object) -> ClientResponse:
    """Send a form of ours; the answer, not what it leads on to."""
    form = {"csrf": await form_token(browser, "/password"), **fields}
    return await browser.post(path, data=form, headers=origin(browser), allow_redirects=False)


async def said_after(browser: Browser, answer: ClientResponse) -> str:
    """What the page says to which a form's answer leads."""
    assert answer.status == 303, await answer.text()
    text = await read(browser, answer.headers["Location"])
    return text.partition('role="status">')[2].partition("<")[0]


def row(house: House, number: int) -> Any:
    wanted = select(delivery).where(delivery.c.id == number)
    return house.store.read_now(lambda conn: conn.execute(wanted).one())


def set_state(house: House, number: int, state: str) -> None:
    changed = update(delivery).where(delivery.c.id == number).values(state=state)
    house.store.submit(lambda conn: conn.execute(changed)).result()


def happened(house: House, kind: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    wanted = select(history).where(history.c.kind == kind).order_by(history.c.id)
    rows = house.store.read_now(lambda conn: conn.execute(wanted).all())
    return [(one.actor, one.case_id, one.detail) for one in rows]


@pytest.fixture
async def operator(browser: Browser) -> Browser:
    await log_in(browser, "operator")
    return browser


async def test_a_rejected_delivery_is_sent_again(house: House, operator: Browser) -> None:
    answer = await post(operator, "/deliveries/3/resend", state="rejected")

    assert await said_after(operator, answer) == "已安排重新投送。"
    assert row(house, 3).state == "waiting"
    assert house.store.read_now(ledger.counts)["push:oa"] == {"ready": 1}
    assert happened(house, "replayed") == [("operator", house.town.praise, {"sent": 1, "delivery": 3})]


async def test_a_rejected_delivery_is_skipped(house: House, operator: Browser) -> None:
    answer = await post(operator, "/deliveries/3/skip", state="rejected")

    assert await said_after(operator, answer) == "已跳过，后续事件继续投送。"
    assert row(house, 3).state == "skipped"
    assert happened(house, "skipped") == [("operator", house.town.praise, {"target": "oa", "events": ["evt_2"]})]


async def test_what_may_have_arrived_is_said_to_have_with_the_receivers_number(house: House, operator: Browser) -> None:
    set_state(house, 3, "unknown")
    assert "请先在接收系统中查找此件" in await read(operator, "/deliveries/3")
    answer = await post(operator, "/deliveries/3/arrived", state="unknown", receiver_id=" WF-2026-8 ")

    assert await said_after(operator, answer) == "已记为送达，后续事件继续投送。"
    assert (row(house, 3).state, row(house, 3).receiver_id) == ("delivered", "WF-2026-8")


async def test_what_has_not_arrived_is_sent_again(house: House, operator: Browser) -> None:
    set_state(house, 3, "unknown")
    answer = await post(operator, "/deliveries/3/resend", state="unknown")

    assert await said_after(operator, answer) == "已安排重新投送。"
    assert row(house, 3).state == "waiting"


@pytest.mark.parametrize("act", ["resend", "skip", "arrived"])
async def test_what_has_changed_since_it_was_shown_is_left_as_it_is(house: House, operator: Browser, act: str) -> None:
    set_state(house, 3, "unknown")
    answer = await post(operator, f"/deliveries/3/{act}", state="rejected")

    assert await said_after(operator, answer) == "状态刚刚已变化，没有执行。请核对后再选择。"
    assert row(house, 3).state == "unknown"


async def test_what_a_target_may_not_have_is_not_sent(house: House, operator: Browser) -> None:
    """The fourth is a restricted case's, and the OA takes none."""
    assert "重新投送" not in await read(operator, "/deliveries/4")
    answer = await post(operator, "/deliveries/4/resend", state="waiting")

    assert await said_after(operator, answer) == "没有发送：目标不能接收该件，或已经收到。"


async def test_all_a_target_rejected_is_sent_again_and_a_paused_one_stays_so(house: House, operator: Browser) -> None:
    await post(operator, "/targets/oa/pause", reason="upgrade")
    text = await read(operator, "/deliveries?target=oa&state=rejected")
    assert "全部重新投送" in text
    answer = await post(operator, "/deliveries/resend", target="oa")

    assert await said_after(operator, answer) == "已安排 1 次重新投送。"
    assert row(house, 3).state == "waiting"
    assert house.store.read_now(lambda conn: targets.state_of(conn, "oa")) == "paused"


async def test_a_door_is_paused_and_resumed_with_the_reason_on_the_overview(house: House, operator: Browser) -> None:
    answer = await post(operator, "/doors/city_hotline/pause", reason="平台今晚迁移")
    assert await said_after(operator, answer) == "已暂停。"
    assert house.store.read_now(lambda conn: channels.is_paused(conn, "city_hotline"))
    overview = await read(operator, "/")
    assert "渠道 city_hotline：已暂停" in overview
    assert "operator 暂停：平台今晚迁移" in overview

    answer = await post(operator, "/doors/city_hotline/resume", reason="")
    assert await said_after(operator, answer) == "已恢复。"
    assert happened(house, "paused") == [("operator", None, {"door": "city_hotline", "reason": "平台今晚迁移"})]
    assert happened(house, "resumed") == [("operator", None, {"door": "city_hotline", "reason": None})]


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("/doors/city_hotline/pause", {"reason": "  "}, "请填写原因（200 字以内）。"),
        ("/targets/oa/resume", {}, "它没有暂停，无需恢复。"),
    ],
)
async def test_what_cannot_be_done_is_said_in_words(
    operator: Browser, path: str, fields: dict[str, str], said: str
) -> None:
    assert await said_after(operator, await post(operator, path, **fields)) == said


ACTS = {
    "/deliveries/3/resend": "operator",
    "/deliveries/3/skip": "operator",
    "/deliveries/3/arrived": "operator",
    "/deliveries/resend": "operator",
    "/doors/city_hotline/pause": "operator",
    "/doors/city_hotline/resume": "operator",
    "/targets/oa/pause": "operator",
    "/targets/oa/resume": "operator",
}


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_does_its_acts_and_no_other(house: House, browser: Browser, role: Role) -> None:
    await log_in(browser, role.value)
    for path, roles in ACTS.items():
        answer = await post(browser, path, state="other", reason="why", target="oa")

        assert answer.status == (303 if role.value in roles.split() else 403), path
    if role is not Role.OPERATOR:
        assert happened(house, "paused") == happened(house, "replayed") == []


async def test_no_act_is_done_without_the_forms_token(house: House, operator: Browser) -> None:
    for path in ACTS:
        answer = await operator.post(path, data={"reason": "why"}, headers=origin(operator), allow_redirects=False)
        assert answer.status == 403, path
    assert happened(house, "paused") == []


async def test_buttons_are_shown_to_those_who_may_press_them(browser: Browser) -> None:
    for role in ("operator", "clerk"):
        await log_in(browser, role)
        pages = [await read(browser, path) for path in ("/deliveries/3", "/doors/city_hotline", "/targets/oa")]
        forms = [re.findall(r'action="(/(?:deliveries|doors|targets)[^"]+)"', text) for text in pages]
        assert all(forms) if role == "operator" else forms == [[], [], []]


async def test_the_audit_log_is_filtered_by_who_what_and_when(house: House, browser: Browser) -> None:
    await log_in(browser, "operator")
    await post(browser, "/doors/city_hotline/pause", reason="平台今晚迁移")
    await log_in(browser, "auditor")

    for query, found in (
        ("actor=operator&kind=paused", True),
        ("kind=paused", True),
        ("actor=clerk", False),
        ("kind=resumed", False),
        ("since=2026-03-09&until=2026-03-09", True),
        ("since=2026-03-10", False),
        ("until=2026-03-08", False),
        ("since=nonsense", True),
    ):
        text = await read(browser, f"/history?{query}")
        assert ("平台今晚迁移" in text) == found, query


async def test_the_audit_log_says_how_much_left_the_house_and_what_was_done_again(
    house: House, browser: Browser
) -> None:
    done: list[tuple[str, dict[str, Any]]] = [
        ("viewed", {"role": "clerk", "exported": 9876}),
        ("replayed", {"read": 12, "quarantine": True, "until": "2026-03-05T00:00:00+08:00"}),
        ("replayed", {"reconcile": {"oa": 3, "line": 0}}),
        ("replayed", {"sent": 4, "dead": True, "target": "oa"}),
        ("attachment_infected", {"attachment": 7, "found": "Eicar-Old"}),
        ("attachment_infected", {"attachment": 8, "virus": "Eicar-New"}),
    ]
    for kind, detail in done:
        house.store.submit(
            partial(record_history, case_id=None, kind=kind, actor="clerk", detail=detail, now=house.clock())
        ).result()
    await log_in(browser, "auditor")
    page = " ".join(unescape(re.sub("<[^>]+>", "", await read(browser, "/history"))).split())

    for said in (
        "角色 经办 · 导出行数 9876", "重新读取数 12 · 隔离区 · 早于 2026-03-05", "比对后投送数 oa 3, line 0",
        "投送数 4 · 被拒收的 · 目标 oa", "附件 7 · 查出 Eicar-Old", "附件 8 · 查出 Eicar-New",
    ):  # fmt: skip
        assert said in page, said
    only = await read(browser, "/history?kind=attachment_infected")
    assert ("Eicar-Old" in only, "9876" in only) == (True, False)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=case.created", ["2026-000103", "2026-000102", "2026-000101"]),  # a restricted one's type is not told
        ("type=case.updated", []),
        ("channel=director_mailbox", ["2026-000102"]),
        ("since=2026-03-09&until=2026-03-09", ["2026-000105", "2026-000103", "2026-000102", "2026-000101"]),
        ("until=2026-03-08", []),
    ],
)
async def test_deliveries_are_filtered_by_type_channel_and_day(operator: Browser, query: str, found: list[str]) -> None:
    text = await read(operator, f"/deliveries?{query}")

    assert re.findall(r'class="number"><a href="/cases/[^"]+">([^<]+)<', text) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/cases?since=2026-03-08&until=2026-03-08", 3),
        ("/cases?until=2026-03-06", 1),
        ("/quarantine?kind=mail", 1),
        ("/quarantine?kind=record", 0),
        ("/quarantine?since=2026-03-10", 0),
        ("/quarantine?state=dismissed", 0),
    ],
)
async def test_lists_are_filtered_by_day_and_kind(operator: Browser, path: str, found: int) -> None:
    text = await read(operator, path)

    assert text.count('<td class="number">') == found


async def test_a_target_that_left_the_configuration_shows_what_is_owed_to_it(house: House, operator: Browser) -> None:
    renamed = update(delivery).where(delivery.c.state == "waiting").values(target="gone")
    await house.store.write(lambda conn: conn.execute(renamed))

    overview, page = await read(operator, "/"), await read(operator, "/targets/gone")

    assert "目标 gone" in overview
    assert "已不在配置里" in overview
    assert "xinqiao replay --send --target gone --to" in page
    assert "/targets/gone/pause" not in page


async def test_a_disabled_target_shows_as_such_with_what_waits(house: House, operator: Browser) -> None:
    targets = {name: one.model_copy(update={"enabled": False}) for name, one in house.office.config.targets.items()}
    outbox = house.office.desk.outbox
    house.office.desk.outbox = dataclasses.replace(outbox, targets=targets)

    pages = [await read(operator, path) for path in ("/", "/targets/oa")]

    assert ["已停用" in page for page in pages] == [True, True]

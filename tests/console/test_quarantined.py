"""What a person does with what was kept aside, on its page."""

from __future__ import annotations

import re

import pytest
from aiohttp import ClientResponse
from sqlalchemy import insert, select, update

from ingest.accounts import Role
from store import ledger
from store.schema import attachment, cases, history, raw
from tests.console.conftest import Browser, House, form_token, log_in, origin, read
from tests.console.test_acts import post, said_after
from tests.console.test_correcting import at_field, filled, post_form
from tests.console.town import SECRET_WORDS
from tests.ingest.desk import Desk


@pytest.fixture
async def clerk(browser: Browser) -> Browser:
    await log_in(browser, "clerk")
    return browser


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house.store, house.office.desk, house.clock())


async def register(browser: Browser, number: int, **typed: str) -> ClientResponse:
    sent = filled(await read(browser, f"/quarantine/{number}"))
    return await post_form(
        browser,
        f"/quarantine/{number}/register",
        sent | {name.replace("__", "."): [value] for name, value in typed.items()},
    )


def state(house: House, number: int) -> tuple[str, str | None]:
    row = house.store.read_now(lambda conn: conn.execute(select(raw).where(raw.c.id == number)).one())
    return row.state, row.closed_by


async def test_what_is_typed_beside_the_original_becomes_a_case(house: House, desk: Desk, clerk: Browser) -> None:
    number = house.town.quarantined
    page = await read(clerk, f"/quarantine/{number}")
    assert "b@mail.example" in page.partition("<aside")[2]  # the original beside the form
    answer = await register(
        clerk, number, title="要求公示收费", content="第一段\r\n第二段", petitioners__0__name="顾晓棠",
        petitioners__0__phones="13900000000",
    )  # fmt: skip

    assert await said_after(clerk, answer) == "已登记为信访件。"
    case = desk.case(answer.headers["Location"].split("/")[2].partition("?")[0])
    assert (case.title, case.content, case.reading.method) == ("要求公示收费", "第一段\n第二段", "typed")
    assert state(house, number) == ("read", "clerk")
    await read(clerk, f"/quarantine/{number}", status=404)
    assert f'href="/quarantine/{number}"' not in await read(clerk, "/quarantine")


async def test_a_mail_that_opened_no_case_is_found_with_its_reason_and_registered(house: House, clerk: Browser) -> None:
    number, reason = house.town.quarantined, "自动回复（正文这样说），不是来信"
    taken = update(raw).where(raw.c.id == number).values(state="auto", reason=reason)
    house.store.submit(lambda conn: conn.execute(taken)).result()

    listed = await read(clerk, "/quarantine?state=auto")
    assert f'href="/quarantine/{number}"' in listed
    assert reason in listed
    assert f'href="/quarantine/{number}"' not in await read(clerk, "/quarantine")
    assert await said_after(clerk, await register(clerk, number, title="食堂")) == "已登记为信访件。"
    assert state(house, number) == ("read", "clerk")


async def test_a_form_that_does_not_fit_comes_back_with_its_words(house: House, clerk: Browser) -> None:
    answer = await register(clerk, house.town.quarantined, content="没有标题的内容", petition_date="2026-02-30")
    page = await answer.text()

    assert answer.status == 400
    assert "请填写，不能为空。" in at_field(page, "title")
    assert "请填写日期" in at_field(page, "petition_date")
    assert "没有标题的内容" in page
    assert state(house, house.town.quarantined) == ("quarantined", None)


async def test_one_of_several_letters_is_registered_and_the_form_is_there_for_the_next(
    house: House, clerk: Browser
) -> None:
    number = house.town.quarantined
    answer = await register(clerk, number, title="第一封", more="1")
    page = await read(clerk, answer.headers["Location"])

    assert re.search(r"已登记为 2026-\d{6}，请继续登记下一件。", page)
    assert "clerk 正在人工登记此原件，现为第 2 件" in page
    assert f'action="/quarantine/{number}/read"' not in page
    assert await said_after(clerk, await register(clerk, number, title="第二封")) == "已登记为信访件。"


async def test_an_accusation_that_is_typed_is_closed_to_who_typed_it(house: House, desk: Desk, clerk: Browser) -> None:
    answer = await register(clerk, house.town.quarantined, title="反映", purpose__code="accusation")

    assert "已按受限件处理" in await said_after(clerk, answer)
    address = answer.headers["Location"].partition("?")[0]
    assert desk.case(address.split("/")[2]).restricted


async def test_an_original_in_which_a_virus_was_found_is_not_handed_out(house: House, clerk: Browser) -> None:
    number = house.town.quarantined
    sha256 = select(raw.c.blob).where(raw.c.id == number).scalar_subquery()
    found = insert(attachment).values(
        case_id=house.town.bus,
        key="sha256:bad",
        channel="letters",
        state="refused",
        reason="infected: Eicar",
        sha256=sha256,
    )
    assert (await clerk.get(f"/quarantine/{number}/original")).status == 200
    house.store.submit(lambda conn: conn.execute(found)).result()

    assert "查出病毒，已封存" in await read(clerk, f"/quarantine/{number}")
    assert (await clerk.get(f"/quarantine/{number}/original")).status == 404


async def test_an_item_is_laid_aside_and_read_again(house: House, clerk: Browser) -> None:
    number = house.town.quarantined
    for form, said in (
        ({"reason": "", "note": ""}, "请选择排除的原因。"),
        ({"reason": "other", "note": " "}, "请填写说明（500 字以内）。"),
        ({"reason": "other", "note": "贺卡一张"}, "已排除，原件保留。"),
    ):
        assert await said_after(clerk, await post(clerk, f"/quarantine/{number}/dismiss", **form)) == said
    assert state(house, number) == ("dismissed", "clerk")
    listed = await read(clerk, "/quarantine?state=dismissed")
    assert f'href="/quarantine/{number}"' in listed
    assert "贺卡一张" not in listed
    page = await read(clerk, f"/quarantine/{number}")
    assert "已由 clerk 排除：其他" in page
    assert "贺卡一张" in page

    assert await said_after(clerk, await post(clerk, f"/quarantine/{number}/read")) == "已交系统重新读取。"
    assert state(house, number) == ("waiting", None)


async def test_an_operator_has_items_read_again_without_seeing_them(house: House, browser: Browser) -> None:
    await log_in(browser, "operator")
    listed = await read(browser, "/quarantine")
    assert f'action="/quarantine/{house.town.quarantined}/read"' in listed
    await read(browser, f"/quarantine/{house.town.quarantined}", status=403)
    assert (
        await said_after(browser, await post(browser, f"/quarantine/{house.town.quarantined}/read"))
        == "已交系统重新读取。"
    )
    assert await said_after(browser, await post(browser, "/quarantine/read")) == "已交系统重新读取 1 件。"

    assert house.store.read_now(ledger.counts)["read"] == {"ready": 1}
    assert house.store.read_now(ledger.counts)["again:letter"] == {"ready": 1}  # behind what comes


@pytest.mark.parametrize("role", list(Role))
async def test_who_registers_dismisses_and_reads_again(house: House, browser: Browser, role: Role) -> None:
    """The second item is one in which a reader made out an accusation."""
    await log_in(browser, role.value)
    found = {}
    for number in (house.town.quarantined, house.town.suspected):
        for act, more in (("register", {"title": "", "part": "1"}), ("dismiss", {"reason": "boring"})):
            found[number, act] = (await post(browser, f"/quarantine/{number}/{act}", **more)).status
    again = (await post(browser, f"/quarantine/{house.town.quarantined}/read")).status
    plain, suspected = house.town.quarantined, house.town.suspected

    registers = role in (Role.CLERK, Role.DISCIPLINE)
    assert (found[plain, "register"], found[plain, "dismiss"]) == ((400, 303) if registers else (403, 403))
    sees = {Role.DISCIPLINE: (400, 303), Role.CLERK: (404, 404)}.get(role, (403, 403))
    assert (found[suspected, "register"], found[suspected, "dismiss"]) == sees
    assert again == (303 if registers or role is Role.OPERATOR else 403)
    assert SECRET_WORDS not in await (await browser.get("/quarantine")).text()
    assert house.store.read_now(lambda conn: len(conn.execute(select(cases)).all())) == 6


async def test_an_item_of_a_channel_that_is_gone_has_no_form(house: House, clerk: Browser) -> None:
    gone = update(raw).where(raw.c.id == house.town.quarantined).values(channel="closed_down")
    row = house.store.read_now(lambda conn: conn.execute(select(raw).where(raw.c.id == house.town.quarantined)).one())
    meta = house.store.sealer.open(row.sealed_meta, f"raw:{row.channel}:{row.key}:{row.version}")
    sealed = house.store.sealer.seal(meta, f"raw:closed_down:{row.key}:{row.version}")
    house.store.submit(lambda conn: conn.execute(gone.values(sealed_meta=sealed))).result()
    page = await read(clerk, f"/quarantine/{house.town.quarantined}")

    assert 'class="writing"' not in page
    assert "排除" in page


async def test_what_was_done_stands_in_the_audit_log_without_a_word_of_it(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    await register(browser, house.town.quarantined, title="要求公示收费")
    await log_in(browser, "discipline")
    await post(browser, f"/quarantine/{house.town.suspected}/dismiss", reason="other", note="误寄的贺卡")
    await log_in(browser, "auditor")
    page = await read(browser, "/history")
    kinds = house.store.read_now(lambda conn: conn.execute(select(history.c.kind, history.c.actor)).all())

    assert ("registered", "clerk") in [tuple(row) for row in kinds]
    assert "人工登记" in page
    assert "原因 其他" in page
    for words in ("要求公示收费", "误寄的贺卡"):
        assert words not in page


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh", "扫描件无法读取：PDF 有密码保护，请提供不加密的文件"),
        ("en", "the scan cannot be read: the PDF is protected by a password; have it sent without"),
    ],
)
async def test_a_reason_is_in_the_pages_language(house: House, clerk: Browser, language: str, said: str) -> None:
    number = house.town.quarantined
    stored = "the scan cannot be read: PDF 有密码保护，请提供不加密的文件"
    await house.store.write(lambda conn: conn.execute(update(raw).where(raw.c.id == number).values(reason=stored)))
    token = await form_token(clerk, "/quarantine")
    form = {"csrf": token, "language": language, "next": "/quarantine"}
    await clerk.post("/language", data=form, headers=origin(clerk))

    assert said in await read(clerk, "/quarantine")
    assert said in await read(clerk, f"/quarantine/{number}")

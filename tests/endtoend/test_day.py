"""A day in the office: each at his desk in a real browser, and three accusations of which only discipline may hear.

The tests are one story, told in order; the search comes last, when everything has been printed, sent and looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import pytest_asyncio
import zxingcpp
from playwright.async_api import Page

from tests.endtoend import accusations
from tests.endtoend.accusations import Accusation
from tests.endtoend.bureau import LOGIN, OTHERS, ROLES, Bureau, a_bureau, ordinary
from tests.endtoend.desks import Desks, desks
from tests.endtoend.letterbox import letters
from tests.endtoend.searching import text_of_pdf
from tests.endtoend.walking import Seen, walk

pytestmark = [
    pytest.mark.crash, pytest.mark.browser, pytest.mark.dovecot, pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]  # fmt: skip
PAGES = {
    "operator": ["总览", "信访件", "投送", "隔离区"],
    "clerk": ["总览", "信访件", "投送", "隔离区"],
    "discipline": ["总览", "信访件", "投送", "隔离区"],
    "leader": ["总览", "信访件"],
    "auditor": ["总览", "信访件", "操作记录", "账号"],
}
MAY_DO = {
    "operator": [],
    "clerk": ["更正", "呈阅单（PDF）", "交办单（PDF）"],
    "discipline": ["呈阅单（PDF）", "交办单（PDF）"],
    "leader": ["呈阅单（PDF）", "交办单（PDF）"],
    "auditor": [],
}
"""With a case that is not restricted."""
REFUSED = "event laid aside; its case's later events wait"
NUMBERS = {"case_id", "case_no", "channel_kind", "received_at", "deadlines", "restricted"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bureau(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bureau]:
    async with a_bureau(tmp_path_factory.mktemp("bureau")) as bureau:
        yield bureau


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(bureau: Bureau) -> AsyncIterator[Desks]:
    async with desks(bureau.url, LOGIN) as people:
        yield people


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_is_offered_the_pages_of_its_work_and_refused_the_others(people: Desks, role: str) -> None:
    page = await people.of(role)
    offered = await page.get_by_role("navigation", name="主导航").get_by_role("link").all_inner_texts()
    answers = {}
    for name, path in (
        ("投送", "/deliveries"),
        ("隔离区", "/quarantine"),
        ("操作记录", "/history"),
        ("账号", "/accounts"),
    ):
        answer = await page.goto(f"{people.url}{path}")
        answers[name] = answer.status if answer else None

    assert offered == PAGES[role]
    assert answers == {name: 200 if name in PAGES[role] else 403 for name in answers}


@pytest.mark.parametrize("role", ROLES)
async def test_a_case_shows_each_role_its_words_or_its_number_alone(bureau: Bureau, people: Desks, role: str) -> None:
    case = an_open_case(bureau)
    page = await people.at(role, f"/cases/{case['case_id']}")
    shown = await page.locator("main").inner_text()

    reads = role in ("clerk", "discipline", "leader")
    assert case["case_no"] in shown
    assert (case["title"] in shown, case["petitioners"][0]["name"] in shown) == (reads, reads)
    assert ("您的角色只能查看" in shown) is not reads
    assert await page.locator(".case-head .do a").all_inner_texts() == MAY_DO[role]


async def test_a_clerk_corrects_a_case_beside_its_original_and_the_oa_hears_of_it(
    bureau: Bureau, people: Desks
) -> None:
    case = an_open_case(bureau)
    page = await people.at("clerk", f"/cases/{case['case_id']}")
    await page.get_by_role("link", name="更正").click()
    original = await page.get_by_role("complementary").inner_text()
    await page.get_by_label("标题").fill("更正后的标题：课后服务收费")
    await page.get_by_label("电话").first.fill("13900001111")
    await page.get_by_role("button", name="保存更正").click()
    said = await page.get_by_role("status").inner_text()
    heading = await page.get_by_role("heading", level=1).inner_text()
    await bureau.office.until(lambda: last_told(bureau, case)["type"] == "case.updated", "the OA hears of it")
    told = last_told(bureau, case)["data"]

    assert case["title"] in original
    assert said == "更正已保存，并通知接收方。"
    assert heading == "更正后的标题：课后服务收费"
    assert (told["case"]["title"], told["case"]["petitioners"][0]["phones"]) == (heading, ["13900001111"])
    assert {(one["field"], one["by"]) for one in told["change"]} >= {("title", "clerk")}


async def test_what_could_not_be_read_alarms_the_duty_and_a_clerk_registers_it_from_its_picture(
    bureau: Bureau, people: Desks
) -> None:
    page = await people.at("clerk", "/quarantine")
    reason = await page.locator("main td.detail").inner_text()
    await bureau.office.until(
        lambda: any("隔离" in one for one in bureau.robot.alarms()), "the duty is told", patience=90
    )
    await page.get_by_role("link", name="查看原件").click()
    picture = page.get_by_role("img", name="扫描件图片")
    await picture.scroll_into_view_if_needed()
    wide = await picture.evaluate("async one => { await one.decode().catch(() => 0); return one.naturalWidth }")
    await page.get_by_label("标题").fill("来信反映操场修缮")
    await page.get_by_role("textbox", name="内容").fill("扫描不全，按原件上半页登记：请求尽快修缮操场。")
    await page.get_by_label("姓名").first.fill("端木清和")
    await page.get_by_label("电话").first.fill("13912345678")
    await page.get_by_role("button", name="登记为信访件").click()
    said = await page.get_by_role("status").inner_text()
    case = await told_of(bureau, "来信反映操场修缮")
    left = await (await people.at("operator", "/quarantine")).locator("main").inner_text()

    assert "文件损坏或不完整" in reason
    assert wide > 1000
    assert said == "已登记为信访件。"
    assert (case["petitioners"][0]["name"], case["reading"]["method"]) == ("端木清和", "typed")
    assert [one["role"] for one in case["attachments"]] == ["scan"]
    assert "隔离区是空的。" in left


async def test_the_leader_prints_a_sheet_of_one_page_whose_code_scans_as_the_number(
    bureau: Bureau, people: Desks, tmp_path: Path
) -> None:
    case, earlier = of_one_person(bureau)
    page = await people.at("leader", f"/cases/{case['case_id']}")
    sheet = await printed(page, "呈阅单（PDF）", tmp_path)
    text = text_of_pdf(sheet).decode()
    document = pypdfium2.PdfDocument(sheet)
    picture = document[0].render(scale=2).to_numpy()[:, :, :3].min(axis=2)
    pages = len(document)
    document.close()

    assert pages == 1
    assert [one.text for one in zxingcpp.read_barcodes(picture)] == [case["case_no"]]
    for said in ("信访件呈阅单", case["case_no"], earlier["case_no"], case["petitioners"][0]["name"], "领导批示"):
        assert said in text, said
    assert 0.005 < (picture < 128).mean() < 0.2


async def test_an_operator_sends_again_what_the_oa_refused(bureau: Bureau, people: Desks) -> None:
    mail = letters(1, first=20)[0]
    page = await people.of("operator")
    with bureau.refused():
        await bureau.post(mail.raw)
        await bureau.office.until(lambda: bureau.office.said(REFUSED) == 2, "two targets refuse it")
    await page.goto(f"{people.url}/")
    needs = await page.get_by_role("region", name="需要处理").inner_text()
    await page.get_by_role("region", name="需要处理").get_by_role("link", name="拒").click()
    await page.get_by_label("目标").select_option("oa")
    await page.get_by_role("button", name="查找").click()
    await page.get_by_role("link", name="被拒绝").click()
    await page.get_by_role("button", name="重新投送").click()
    said = await page.get_by_role("status").inner_text()
    await told_of(bureau, mail.title)
    page = await people.at("operator", "/deliveries?target=statistics&state=rejected")
    await page.get_by_role("button", name="全部重新投送").click()
    all_said = await page.get_by_role("status").inner_text()
    await bureau.office.until(lambda: len(bureau.oa.ledger.cases("statistics")) == cases_of(bureau), "both have it")

    assert "2 次投送被拒绝" in needs
    assert "放弃" not in needs  # the same two a second time
    assert mail.name not in await page.content()
    assert said == "已安排重新投送。"
    assert all_said == "已安排 1 次重新投送。"


async def test_a_target_an_operator_pauses_gets_nothing_until_he_resumes_it(bureau: Bureau, people: Desks) -> None:
    mail = letters(1, first=21)[0]
    page = await people.at("operator", "/targets/oa")
    await page.get_by_label("暂停原因").fill("OA 今晚升级")
    await page.get_by_role("button", name="暂停").click()
    paused = await page.locator("main").inner_text()
    before, counted = len(bureau.told("")), len(bureau.told("statistics"))
    await bureau.post(mail.raw)
    await bureau.office.until(lambda: len(bureau.told("statistics")) > counted, "the other target has it")
    seen = await (await people.at("leader", "/")).locator("main").inner_text()
    held = len(bureau.told(""))
    page = await people.at("operator", "/targets/oa")
    await page.get_by_role("button", name="恢复").click()
    said = await page.get_by_role("status").inner_text()
    await told_of(bureau, mail.title)

    assert "operator" in paused
    assert "OA 今晚升级" in seen
    assert held == before
    assert said == "已恢复。"


async def test_discipline_prints_and_corrects_an_accusation_which_its_target_quotes_when_it_refuses_it(
    bureau: Bureau, people: Desks, tmp_path: Path
) -> None:
    accusation = accusations.BY_MAIL
    case = accused_in(bureau, accusation)
    page = await people.at("discipline", f"/cases/{case['case_id']}")
    sheet = text_of_pdf(await printed(page, "呈阅单（PDF）", tmp_path)).decode()
    await page.get_by_role("link", name="更正").click()
    await page.get_by_label("被反映单位").fill("花桥中学校长室（青瓷茶罐）")
    before = bureau.office.said(REFUSED)
    with bureau.refused():
        await page.get_by_role("button", name="保存更正").click()
        said = await page.get_by_role("status").inner_text()
        await bureau.office.until(
            lambda: bureau.office.said(REFUSED) == before + 2, "its target and the count refuse it"
        )
    await page.reload()
    answered = await page.get_by_role("region", name="投送").text_content()
    for target in ("discipline", "statistics"):
        operating = await people.at("operator", f"/deliveries?target={target}&state=rejected")
        await operating.get_by_role("button", name="全部重新投送").click()
    await bureau.office.until(lambda: accused_in(bureau, accusation)["revision"] > case["revision"], "it is told")

    assert "not like this" in (answered or "")
    assert accusation.name in sheet
    assert "受限件" in sheet
    assert said == "更正已保存，并通知接收方。"
    assert accused_in(bureau, accusation)["subject_party"] == "花桥中学校长室（青瓷茶罐）"


async def test_what_the_discipline_line_reports_of_an_accusation_stands_on_its_page(
    bureau: Bureau, people: Desks
) -> None:
    accusation = accusations.BY_TELEPHONE
    case = accused_in(bureau, accusation)
    status = await bureau.report(case["case_id"], "accepted", f"已约谈{accusation.name}，鹦鹉螺摆件已封存")
    shown = await (await people.at("discipline", f"/cases/{case['case_id']}")).locator("main").inner_text()

    assert status == 200
    assert "鹦鹉螺摆件已封存" in shown


async def test_the_auditor_finds_who_did_what_and_when(people: Desks) -> None:
    page = await people.at("auditor", "/history")
    done = {}
    for what, who in (
        ("人工更正", "clerk"), ("人工登记", "clerk"), ("重新读取或投送", "operator"), ("暂停", "operator"),
        ("恢复", "operator"), ("查看", "leader"),
    ):  # fmt: skip
        await page.get_by_label("操作人").fill(who)
        await page.get_by_label("事项").select_option(what)
        await page.get_by_role("button", name="查找").click()
        row = page.locator("tbody tr").first
        done[what] = (await row.locator("time").count(), who in await row.inner_text())

    assert set(done.values()) == {(1, True)}


@pytest.mark.parametrize("width", [1280, 390])
async def test_no_page_is_wider_than_the_screen_it_is_read_on(bureau: Bureau, people: Desks, width: int) -> None:
    case = f"/cases/{an_open_case(bureau)['case_id']}"
    pages = {
        "clerk": ("/", "/cases", case, f"{case}/correct", "/deliveries", "/quarantine?state=dismissed", "/password"),
        "auditor": ("/history", "/accounts", case),
    }
    too_wide = []
    for role, paths in pages.items():
        page = await people.of(role)
        await page.set_viewport_size({"width": width, "height": 900})
        for path in paths:
            await page.goto(f"{people.url}{path}")
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                too_wide.append(path)

    assert too_wide == []


@pytest.mark.parametrize("accusation", accusations.ALL, ids=lambda one: one.channel_kind)
@pytest.mark.parametrize("role", ROLES)
async def test_a_search_for_the_accuser_finds_the_case_for_discipline_only(
    bureau: Bureau, people: Desks, role: str, accusation: Accusation
) -> None:
    page = await people.at(role, "/cases")
    found = []
    for words in accusation.secret.words[:2]:
        await page.get_by_label("搜索").fill(words)
        await page.get_by_role("button", name="查找").click()
        found.append(await page.locator("td.number a").all_inner_texts())

    number = [accused_in(bureau, accusation)["case_no"]]
    assert found == ([number, number] if role == "discipline" else [[], []])


@dataclass(frozen=True)
class Written:
    """All that the day left behind, by place and name."""

    by_place: Mapping[str, Mapping[str, bytes]]

    def betrayed(self, place: str, accusation: Accusation) -> dict[str, list[str]]:
        """What of an accusation stands there, and where."""
        found = {name: accusation.secret.found_in(content) for name, content in self.by_place[place].items()}
        return {name: signs for name, signs in found.items() if signs}

    def holds(self, place: str, word: str) -> bool:
        return any(word.encode() in content for content in self.by_place[place].values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def written(bureau: Bureau, people: Desks, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Whatever can be had, once everybody has gone wherever his pages lead."""
    places: dict[str, dict[str, bytes]] = {}
    for role in ROLES:
        places[f"pages of {role}"] = readable(await walk((await people.of(role)).context.request, people.url))
    for target in ("oa", "discipline", "statistics"):
        places[f"answers to {target}"] = await answers(bureau, target)
    for target, route in (("oa", ""), ("discipline", "discipline"), ("statistics", "statistics")):
        sent = (one for one in bureau.recorder.attempts if one.route == route)
        places[f"webhooks of {target}"] = {f"{one.event_id} {number}": one.body for number, one in enumerate(sent)}
    copy = tmp_path_factory.mktemp("backup") / "copy"
    commands = (
        ("status",), ("status", "--json"), ("verify",), ("quarantine", "list"), ("user", "list"),
        ("backup", "--to", str(copy)), ("replay", "--send", "--since", "2026-01-01", "--dry-run"),
    )  # fmt: skip
    said = {" ".join(one): await bureau.office.command(*one) for one in commands}
    assert {one.status for one in said.values()} == {0}
    places["commands"] = {name: (one.out + one.err).encode() for name, one in said.items()}
    places["metrics"] = {path: (await bureau.ask(path))[1] for path in ("/metrics", "/readyz", "/healthz")}
    places["alarms"] = {f"alarm {number}": body for number, body in enumerate(bureau.robot.told)}
    places["log"] = files_of(bureau.office.log)
    places["data folder"] = files_of(bureau.office.data)
    places["backup"] = files_of(copy)
    return Written(places)


@pytest.mark.parametrize("accusation", accusations.ALL, ids=lambda one: one.channel_kind)
async def test_discipline_and_its_target_have_every_word_and_file(written: Written, accusation: Accusation) -> None:
    signs = set(accusation.secret.signs)
    seen = {place: words_in(written, place, accusation) for place in DISCIPLINE}

    assert seen == {
        "pages of discipline": signs,
        "webhooks of discipline": {one for one in signs if not one.startswith("file")},  # by their address alone
        "answers to discipline": signs,
    }


DISCIPLINE = ("pages of discipline", "webhooks of discipline", "answers to discipline")
ELSEWHERE = (
    *(f"pages of {role}" for role in OTHERS), "webhooks of oa", "webhooks of statistics", "answers to oa",
    "answers to statistics", "commands", "metrics", "alarms", "log", "data folder", "backup",
)  # fmt: skip


@pytest.mark.parametrize("place", ELSEWHERE)
async def test_nothing_of_an_accusation_stands_anywhere_else(written: Written, place: str) -> None:
    assert {place for place in written.by_place if place not in DISCIPLINE} == set(ELSEWHERE)
    assert any(written.by_place[place].values())
    assert {one.name: written.betrayed(place, one) for one in accusations.ALL} == {
        one.name: {} for one in accusations.ALL
    }


async def test_whoever_may_know_the_number_of_an_accusation_knows_it_and_the_oa_does_not(
    bureau: Bureau, written: Written
) -> None:
    cases = [accused_in(bureau, one) for one in accusations.ALL]
    knowing = (*(f"pages of {role}" for role in OTHERS), "webhooks of statistics", "answers to statistics", "log")

    assert all(written.holds(place, case["case_id"]) for case in cases for place in (*knowing, "data folder"))
    assert not any(
        written.holds(place, case["case_id"]) for case in cases for place in ("webhooks of oa", "answers to oa")
    )
    told = [one["data"]["case"] for one in bureau.told("statistics")]
    assert {frozenset(one) for one in told if one["restricted"]} == {frozenset(NUMBERS)}


async def test_what_others_see_names_no_file_of_an_accusation_by_its_hash(written: Written) -> None:
    hashes = accusations.BY_MAIL.secret.digests
    open_places = [place for place in ELSEWHERE if place not in ("data folder", "backup")]

    assert all(written.holds("pages of discipline", one) for one in hashes)
    assert [place for place in open_places for one in hashes if written.holds(place, one)] == []


async def test_every_list_was_walked_to_its_end(written: Written) -> None:
    second = {one.partition("?")[0] for one in written.by_place["pages of clerk"] if "before=" in one}

    assert {one.rpartition("/")[2] for one in second} >= {"deliveries"}


async def test_the_temporary_folder_was_never_used(bureau: Bureau, written: Written) -> None:
    assert list(bureau.temporary.iterdir()) == []


async def test_the_browser_had_nothing_to_object_to(people: Desks, written: Written) -> None:
    assert people.complaints == []


def told_cases(bureau: Bureau, route: str = "") -> list[dict[str, Any]]:
    """The last revision of every case a target has."""
    return [one["case"] for one in bureau.oa.ledger.cases(route)]


def of_one_person(bureau: Bureau) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two cases, the first of the petition platform, the second of the hotline."""
    person, found = ordinary(1)[0].citizens[0], {}
    for one in told_cases(bureau):
        if person.phone in [phone for who in one["petitioners"] for phone in who["phones"]]:
            found[one["channel_kind"]] = one
    return found["sunshine"], found["hotline"]


def cases_of(bureau: Bureau) -> int:
    return len(bureau.oa.ledger.cases("")) + len(bureau.oa.ledger.cases("discipline"))


def an_open_case(bureau: Bureau) -> dict[str, Any]:
    """Always the same: the first mail."""
    return first_told(bureau, letters(1)[0].title)


def first_told(bureau: Bureau, title: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one["data"]["case"] for one in bureau.told("") if one["data"]["case"].get("title") == title
    )
    return found


def last_told(bureau: Bureau, case: Mapping[str, Any]) -> dict[str, Any]:
    return next(one for one in reversed(bureau.told("")) if one["data"]["case"]["case_id"] == case["case_id"])


async def told_of(bureau: Bureau, title: str) -> dict[str, Any]:
    """The case of this title, once the OA has it."""

    def there() -> bool:
        return any(one["title"] == title for one in told_cases(bureau))

    await bureau.office.until(there, f"the OA has {title}")
    return next(one for one in told_cases(bureau) if one["title"] == title)


def accused_in(bureau: Bureau, accusation: Accusation) -> dict[str, Any]:
    """The case as its target has it."""
    return next(
        one
        for one in told_cases(bureau, "discipline")
        if accusation.name in [who["name"] for who in one["petitioners"]]
    )


async def printed(page: Page, name: str, folder: Path) -> bytes:
    async with page.expect_download() as coming:
        await page.get_by_role("link", name=name).click()
    await (await coming.value).save_as(folder / "sheet.pdf")
    return (folder / "sheet.pdf").read_bytes()


def readable(walked: Mapping[str, Seen]) -> dict[str, bytes]:
    """What was seen; of a sheet of paper also what it says."""
    assert {seen.status for seen in walked.values()} == {200}
    texts = {
        f"{address} (text)": text_of_pdf(seen.content)
        for address, seen in walked.items()
        if seen.media_type == "application/pdf" and "/sheet" in address
    }
    return {address: seen.content for address, seen in walked.items()} | texts


async def answers(bureau: Bureau, target: str) -> dict[str, bytes]:
    """What the interface gives a target that asks for every case there is and for every file of any."""
    held = [(one["case_id"], one["attachments"]) for route in ("", "discipline") for one in told_cases(bureau, route)]
    files = {f"/files/{case_id}/{one['sha256']}" for case_id, attached in held for one in attached}
    paths = ("/api/v1/cases", *(f"/api/v1/cases/{case_id}" for case_id, _ in held), *files)
    told = {path: await bureau.ask(path, target) for path in paths}
    assert {status for status, _ in told.values()} <= {200, 404}
    return {path: body for path, (status, body) in told.items() if status == 200}


def files_of(place: Path) -> dict[str, bytes]:
    """Every file there."""
    paths = [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.is_file()]
    return {str(path.relative_to(place.parent)): path.read_bytes() for path in paths}


def words_in(written: Written, place: str, accusation: Accusation) -> set[str]:
    return {sign for signs in written.betrayed(place, accusation).values() for sign in signs}

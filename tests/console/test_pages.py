"""What the pages show: search, paging, the case in full, foreign HTML made harmless."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest
from sqlalchemy import insert

from ingest.console.context import CONSOLE
from ingest.in_force import Refusal
from normalize.showing import sanitised
from store.engine import BROWSERS
from store.schema import alarm
from tests.console.conftest import Browser, House, log_in, origin, read
from tests.console.town import SECRET_WORDS, fill


@pytest.fixture
async def clerk(browser: Browser) -> Browser:
    await log_in(browser, "clerk")
    return browser


def numbers(text: str) -> list[str]:
    """The case numbers of a list, in order."""
    return re.findall(r'class="number"><a href="/cases/[^"]+">([^<]+)<', text)


@pytest.mark.parametrize(
    "words",
    ["2026-000101", "260300000000000101", "13800001234", "138 0000 1234", "32040219900101123x", "王秀兰",
     "课后 退费", "李建国"],
)  # fmt: skip
async def test_a_case_is_found_by_number_person_or_words(clerk: Browser, words: str) -> None:
    text = await (await clerk.get("/cases", params={"q": words})).text()

    assert numbers(text) == ["2026-000101"]


async def test_an_e_mail_address_finds_its_case_whatever_its_case(clerk: Browser) -> None:
    assert numbers(await read(clerk, "/cases?q=Chen.XN@mail.example")) == ["2026-000102"]


async def test_half_a_phone_number_finds_nobody(clerk: Browser) -> None:
    text = await read(clerk, "/cases?q=1370000")

    assert numbers(text) == []
    assert "没有符合条件的信访件" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("channel=letter", ["2026-000106", "2026-000104"]),
        ("channel=hotline:city_hotline", ["2026-000103", "2026-000101"]),
        ("type=suggestion", ["2026-000102"]),
        ("state=review", ["2026-000104"]),
        ("state=urgent", ["2026-000101"]),
        ("overdue=1", ["2026-000101"]),
        ("type=praise&channel=hotline", ["2026-000103"]),
        ("state=withdrawn", []),
    ],
)
async def test_filters_narrow_the_list(clerk: Browser, query: str, found: list[str]) -> None:
    assert numbers(await read(clerk, f"/cases?{query}")) == found


async def test_pages_of_fifty_go_back_and_forth_without_gap_or_double(house: House, clerk: Browser) -> None:
    fill(house.store, 120)
    path, seen, pages = "/cases", [], []
    while path:
        text = await read(clerk, path)
        pages.append(numbers(text))
        seen += pages[-1]
        older = re.search(r'rel="next" href="([^"]+)"', text)
        newer = re.search(r'rel="prev" href="([^"]+)"', text)
        path = older[1].replace("&amp;", "&") if older else ""

    assert [len(page) for page in pages] == [50, 50, 26]
    assert len(set(seen)) == 126
    assert newer is not None
    assert numbers(await read(clerk, newer[1])) == pages[1]


@pytest.mark.parametrize("place", ["x", "1-", "-1-a", "99999999999999999999-a", "1e9-b", "%00-%00"])
async def test_a_broken_place_in_the_address_is_the_first_page(clerk: Browser, place: str) -> None:
    first = numbers(await read(clerk, "/cases"))

    assert len(first) == 6
    assert numbers(await read(clerk, f"/cases?before={place}")) == first
    assert numbers(await read(clerk, f"/cases?after={place}")) == first


async def test_the_case_page_shows_everything_there_is(house: House, clerk: Browser) -> None:
    text = await read(clerk, f"/cases/{house.town.fees}")

    for shown in (
        "花桥中学", "逾期 1 天", "剩 2 天", "尚未起算", "信访工作条例 第二十三条", "暂定", "收费通知照片.png",
        "OA-77120",
        "第 2 版", "<del>没有</del>", "<ins>未</ins>", "人工更正", "来源期限早于本单位计算的期限", "相似度 62%",
        "260306101500112233", "市民要求回电", "2026-000105",
    ):  # fmt: skip
        assert shown in text, shown


async def test_of_a_shared_page_only_the_cases_own_record_is_shown(house: House, clerk: Browser) -> None:
    town = house.town
    original = await (await clerk.get(f"/cases/{town.fees}/originals/1")).text()

    assert "课后服务收费问题" in original
    assert SECRET_WORDS not in original
    assert SECRET_WORDS not in await read(clerk, f"/cases/{town.fees}")


async def test_a_mails_html_is_shown_without_anything_active(house: House, clerk: Browser) -> None:
    text = await read(clerk, f"/cases/{house.town.bus}")

    assert "陈晓南 &lt;chen.xn@mail.example&gt;" in text
    assert "<b>柳堤新村</b>" in text
    assert '<td colspan="2">7:10</td>' in text
    for active in ("<script", "alert(", "onerror", "javascript:", "tracker.example", "position:fixed"):
        assert active not in text


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("<svg><script>x()</script></svg>a", "a"),
        ("<p onclick=x()>a</p>", "<p>a</p>"),
        ("<style>*{}</style>a", "a"),
        ("<p style='position:fixed' id=a class=b>a</p>", "<p>a</p>"),
        ("<math><mi//xlink:href='data:x,<script>x()'></math>", ""),
        ("<iframe src=//e.example>a</iframe>b", "ab"),
        ("<a href=//e.example>a</a>", "a"),
        ("<form action=//e.example><input>a</form>", "a"),
        ("<base href=//e.example>a", "a"),
        ("<noscript><p title='</noscript><img src=x onerror=x()>'>a", "&lt;p title=''&gt;a"),
        (
            "<table border=1><tr onclick=x()><td colspan=2 width=9>a</td></tr></table>",
            '<table><tbody><tr><td colspan="2">a</td></tr></tbody></table>',
        ),
    ],
)
def test_foreign_html_keeps_words_and_tables_only(html: str, left: str) -> None:
    assert sanitised(html) == left


async def test_every_page_forbids_scripts_and_foreign_sources(house: House, clerk: Browser) -> None:
    for path in ("/", "/cases", f"/cases/{house.town.fees}", "/login", "/nowhere", "/static/console.css", "/healthz"):
        answer = await clerk.get(path, allow_redirects=False)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        text = await answer.text()
        assert not re.search(r"<script|\sstyle=|\son\w+=", text)


async def test_pages_with_personal_data_are_not_kept_by_the_browser(house: House, clerk: Browser) -> None:
    for path in ("/cases", f"/cases/{house.town.fees}", f"/files/{house.town.fees}/{house.town.photo_sha}"):
        assert (await clerk.get(path)).headers["Cache-Control"] == "no-store"


async def test_the_overview_says_what_needs_a_person(house: House, clerk: Browser) -> None:
    text = await read(clerk, "/")

    for shown in ("渠道 sunshine：暂时不可用", "30 秒内没有应答", "1 件信访件已逾期", "隔离区有 2 件待处理",
                  "连续失败 4 次", "3 分钟前", "启用前遗留 214 件未取", "1 次投送被拒绝"):  # fmt: skip
        assert shown in text


async def test_a_door_goes_by_its_title_beside_the_name_that_commands_take(clerk: Browser) -> None:
    overview = await read(clerk, "/")

    assert '<strong>局长信箱</strong></a><br><span class="hint">director_mailbox</span>' in overview
    assert '<strong>city_hotline</strong></a><br><span class="hint">12345热线</span>' in overview
    assert "<dd>局长信箱</dd>" in await read(clerk, "/doors/director_mailbox")


async def test_a_sources_own_word_is_shown_where_it_is_not_ours(house: House, clerk: Browser) -> None:
    complaint, suggestion = [await read(clerk, f"/cases/{case}") for case in (house.town.fees, house.town.bus)]

    assert "投诉 <span" not in complaint
    assert '建议 <span class="hint">意见</span>' in suggestion


async def test_the_overview_lists_the_alarms_that_last(house: House, clerk: Browser) -> None:
    row = {"key": "disk:/data", "kind": "disk", "facts": {"place": "/data", "free": 4}}
    now = house.clock()
    await house.store.write(lambda conn: conn.execute(insert(alarm).values(row | {"since": now, "told_at": now})))

    assert "磁盘 /data 仅剩 4 %" in await read(clerk, "/")


@pytest.mark.parametrize(("role", "sees"), [("operator", True), ("clerk", False)])
async def test_a_refused_configuration_is_shown_to_operators_with_every_mistake(
    house: House, browser: Browser, role: str, sees: bool
) -> None:
    problems = ('config.yaml:3:14: log.level: is "loud"', "config.yaml:4:1: zzz: unknown key")
    house.app[CONSOLE].in_force.refused = Refusal(house.clock(), problems)
    await log_in(browser, role)
    text = await read(browser, "/")

    assert ("配置文件现有内容未生效" in text) is sees
    shown = ("config.yaml:3:14: log.level：是 &#34;loud&#34;", "config.yaml:4:1: zzz：没有这个键")
    assert all((one in text) is sees for one in shown)
    house.app[CONSOLE].in_force.refused = None
    assert "配置文件现有内容未生效" not in await read(browser, "/")


async def test_the_quarantine_says_why_and_leads_to_the_original(house: House, clerk: Browser) -> None:
    assert "不是邮件：找不到 From、Subject、Date 等邮件头" in await read(clerk, "/quarantine")
    assert "b@mail.example" in await read(clerk, f"/quarantine/{house.town.quarantined}")
    await read(clerk, f"/quarantine/{house.town.suspected}", status=404)
    await read(clerk, "/quarantine/1", status=404)


async def test_deliveries_show_their_attempts_by_target_and_state(clerk: Browser) -> None:
    rejected = await read(clerk, "/deliveries?state=rejected&target=oa")

    assert numbers(rejected) == ["2026-000103"]
    assert "HTTP 422: unknown request type" in rejected
    assert numbers(await read(clerk, "/deliveries?target=nobody")) == []


async def test_a_restricted_cases_delivery_tells_its_number_and_state_only(clerk: Browser) -> None:
    rows = (await read(clerk, "/deliveries?state=waiting")).split("<tr>")
    row = next(row for row in rows if "2026-000105" in row)

    assert "受限件" in row
    assert "新件" not in row


async def test_the_language_switch_keeps_to_the_page(clerk: Browser) -> None:
    text = await read(clerk, "/cases")
    token = text.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"csrf": token, "language": "en", "next": "/cases"}
    answer = await clerk.post("/language", data=form, headers=origin(clerk))

    assert answer.url.path == "/cases"
    english = await answer.text()
    assert '<html lang="en">' in english
    assert "Next deadline" in english


async def test_what_is_not_there_is_said_in_a_page(clerk: Browser) -> None:
    for path in ("/cases/01NOWHERE", "/nowhere", "/cases/01NOWHERE/originals/1", "/files/01NOWHERE/ab"):
        answer = await clerk.get(path)
        assert answer.status == 404


async def test_a_search_that_takes_its_time_keeps_no_reading_waiting(house: House, clerk: Browser) -> None:
    over = threading.Event()
    searches = [asyncio.create_task(house.store.browse(lambda _: over.wait(30))) for _ in range(BROWSERS)]
    search = asyncio.create_task(read(clerk, "/cases"))
    await read(clerk, f"/cases/{house.town.fees}")
    waited = not search.done()
    over.set()

    assert all(await asyncio.gather(*searches))
    assert "2026-000101" in await search
    assert waited

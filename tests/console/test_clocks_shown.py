"""The page of a case shows every clock with what it rests on, and what the OA reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from ingest.console.clocks_shown import clocks_of
from ingest.register import withdraw
from ingest.reported import take
from ingest.sheets.facts import gather
from normalize.calendar import WorkCalendar
from normalize.case import RequestType, RequestTypeCode, SourceStatus
from tests.console.conftest import Browser, House, log_in, read
from tests.ingest.desk import CHINA, Desk, desk_over, open_desk, reading
from tests.ingest.test_cases import ACCUSATION
from tests.ingest.test_reported import TARGETS, arrived

WORDS = "已责成学校公示收费依据"


@pytest.fixture
def desk(house: House) -> Desk:
    return desk_over(house.store, TARGETS)


def says(desk: Desk, case_id: str, type_: str, moment: str, target: str = "oa", **more: str) -> None:
    new = arrived(case_id, type_, moment, target=target, **more)
    desk.write(lambda conn: take(conn, desk.store.sealer, desk.desk.clockwork, TARGETS[target], new, desk.now))


async def test_each_clock_says_its_rule_start_basis_calendar_and_end(browser: Browser, desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(request_type=RequestType(code=RequestTypeCode.HELP)))
    says(desk, case_id, "accepted", "2026-03-04 10:00")
    says(desk, case_id, "extended", "2026-04-20 10:00", until="2026-06-02T18:00:00+08:00")
    await log_in(browser, "clerk")

    page = " ".join((await read(browser, f"/cases/{case_id}")).split())

    for said in (
        "<code>xf.notice</code> · 信访工作条例 第二十三条",
        "自收到时间起算：2026-03-02 09:00",
        "日历 2026 内置安排",
        "2026-03-04 10:00 停止计时",
        "自受理时间起算：2026-03-04 10:00",
        "OA 已延期",
        "2026-06-02 18:00",
    ):
        assert said in page, said


@pytest.mark.parametrize("how", ["running", "closed", "withdrawn"])
async def test_what_is_closed_at_its_source_or_taken_back_is_overdue_nowhere(
    browser: Browser, desk: Desk, how: str
) -> None:
    status = SourceStatus(code="closed", raw="已办结") if how == "closed" else SourceStatus()
    (case_id,) = desk.take_in(reading(received_at=datetime(2025, 12, 1, 9, 0, tzinfo=CHINA), source_status=status))
    desk.write(lambda conn: withdraw(conn, case_id, withdrawn=how == "withdrawn"))
    sheet = desk.store.read_now(lambda conn: gather(conn, desk.store.sealer, case_id, restricted=False))
    await log_in(browser, "clerk")
    page, listed = await read(browser, f"/cases/{case_id}"), await read(browser, "/cases")

    deadlines = page.partition('id="deadlines"')[2].partition("</section>")[0]
    line = listed.partition(f'href="/cases/{case_id}"')[2].partition("</tr>")[0]
    running = how == "running"
    assert ("逾期" in deadlines, "不再计时" in deadlines) == (running, not running)
    assert ("逾期" in line, sheet.over) == (running, not running)


async def test_a_report_is_shown_with_its_words_to_who_may_read_the_case(browser: Browser, desk: Desk) -> None:
    (case_id,) = desk.take_in(reading())
    says(desk, case_id, "answered", "2026-03-05 10:00", public_text=WORDS, unit="财务处", text="<b>内部</b>")

    await log_in(browser, "clerk")
    page = await read(browser, f"/cases/{case_id}")
    assert (WORDS in page, "财务处" in page, "&lt;b&gt;内部" in page, "OA 回报" in page) == (True,) * 4

    await browser.get("/login")
    await log_in(browser, "operator")
    assert WORDS not in await read(browser, f"/cases/{case_id}")


async def test_what_was_reported_of_a_restricted_time_stays_closed(browser: Browser, desk: Desk) -> None:
    (case_id,) = desk.take_in(reading(**ACCUSATION))
    says(desk, case_id, "answered", "2026-03-05 10:00", target="discipline", public_text=WORDS)
    desk.take_in(reading())

    await log_in(browser, "clerk")
    assert WORDS not in await read(browser, f"/cases/{case_id}")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield opened


@pytest.mark.usefixtures("arranged_to_2026")
def test_a_clock_names_the_calendar_of_each_year_it_runs_through(alone: Desk) -> None:
    calendar = WorkCalendar.from_years({2026: {"holidays": ["2026-10-01"]}})
    clockwork = replace(alone.desk.clockwork, calendar=calendar)
    desk = Desk(alone.store, replace(alone.desk, clockwork=clockwork), alone.now)
    (case_id,) = desk.take_in(reading(received_at=datetime(2026, 12, 28, 9, 0, tzinfo=CHINA)))

    found = {one.deadline.rule: one for one in clocks_of(desk.case(case_id), calendar)}

    assert found["xf.notice"].calendars == [(2026, "own"), (2027, "weekends")]
    assert (found["xf.close"].calendars, found["xf.close"].started_at) == ((), None)

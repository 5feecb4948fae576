"""A case's sheet as each role gets it over HTTP, and what is on it of the same person's other matters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from ingest import register
from ingest.accounts import Role
from ingest.operations import OperationRefused, perform
from ingest.sheets.facts import gather
from normalize.case import Petitioner
from tests.console.conftest import Browser, House, log_in, read
from tests.console.test_acts import happened
from tests.console.town import NOW, make_case, person
from tests.ingest.desk import open_desk, reading
from tests.place import Place


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        assert len(document) == 1
        return str(document[0].get_textpage().get_text_range())
    finally:
        document.close()


def codes_of(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [code.text for code in zxingcpp.read_barcodes(document[0].render(scale=2).to_pil())]
    finally:
        document.close()


@pytest.mark.parametrize("role", list(Role))
async def test_who_may_read_a_case_may_print_it(house: House, browser: Browser, role: Role) -> None:
    await log_in(browser, role.value)
    open_ = await browser.get(f"/cases/{house.town.fees}/sheet")
    closed = await browser.get(f"/cases/{house.town.accusation}/sheet")
    prints = role in (Role.CLERK, Role.LEADER, Role.DISCIPLINE)

    assert open_.status == (200 if prints else 403)
    assert closed.status == (200 if role is Role.DISCIPLINE else 404 if prints else 403)
    case_page = await (await browser.get(f"/cases/{house.town.fees}")).text()
    assert (f"/cases/{house.town.fees}/sheet" in case_page) == prints


async def test_the_sheet_is_a_page_with_the_case_and_its_code(house: House, browser: Browser) -> None:
    await log_in(browser, "leader")
    answer = await browser.get(f"/cases/{house.town.fees}/sheet")
    pdf = await answer.read()
    text = text_of(pdf)

    assert (answer.content_type, answer.headers["Cache-Control"]) == ("application/pdf", "no-store")
    assert "2026-000101-reading.pdf" in answer.headers["Content-Disposition"]
    for said in (
        "信访件呈阅单",
        "2026-000101",
        "王秀兰 等 2 人",
        "13800001234",
        "花桥中学",
        "打印：2026-03-09 10:30　leader",
    ):
        assert said in text, said
    assert codes_of(pdf) == ["2026-000101"]
    other = await (await browser.get(f"/cases/{house.town.fees}/sheet?form=assignment")).read()
    assert "信访件交办单" in text_of(other)


async def test_printing_is_written_down_as_a_view(house: House, browser: Browser) -> None:
    await log_in(browser, "leader")
    await browser.get(f"/cases/{house.town.fees}/sheet")
    await browser.get(f"/cases/{house.town.accusation}/sheet")

    assert happened(house, "viewed") == [("leader", house.town.fees, {"sheet": "reading", "role": "leader"})]
    await log_in(browser, "auditor")
    assert "打印 信访件呈阅单" in await read(browser, "/history?kind=viewed")


def enter(house: House, number: int, days: int, **fields: Any) -> None:
    case = make_case(number, NOW - timedelta(days=days), f"第 {number} 号旧件", **fields)
    house.store.submit(lambda conn: register.add(conn, house.store.sealer, [_new(case)], NOW)).result()


def _new(case: Any) -> register.NewCase:
    return register.NewCase(case, case.model_dump_json(), f"old:{case.case_no}")


async def test_earlier_matters_of_the_same_person_are_found_by_number_and_phone_not_by_name(
    house: House, browser: Browser
) -> None:
    enter(house, 201, 30, petitioners=(person("别的名字", "13800001234"),))
    enter(house, 202, 20, petitioners=(Petitioner(primary=True, name="王秀兰"),))  # a namesake
    enter(house, 203, 10, petitioners=(Petitioner(primary=True, id_no="32040219900101123X"),),
          restricted=True, restricted_reason="type report")  # fmt: skip
    enter(house, 204, 1, petitioners=(person("王秀兰", "13800001234"),))  # later than the case itself
    texts = {}
    for role in ("clerk", "discipline"):
        await log_in(browser, role)
        for form in ("reading", "assignment"):
            answer = await browser.get(f"/cases/{house.town.fees}/sheet?form={form}")
            texts[role, form] = text_of(await answer.read())

    for text in texts.values():
        assert "2026-000201" in text
        assert "2026-000202" not in text
        assert "2026-000204" not in text
    assert [whose for whose, text in texts.items() if "第 203 号旧件" in text] == [("discipline", "reading")]
    assert [whose for whose, text in texts.items() if "2026-000203" in text] == [("discipline", "reading")]
    assert [whose for whose, text in texts.items() if "另有" in text] == []


async def test_more_earlier_matters_than_fit_are_counted(house: House, browser: Browser) -> None:
    for number in range(301, 308):
        enter(house, number, number - 290, petitioners=(person("王秀兰", "13800001234"),))
    await log_in(browser, "clerk")
    text = text_of(await (await browser.get(f"/cases/{house.town.fees}/sheet")).read())

    assert [number for number in range(301, 308) if f"2026-000{number}" in text] == [301, 302, 303]
    assert "另有 4 件" in text


async def test_by_command_a_restricted_case_is_printed_only_for_who_may_see_it(house: House) -> None:
    asked = {"case": house.town.accusation}
    with pytest.raises(OperationRefused, match="is restricted, and who reads the sheet may not see such cases"):
        await perform(house.office, "sheet", asked, "wang")
    assert happened(house, "viewed") == []

    answer = await perform(house.office, "sheet", {**asked, "restricted": True}, "wang")

    assert answer["case_no"] == "2026-000105"
    assert happened(house, "viewed") == [("wang", house.town.accusation, {"sheet": "reading"})]


def test_earlier_matters_are_found_on_both_engines(place: Place) -> None:
    with open_desk(place) as desk:
        first, second = (desk.take_in(reading(f"x:{key}"), key=key)[0] for key in ("1", "2"))
        facts = desk.store.read_now(lambda conn: gather(conn, desk.store.sealer, second, restricted=False))
        number = desk.case(first).case_no

    assert [(one.case_no, one.title) for one in facts.earlier] == [(number, "关于课后延时服务收费的疑问")]
    assert facts.more == 0

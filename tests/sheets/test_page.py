"""The sheet as whoever prints it gets it: its text read back, its code scanned, its ink looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy
import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.catalogue import PAGES, load_words
from ingest.sheets.facts import Earlier, Facts, Form
from ingest.sheets.page import Printing, draw
from normalize.case import Case, Petitioner, Purpose, PurposeCode, Region, Unit, Urgency
from tests.console.town import NOW, deadline, make_case, person

CHINA = ZoneInfo("Asia/Shanghai")
PRINTING = Printing(Form.READING, "常州市教育局信访办公室", NOW, "wang")
EARLIER = (
    Earlier("2026-000045", NOW - timedelta(days=30), "mailbox", "关于校车线路的建议"),
    Earlier("2026-000012", NOW - timedelta(days=60), "hotline", "关于校门口占道"),
)
CONTENT = "孩子在花桥中学读初二。\n\n学校本学期课后服务每月收取三百元，没有公示收费依据，也不开发票。"


def case(**fields: Any) -> Case:
    values: dict[str, Any] = {
        "petitioners": (
            person("王𬭁喆", "13800001234", id_no="32040219900101123X", address="天宁区柳堤新村 3 幢 502 室"),
            Petitioner(name="李建国"),
        ),
        "content": CONTENT,
        "urgency": Urgency.URGENT,
        "topics": ("fees",),
        "purpose": Purpose(code=PurposeCode.APPEAL),
        "subject_party": "花桥中学",
        "region": Region(code="320402", name="天宁区"),
        "deadlines": (deadline(NOW + timedelta(days=2)), deadline(NOW - timedelta(days=9), ended_at=NOW)),
    }
    title = fields.pop("title", "课后服务收费未公示")
    return make_case(101, NOW - timedelta(days=1), title, **{**values, **fields})


def drawn(facts: Facts, printing: Printing = PRINTING, language: Any = "zh") -> bytes:
    return draw(facts, printing, load_words(PAGES, language), CHINA)


@contextmanager
def opened(pdf: bytes) -> Iterator[Any]:
    """Its one page."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        assert len(document) == 1
        yield document[0]
    finally:
        document.close()


def text_of(pdf: bytes) -> str:
    with opened(pdf) as page:
        return str(page.get_textpage().get_text_range()).replace("\r\n", "\n")


def picture_of(pdf: bytes) -> Any:
    with opened(pdf) as page:
        return page.render(scale=2).to_numpy()[:, :, :3].min(axis=2)


def test_the_text_layer_says_the_case() -> None:
    text = text_of(drawn(Facts(case(), EARLIER, 3)))

    for said in (
        "常州市教育局信访办公室", "信访件呈阅单", "编号：2026-000101", "12345热线", "260300000000000101",
        "收到日期 2026-03-08", "2026-03-11 答复", "王𬭁喆 等 2 人", "13800001234", "天宁区柳堤新村 3 幢 502 室",
        "投诉、申诉求决、收费", "紧急程度 紧急", "花桥中学", "天宁区", "课后服务收费未公示", "孩子在花桥中学读初二。",
        "2026-000045　2026-02-07　信箱　关于校车线路的建议", "2026-000012　2026-01-08　12345热线　关于校门口占道",
        "另有 3 件",
        "领导批示", "承办意见", "打印：2026-03-09 10:30　wang",
    ):  # fmt: skip
        assert said in text, said
    assert "32040219900101123X" not in text  # nobody needs it to read a letter
    assert "\n受限件\n" not in text


def test_the_code_scans_as_the_number() -> None:
    codes = zxingcpp.read_barcodes(picture_of(drawn(Facts(case(), (), 0))))

    assert [(code.text, str(code.format)) for code in codes] == [("2026-000101", str(zxingcpp.BarcodeFormat.QRCode))]


def test_it_is_black_on_white_within_the_margins() -> None:
    with opened(drawn(Facts(case(), EARLIER, 3))) as page:
        colours = page.render(scale=1).to_numpy()[:, :, :3].astype(int)
    grey = colours.max(axis=2) - colours.min(axis=2)

    assert grey.max() == 0
    _assert_margins(colours.min(axis=2), scale=1)


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_fullest_sheet_stays_on_its_page(form: Form, language: str) -> None:
    long = "很长的一段话，" * 200
    full = case(
        title=long, summary=long, content=long * 50, subject_party=long, source_no="9" * 400, petitioner_count=5000,
        petitioners=(person(long, "13800001234", address=long).model_copy(update={"phones": ("0519-81234567",) * 30}),),
        region=Region(name=long), topics=("fees", "after_school", "teacher_conduct"), suggested_unit=Unit(name=long),
    )  # fmt: skip
    earlier = tuple(replace(one, title=long) for one in (*EARLIER, EARLIER[0]))
    pdf = drawn(Facts(full, earlier, 99), replace(PRINTING, form=form, office=long[:20]), language)

    _assert_margins(picture_of(pdf), scale=2)
    assert ("见原件" if language == "zh" else "see the original") in text_of(pdf)


def test_the_emptiest_sheet_says_that_nothing_is_known() -> None:
    bare = make_case(7, NOW, "无题", content=None, source_no=None, deadlines=())
    text = text_of(drawn(Facts(bare, (), 0)))

    assert "信访人 —" in text
    assert "办理期限 —" in text
    assert "原文\n—" in text or "原文 —" in text


def test_whose_clocks_run_no_more_has_no_limit_on_its_sheet() -> None:
    text = text_of(drawn(Facts(case(), EARLIER, 3, over=True)))

    assert "办理期限 —" in text
    assert "2026-03-11" not in text


def test_a_summary_that_only_repeats_the_beginning_is_left_out() -> None:
    repeated, told = (
        "摘要" in text_of(drawn(Facts(case(summary=said), (), 0))) for said in (CONTENT[:12], "反映收费。")
    )

    assert (repeated, told) == (False, True)


def test_a_name_of_characters_no_font_has_is_spelled_out_whole() -> None:
    text = text_of(drawn(Facts(case(petitioners=(person("王\U0002123d\U00020bb7", "1"),), petitioner_count=1), (), 0)))

    assert "王〔U+2123D〕〔U+20BB7〕" in text.replace("\n", "")


def test_who_asks_not_to_be_named_is_anonymous() -> None:
    assert "信访人 匿名" in text_of(drawn(Facts(case(petitioners=(), anonymous=True), (), 0)))


def test_a_restricted_case_says_so_on_its_face() -> None:
    text = text_of(drawn(Facts(case(restricted=True, restricted_reason="type report"), (), 0)))

    assert "\n受限件\n" in text


def test_an_assignment_names_the_unit_and_has_room_for_the_outcome() -> None:
    facts = Facts(case(suggested_unit=Unit(name="财务处", reason="topic fees")), (), 0)
    text = text_of(drawn(facts, replace(PRINTING, form=Form.ASSIGNMENT)))

    for said in ("信访件交办单", "承办单位 财务处", "交办意见", "办理结果", "承办人"):
        assert said in text


def test_a_complaint_of_two_megabytes_is_one_small_page() -> None:
    pdf = drawn(Facts(case(content="校车晚点。" * 140_000), (), 0))

    assert "见原件" in text_of(pdf)
    assert len(pdf) < 100_000  # glyphs that are used, no others


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=400), st.text(max_size=60), st.text(max_size=60))
def test_whatever_a_citizen_writes_is_printed_on_one_page(content: str, name: str, title: str) -> None:
    facts = Facts(case(content=content, title=title, petitioners=(person(name, "1"),)), (), 0)
    pdf = drawn(facts)

    with opened(pdf) as page:
        assert page.get_size() == pytest.approx((595.3, 841.9), abs=0.1)


def _assert_margins(picture: Any, *, scale: float) -> None:
    """No ink nearer to the paper's edge than 20 mm at the sides, 15 mm above, 12 mm below."""
    rows, columns = numpy.nonzero(picture < 200)
    height, width = picture.shape
    millimetre = 72 / 25.4 * scale
    assert columns.min() > 20 * millimetre
    assert columns.max() < width - 20 * millimetre
    assert rows.min() > 15 * millimetre
    assert rows.max() < height - 12 * millimetre

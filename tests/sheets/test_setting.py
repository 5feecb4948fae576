"""Text in lines: where it is broken, what is left out, what is never lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.sheets import setting
from ingest.sheets.fonts import COMMON, RARE, font_of, runs, width
from ingest.sheets.setting import cut, letter, lines, printable, spelled

SIZE = 10.0
RARE_NAMES = "王𬭁喆媖㛃镕𫠊龘仝㑇𬇕"
"""Characters of the 通用规范汉字表 beyond the first plane, of GB 18030 beyond GBK, of GBK beyond GB 2312."""


def test_no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one() -> None:
    text = "孩子在花桥中学（初二）就读，学校说：“统一安排。”家长问了《办法》，没有答复。" * 5
    for measure in range(45, 200, 7):
        for line in lines(text, measure, SIZE):
            assert line[0] not in setting.NEVER_FIRST, (measure, line)
            assert line[-1] not in setting.NEVER_LAST, (measure, line)


def test_a_latin_word_stays_whole_where_it_fits() -> None:
    found = list(lines("请回复 wangxiulan@mail.example 谢谢", 138, SIZE))

    assert found == ["请回复", "wangxiulan@mail.example", "谢谢"]


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=300), st.integers(24, 300))
def test_no_line_is_wider_than_its_measure_and_no_character_is_lost(text: str, measure: int) -> None:
    clean = printable(text)
    found = list(lines(clean, measure, SIZE))

    for line in found:
        assert width(line, SIZE) <= measure or len(line) == 1
    assert [one for one in "".join(found) if not one.isspace()] == [one for one in clean if not one.isspace()]


def test_what_does_not_fit_is_said_to_be_in_the_original() -> None:
    found = cut("长" * 500, 100, SIZE, 3, "…见原件")

    assert len(found) == 3
    assert found[-1].endswith("…见原件")
    assert width(found[-1], SIZE) <= 100
    assert cut("短。", 100, SIZE, 3, "…见原件") == ["短。"]


@pytest.mark.parametrize("name", RARE_NAMES)
def test_rare_characters_of_names_are_printed(name: str) -> None:
    assert font_of(name) in (COMMON, RARE)


def test_all_of_gb_18030_within_the_first_plane_is_printed() -> None:
    """The 20,902 of GBK and the 6,582 that GB 18030 adds (CJK and Extension A)."""
    missing = [code for code in (*range(0x4E00, 0x9FA6), *range(0x3400, 0x4DB6)) if font_of(chr(code)) is None]

    assert missing == []


def test_a_name_no_font_can_print_is_told_by_its_number() -> None:
    assert spelled("王\U0002a6a5\n明") == "王〔U+2A6A5〕 明"
    assert list(runs("王\U0002a6a5明")) == [(COMMON, "王〓明")]
    assert spelled("王\ud800明") == "王〔U+D800〕明"


def test_marks_that_hide_or_turn_text_around_are_left_out() -> None:
    assert printable("甲\u202e乙\u200b丙\x00丁\t戊\r\n己") == "甲乙丙丁 戊\n己"


def test_a_letters_paragraphs_are_indented_and_its_empty_lines_dropped() -> None:
    assert letter("局长：\n\n  您好。\n　　请核实。\n") == "　　局长：\n　　您好。\n　　请核实。"

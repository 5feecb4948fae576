"""Which lines of a page are one paragraph."""

from __future__ import annotations

import time

import pytest

from normalize.line_breaks import goes_on, value_goes_on
from normalize.paragraphs import _ends, paragraphs
from tests.normalize.scans import page

FULL = "我家住在青枫花园，孩子每天早上六点就要出门上学去了。"
LONG = "我家住在青枫花园，孩子每天早上六点就要出门上学去，而"


def written(text: str) -> list[str]:
    return paragraphs([page(1, text)])


@pytest.mark.parametrize(
    "closing",
    [
        "联系人的电话号码：13800001234\n2025年3月5日",
        "写信人的身份证号码：320402199003074516\n2025年3月5日",
        "申诉人的联系电话：0519-85550123\n13900005678",
        "反映情况的人：顾晓岚、秦怀远\n沈知秋",
        "电话：13800001234\n3月5日",
    ],
)
def test_a_value_that_is_whole_is_not_glued_to_the_next_line(closing: str) -> None:
    assert written(f"{FULL}\n{closing}")[-2:] == closing.split("\n")


def test_digits_go_on_only_from_a_full_line() -> None:
    broken = "　　我的身份证号码是11010519491231\n002X，请核对我的学籍并且告诉我结果如何办理才对。"

    assert len(written(broken)) == 1
    assert written(f"{FULL}\n　　单据一共有三张合计4600\n300元的一张没有盖章")[1:] == [
        "单据一共有三张合计4600",
        "300元的一张没有盖章",
    ]


def test_a_sentence_goes_on_in_a_line_that_begins_with_a_day() -> None:
    text = "　　我家住在青枫花园，孩子上小学，这件事情我已经说过，\n2025年3月5日学校又收了一次费用。"

    assert len(written(text)) == 1


@pytest.mark.parametrize(
    "greeting", ["尊敬的局长", "尊敬的局长：", "市教育局", "局长同志", "教育局基础教育科：", "暮敬的领导；"]
)
def test_nothing_is_joined_to_a_salutation_on_its_own_line(greeting: str) -> None:
    heading = "青枫花园西侧广场每天清晨广播声音太大，严重扰民问题"

    assert written(f"{heading}\n{greeting}\n{FULL}\n孩子很累。")[:2] == [heading, greeting]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("住址：常州市天宁区桃园路八十八号青枫花园北区", "12幢301室"),
        ("住址：常州市天宁区桃园路八十八号青枫花园北区", "　　　12幢301室"),
        ("写信人：顾晓岚、秦怀远、", "沈知秋、陶安平"),
    ],
)
def test_a_labelled_value_goes_on_in_the_next_line(before: str, after: str) -> None:
    assert written(f"{FULL}\n{before}\n{after}\n2025年3月5日")[1:] == [before + after.strip("　"), "2025年3月5日"]


@pytest.mark.parametrize("after", ["电话：13800001234", "顾晓岚", "2025年3月5日", "此致", "　　请贵局派人来看看。"])
def test_what_stands_under_an_address_is_not_part_of_it(after: str) -> None:
    address = "住址：常州市天宁区桃园路八十八号青枫花园"

    assert written(f"{FULL}\n{address}\n{after}")[-1] == after.strip("　")


@pytest.mark.parametrize(
    "printed", ["信纸", "青枫中学信 纸", "公文稿纸", "第1页", "第 2 页 共 3 页", "共3页 第1页", "— 2 —"]
)
def test_what_is_printed_on_the_paper_is_left_out(printed: str) -> None:
    assert written(f"{printed}\n关于校车的请求\n　　{FULL}") == ["关于校车的请求", FULL]
    assert written(f"关于校车的请求\n　　{FULL}\n{printed}") == ["关于校车的请求", FULL]


def test_a_sentence_goes_on_over_a_page_number() -> None:
    pages = [page(1, f"　　{LONG[2:]}\n{LONG}\n>第1页"), page(2, "晚上七点才能到家。\n第2页")]

    assert paragraphs(pages) == [LONG[2:] + LONG + "晚上七点才能到家。"]


def test_a_paragraph_of_some_thousand_lines_is_one_over_which_the_end_decides() -> None:
    lines = [LONG] * 3000

    assert written("　　" + LONG[2:] + "\n" + "\n".join([*lines, "就这些。", "联系人：顾晓岚", "2025年3月5日"])) == [
        LONG[2:] + "".join(lines) + "就这些。",
        "联系人：顾晓岚",
        "2025年3月5日",
    ]


@pytest.mark.parametrize("before", ["", "住址：", "诉求：", "住址：" + "　" * 300, "写信人：顾晓岚、"])
@pytest.mark.parametrize("middle", ["", "青枫花园" * 30, "青枫花园" * 200, " " * 400, "1" * 30])
@pytest.mark.parametrize("end", ["", "。", "、", "：", "12幢301室", "1", " " * 300])
@pytest.mark.parametrize("after", ["12幢301室", "002X", "2025年3月5日", "顾晓岚", "电话：13800001234", "而且如此。"])
def test_of_a_long_paragraph_its_two_ends_decide_as_the_whole_does(
    before: str, middle: str, end: str, after: str
) -> None:
    whole = before + middle + end
    for filled in (0.5, 0.8, 1.0):
        assert goes_on(_ends(whole), filled, after) == goes_on(whole, filled, after)
        assert value_goes_on(_ends(whole), filled, after) == value_goes_on(whole, filled, after)


@pytest.mark.parametrize(
    "line",
    ["2026年3月2日" + " " * 20_000 + "x", "住址：" + "1" * 20_000, "页" * 20_000, "、" * 20_000, "尊敬的" * 8_000],
)
def test_no_line_takes_long(line: str) -> None:
    started = time.process_time()
    written(f"{line}\n{line}\n{line}")

    assert time.process_time() - started < 1

"""Lines in the order a person reads them."""

from __future__ import annotations

from normalize.lines import in_reading_order
from normalize.scan import Box


def texts(found: list[tuple[str, Box]]) -> list[str]:
    return [line.text for line in in_reading_order((text, 0.99, box) for text, box in found)]


def row(text: str, left: int, top: int, width: int = 500) -> tuple[str, Box]:
    return text, (left, top, left + width, top + 40)


def test_rows_are_read_from_the_top() -> None:
    assert texts([row("三", 100, 300), row("一", 100, 100), row("二", 100, 200)]) == ["一", "二", "三"]


def test_pieces_of_one_row_are_one_line() -> None:
    assert texts([row("元整", 610, 104), row("今收到叁佰", 100, 100)]) == ["今收到叁佰元整"]


def test_two_fields_on_one_row_keep_the_gap_between_them() -> None:
    assert texts([row("姓名：顾晓岚", 100, 100, 240), row("电话：13800001234", 700, 100, 300)]) == [
        "姓名：顾晓岚 电话：13800001234"
    ]


def test_columns_are_read_one_after_the_other_under_their_heading() -> None:
    left = [row(f"左{n}", 100, 200 + 60 * n, 480) for n in range(5)]
    right = [row(f"右{n}", 650, 205 + 60 * n, 480) for n in range(5)]

    found = texts([*right, row("标题", 400, 80, 400), *left])

    assert found == ["标题", *(f"左{n}" for n in range(5)), *(f"右{n}" for n in range(5))]


def test_vertical_writing_is_read_from_the_right() -> None:
    columns = [
        (text, (left, 100, left + 45, 900))
        for text, left in (("第三列写到这里", 300), ("第一列写到这里", 500), ("第二列写到这里", 400))
    ]

    lines = in_reading_order((text, 0.99, box) for text, box in columns)

    assert [line.text for line in lines] == ["第一列写到这里", "第二列写到这里", "第三列写到这里"]
    assert all(line.vertical for line in lines)
    assert lines[0].box == (500, 100, 545, 900)


def test_the_marks_of_vertical_writing_are_put_right() -> None:
    found = [("路坏了'请修好°", (500, 100, 545, 900)), ("谢谢你们的帮助°", (400, 100, 445, 900))]

    assert texts(found) == ["路坏了，请修好。", "谢谢你们的帮助。"]


def test_a_mark_after_a_chinese_character_is_a_chinese_one() -> None:
    assert texts([row("几点? 在9:30,对吗!", 100, 100)]) == ["几点？ 在9:30,对吗！"]


def test_an_empty_page_has_no_lines() -> None:
    assert in_reading_order([("  ", 0.4, (0, 0, 10, 10))]) == ()

"""Dates as people and platforms write them."""

from __future__ import annotations

from datetime import date

import pytest

from normalize.dates import is_closing_date, parse_date, parse_moment, signature_date


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",
        "2026/3/1",
        "2026.3.1",
        "2026年3月1日",
        "二〇二六年三月一日",
        "二○二六年三月一号",
        "20260301",
        "２０２６年３月１日",
        "2026、3、1",
        "二0二六年三月一日",
        "二O二6年3月1日",
    ],
)
def test_one_day_in_many_writings(text: str) -> None:
    assert parse_date(text) == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01 09:08:07", "2026-03-01T09:08:07+08:00"),
        ("2026-03-01T01:08:07Z", "2026-03-01T09:08:07+08:00"),
        ("2026年3月1日下午3点20分", "2026-03-01T15:20:00+08:00"),
        ("1767225600000", "2026-01-01T08:00:00+08:00"),
        (1767225600, "2026-01-01T08:00:00+08:00"),
        ("2026-03-01 24:00:00", "2026-03-02T00:00:00+08:00"),
        ("2026年3月1日下午3点半", "2026-03-01T15:30:00+08:00"),
        ("2026年3月1日中午12点", "2026-03-01T12:00:00+08:00"),
        ("2026年3月1日中午11点半", "2026-03-01T11:30:00+08:00"),
        ("2026年3月1日凌晨12点10分", "2026-03-01T00:10:00+08:00"),
        ("2026年3月1日晚上12点", "2026-03-02T00:00:00+08:00"),
        ("2026年3月1日晚12点半", "2026-03-02T00:30:00+08:00"),
        ("2026-03-01 03:20:00 PM", "2026-03-01T15:20:00+08:00"),
        ("2026/3/1 12:05:00 am", "2026-03-01T00:05:00+08:00"),
        ("2026-03-01 01:08:07+00", "2026-03-01T09:08:07+08:00"),
        ("2026-03-01 01:08:07.5+00", "2026-03-01T09:08:07.500000+08:00"),
    ],
)
def test_moments_are_aware(text: str | int, moment: str) -> None:
    seen = parse_moment(text)

    assert seen is not None
    assert seen.isoformat() == moment


def test_a_spreadsheets_number_is_a_day_only_when_asked() -> None:
    seen = parse_moment("46000.5", excel=True)

    assert seen is not None
    assert seen.isoformat() == "2025-12-09T12:00:00+08:00"
    assert parse_moment("46000.5") is None


@pytest.mark.parametrize("text", ["", "下周", "2026-02-30", "13800001234", "第3.1.2条"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_moment(text) is None


def test_the_signature_date_stands_at_the_end() -> None:
    assert signature_date("2025年1月1日开始收费。\n此致\n张三\n二〇二六年三月一日") == date(2026, 3, 1)
    assert signature_date("张三\n12月30日", date(2026, 1, 5)) == date(2025, 12, 30)
    assert signature_date("张三\n12月30日") is None


@pytest.mark.parametrize(
    "line",
    [
        "2026、3、2",
        "二0二六年三月二日",
        "2026年3月2日夜",
        "2026年3月2日晚上9点半",
        "2026年3月2日（星期一）",
        "2026年3月2日于常州",
        "2026-3-2 顾晓岚",
        "2026年3月2日顾晓岚",
        "顾晓岚 2026.3.2",
    ],
)
def test_a_signature_date_is_seen_beside_the_hour_the_place_or_the_name(line: str) -> None:
    assert signature_date(f"请查一查。\n此致\n{line}") == date(2026, 3, 2)


def test_the_first_month_is_written_as_such() -> None:
    assert signature_date("请查一查。\n2026年元月5日") == date(2026, 1, 5)
    assert signature_date("请查一查。\n元月5日", date(2026, 3, 1)) == date(2026, 1, 5)


def test_a_day_within_a_sentence_signs_nothing() -> None:
    assert signature_date("请查一查。\n2026年3月2日学校收了费") is None
    assert signature_date("请查一查。\n我家2026年3月2日报名") is None


def test_a_closing_date_is_a_line_of_its_own() -> None:
    assert is_closing_date("2026年3月2日夜")
    assert is_closing_date("2026-3-2 顾晓岚")
    assert not is_closing_date("2026年3月2日学校收了费")
    assert not is_closing_date("顾晓岚")

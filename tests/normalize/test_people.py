"""Persons found in running text."""

from __future__ import annotations

import pytest

from normalize.people import (
    addresses,
    asks_anonymity,
    asks_confidentiality,
    identity_number,
    identity_numbers,
    joint_count,
    names,
    phones,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("电话１３８００００１２３４", ("13800001234",)),
        ("+86 138-0000-1234", ("13800001234",)),
        ("13800001234/13900005678", ("13800001234", "13900005678")),
        ("1380000123413900005678", ("13800001234", "13900005678")),
        ("(0519)8555 0123转801", ("0519-85550123-801",)),
        ("400-820-1234", ("4008201234",)),
        ("身份证320402199003074516，单号260302091448000123", ()),
    ],
)
def test_phones_are_found_in_one_form(text: str, found: tuple[str, ...]) -> None:
    assert phones(text) == found


def test_a_local_number_counts_only_in_a_phone_field() -> None:
    assert phones("85550123") == ()
    assert phones("85550123", field=True) == ("85550123",)


@pytest.mark.parametrize(
    "written",
    ["320402199003074516", "32O4O2l99003O74516", "３２０４０２１９９００３０７４５１６", "320402 19900307 4516"],
)
def test_identity_numbers_are_read_through_typing_slips(written: str) -> None:
    assert [each.number for each in identity_numbers(f"身份证：{written}。")] == ["320402199003074516"]


def test_a_wrong_check_digit_is_no_identity_number_except_in_its_field() -> None:
    assert identity_numbers("320402199003074517") == ()
    assert [each.valid for each in identity_numbers("320402199003074517", field=True)] == [False]


def test_fifteen_digits_name_the_same_person_as_eighteen() -> None:
    assert identity_number("320402900307451").canonical == identity_number("320402199003074516").number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("您好，本人张三，是家长。", ("张三",)),
        ("我叫欧阳小明，住在这里", ("欧阳小明",)),
        ("我叫阿不都·买买提，", ("阿不都·买买提",)),
        ("本人王强反映如下", ("王强",)),
        ("本人李明月，孩子上初二", ("李明月",)),
        ("本人于三月底递交了申请", ()),
        ("情况属实\n此致\n敬礼\n学生家长：赵敏 13800001234\n2026年3月1日", ("赵敏",)),
        ("本人系武进区居民，孩子读高中", ()),
        ("情况\n一名家长\n谢谢", ()),
    ],
)
def test_names_are_those_who_name_themselves(text: str, found: tuple[str, ...]) -> None:
    assert names(text) == found


def test_addresses_end_where_the_address_ends() -> None:
    assert addresses("我家住常州市天宁区红梅新村12幢301室，孩子上初一") == ("常州市天宁区红梅新村12幢301室",)


def test_wishes_are_told_from_their_opposites() -> None:
    assert asks_anonymity("本人匿名举报")
    assert not asks_anonymity("实名举报，不匿名")
    assert asks_confidentiality("请为我的信息保密")
    assert not asks_confidentiality("学校对收费标准保密")
    assert joint_count("32名家长联名") == 32

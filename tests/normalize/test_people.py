"""Persons found in running text."""

from __future__ import annotations

import pytest

from normalize.people import (
    asks_anonymity,
    identity_number,
    identity_numbers,
    phones,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("电话１３８００００１２３４", ("13800001234",)),
        ("+86 138-0000-1234", ("13800001234",)),
        *((f"{code}519{sign}85681234", ("0519-85681234",)) for code in ("+86-", "0086-", "86-") for sign in "- "),
        ("请联系+86 519 85681234转801", ("0519-85681234-801",)),
        ("+8651985681234", ("0519-85681234",)),
        ("(+86)519-85681234", ("0519-85681234",)),
        ("+86(0)519-85681234", ("0519-85681234",)),
        ("+86 0519-85681234", ("0519-85681234",)),
        ("+86 10 6568 1234", ("010-65681234",)),
        ("共86 345人，单号86-2023-4567890", ()),
        ("13800001234/13900005678", ("13800001234", "13900005678")),
        ("1380000123413900005678", ("13800001234", "13900005678")),
        ("(0519)8555 0123转801", ("0519-85550123-801",)),
        ("400-820-1234", ("4008201234",)),
        ("138.6123.4567", ("13861234567",)),
        ("电话：1386123456 7", ("13861234567",)),
        ("电话：1 3 8 6 1 2 3 4 5 6 7", ("13861234567",)),
        ("我的手机是一三八六一二三四五六七", ("13861234567",)),
        ("电话：86881234", ("86881234",)),
        ("电话：1874592|360", ("18745921360",)),
        ("电话：0459-5813q47", ("0459-5813947",)),
        ("电话：13800001234 传真：0519-85550123", ("13800001234",)),
        ("传真 0519-85550123", ()),
        ("身份证320402199003074516，单号260302091448000123", ()),
    ],
)
def test_phones_are_found_in_one_form(text: str, found: tuple[str, ...]) -> None:
    assert phones(text) == found


def test_a_local_number_counts_only_in_a_phone_field_or_after_its_label() -> None:
    assert phones("85550123") == ()
    assert phones("共1 3 5 7 9 11 13 15 17号楼") == ()
    assert phones("85550123", field=True) == ("85550123",)


@pytest.mark.parametrize("written", ["+86-519-85681234", "+86 519 85681234", "0086-519-85681234", "86-519-85681234"])
def test_a_field_may_hold_a_number_as_it_is_called_from_abroad(written: str) -> None:
    assert phones(written, field=True) == ("0519-85681234",)


@pytest.mark.parametrize(
    "written",
    ["320402199003074516", "32O4O2l99003O74516", "３２０４０２１９９００３０７４５１６", "320402 19900307 4516"],
)
def test_identity_numbers_are_read_through_typing_slips(written: str) -> None:
    assert [each.number for each in identity_numbers(f"身份证：{written}。")] == ["320402199003074516"]


def test_a_wrong_check_digit_is_no_identity_number_except_after_its_label() -> None:
    assert identity_numbers("单号320402199003074517") == ()
    assert [each.valid for each in identity_numbers("身份证号码：320402199003074517")] == [False]
    assert [each.valid for each in identity_numbers("320402199003074517", field=True)] == [False]


def test_fifteen_digits_name_the_same_person_as_eighteen() -> None:
    assert identity_number("320402900307451").canonical == identity_number("320402199003074516").number


def test_wishes_are_told_from_their_opposites() -> None:
    assert asks_anonymity("本人匿名举报")
    assert not asks_anonymity("实名举报，不匿名")

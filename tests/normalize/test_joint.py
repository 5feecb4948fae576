"""Petitions of several people."""

from __future__ import annotations

import pytest

from normalize.joint import Together, joint_count, together


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("32名家长联名", 32),
        ("张三丰等15人", 15),
        ("共有236户签名", 236),
        ("联名家长：张三丰、李小龙等32人", 32),
        ("三十二名家长联名", 32),
        ("二百三十六户居民集体反映", 236),
        ("班里有45名学生", None),
        ("第2人民医院", None),
    ],
)
def test_how_many_sign_is_read_as_people_write_it(text: str, count: int | None) -> None:
    assert joint_count(text) == count


def test_the_title_tells_a_joint_letter_too() -> None:
    assert together("关于校车的联名信", "请开一路校车。", 1) == Together(joint=True, count=1)


def test_one_who_signs_alone_is_alone_and_an_unsigned_letter_says_nothing() -> None:
    assert together("关于校车", "请开一路校车。", 1) == Together(joint=False, count=1)
    assert together("关于校车", "请开一路校车。", 0) == Together(joint=None, count=None)

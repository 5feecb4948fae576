"""Regions and parties found in running text."""

from __future__ import annotations

import pytest

from normalize.divisions import School
from normalize.places import PlaceRules, region, subject_party

RULES = PlaceRules()


@pytest.mark.parametrize(
    ("text", "code"),
    [("常州市武进区湖塘镇", "320412"), ("溧阳有个学校，常州", "320481"), ("常州的政策", "320400"), ("南京", None)],
)
def test_the_district_comes_before_the_city(text: str, code: str | None) -> None:
    assert region(text, RULES).code == code


def test_a_known_school_lies_in_its_district() -> None:
    rules = PlaceRules(schools=(School(name="花桥中学", district="320404", aliases=("花中",)),))

    assert region("花中的食堂", rules).name == "钟楼区"
    assert subject_party("关于花桥中学的事", rules) == "花桥中学"


@pytest.mark.parametrize(
    ("title", "text", "party"),
    [
        ("武进区星河小学食堂问题", "食堂饭菜有异物", "武进区星河小学"),
        ("咨询", "我的孩子在常州市第九中学读初二", "常州市第九中学"),
        ("投诉清河三小学生午餐", "", "清河三小"),
        ("建议", "希望新建一所公办幼儿园", None),
        ("反映小学升学", "各学校都这样", None),
    ],
)
def test_the_party_is_the_named_one(title: str, text: str, party: str | None) -> None:
    assert subject_party(text, RULES, title) == party

"""Regions and parties found in running text."""

from __future__ import annotations

import time

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
        ("退费", "我在常州市清河教育科技有限公司报了班", "常州市清河教育科技有限公司"),
        ("退费", "清河物业管理有限责任公司乱收费", "清河物业管理有限责任公司"),
        ("退费", "与有限公司签了合同", None),
        ("", "常州清河高等职业学校的宿舍", "常州清河高等职业学校"),
        ("", "常州市天宁区教师发展中心附属小学的食堂", "常州市天宁区教师发展中心附属小学"),
        ("", "常州市武进区星河小学的食堂", "常州市武进区星河小学"),
        ("", "溧阳市教师进修学校的课", "溧阳市教师进修学校"),
        ("", "云山县达德实验学校的食堂", "云山县达德实验学校"),
        ("", "云山县教育局和星河小学都说不知道", "星河小学"),
        ("", "请领导去看一看清河外国语学校", "清河外国语学校"),
        ("", "他查一查星河中学的账", "星河中学"),
        ("", "前往常州市第九中学反映", "常州市第九中学"),
        ("", "请早点制止星河中学补课", "星河中学"),
        ("", "秋季星河实验小学招生", "星河实验小学"),
        ("", "我原系白塔镇中心小学代课教师", "白塔镇中心小学"),
        ("", "像白塔中学这样的学校", "白塔中学"),
        ("", "原白塔中学的教师", "白塔中学"),
        ("", "太原路小学的门口", "太原路小学"),
        ("", "学校（原白塔中学）的教师", "白塔中学"),
        ("", "孩子在某县白塔希望小学读书", "白塔希望小学"),
        ("", "在云山市清河省理工学院读书", "清河省理工学院"),
        ("", "12栋2单元星河培训机构晚上吵闹", "星河培训机构"),
        ("每天写作业", "孩子每天做5小时作业，24小时不停，做5小题", None),
        ("", "这事填补小学的空白，有个小学，哪些小学，其它小学，小学升初中，把我们比学校", None),
        ("", "公开招聘中小学教师，大中专学生", None),
        ("", "能否招生办学", None),
        ("", "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥天地玄黄清河中学", None),
        ("", "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌云山市清河中学", "云山市清河中学"),
    ],
)
def test_the_party_is_the_named_one(title: str, text: str, party: str | None) -> None:
    assert subject_party(text, RULES, title) == party


def test_a_word_before_the_name_once_is_no_part_of_it() -> None:
    text = "我去过两次星河小学。星河小学不答复。再次星河小学说没有。"

    assert subject_party(text, RULES, "老星河小学") == "星河小学"


def test_a_short_name_counts_for_the_long_one() -> None:
    text = "星河中学不答复。星河中学乱收费。白塔小学在旁边。白塔小学很好。"

    assert subject_party(text, RULES, "云山县星河湖中学") == "云山县星河湖中学"


@pytest.mark.parametrize(
    "hostile",
    [
        "市" * 20_000 + "龙学校",
        ("龙市" * 11 + "龙学校。") * 800,
        "小学" * 10_000,
        "看一看" * 10_000 + "小学",
        "第一" * 10_000 + "中",
        ("集团投资开发" * 4 + "龙有限公司") * 800,
    ],
)
def test_no_text_takes_long(hostile: str) -> None:
    started = time.process_time()
    subject_party(hostile, RULES, hostile[:100])

    assert time.process_time() - started < 1

from typing import Any

import pytest

from normalize.case import Flag, Triage, Urgency
from normalize.triage import TriageRules, UnitRules, flags, suggested_unit, triage, unknown_topics, urgency
from tests.normalize.drafts import draft

RULES = TriageRules()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("孩子说不想活，要跳楼，已写下遗书，请救救他", Urgency.CRITICAL),
        ("校车严重超员，每天如此", Urgency.URGENT),
        ("明天就是志愿填报的最后一天，系统打不开", Urgency.URGENT),
        ("操场的跑道旧了，希望翻新", Urgency.NORMAL),
    ],
)
def test_danger_and_haste_make_a_case_urgent(text: str, expected: Urgency) -> None:
    assert urgency(draft("花桥中学", text), RULES) is expected


def test_what_the_source_calls_urgent_is_not_lowered() -> None:
    assert urgency(draft("操场", "操场旧了", urgency="critical"), RULES) is Urgency.CRITICAL


def test_flags_of_the_source_and_of_the_words_stand_together() -> None:
    case = draft("花桥中学", "我女儿的事法院已经判决，记者也来过。", flags=("backlog",))

    assert flags(case, RULES) == (Flag.MINOR_INVOLVED, Flag.LEGAL_MATTER, Flag.MEDIA_HOT, Flag.BACKLOG)


@pytest.mark.parametrize(
    "text",
    [
        "我女儿读三年级，想转学。",
        "孩子被班主任罚站两小时。",
        "有学生在操场受伤，学校不管。",
        "一名七岁男孩在幼儿园走失。",
        "老师打学生。",
        "我家孩子今年六岁。",
    ],
)
def test_a_child_in_the_matter_is_flagged(text: str) -> None:
    assert Flag.MINOR_INVOLVED in flags(draft("花桥中学", text), RULES)


@pytest.mark.parametrize(
    "text",
    [
        "幼儿园收费太贵。",
        "孩子们上学要走两公里，请增设公交站。",
        "建议减轻小学生的作业负担。",
        "公办幼儿园什么时候开始报名？",
        "请问2020年9月出生的孩子可以报名一年级吗？",
        "学生家长都很支持。",
        "建议在儿童节开放图书馆。",
    ],
)
def test_children_in_general_are_no_child_in_the_matter(text: str) -> None:
    assert Flag.MINOR_INVOLVED not in flags(draft("花桥中学", text), RULES)


def test_an_office_may_change_a_flags_words() -> None:
    rules = TriageRules.model_validate({"flags": {"media_hot": {"记者": 0, "直播": 1}}})

    assert flags(draft("花桥中学", "记者来过"), rules) == ()
    assert flags(draft("花桥中学", "有人直播"), rules) == (Flag.MEDIA_HOT,)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"purpose": {"code": "accusation"}, "urgency": "critical"}, Triage.DISCIPLINE),
        ({"title": "急", "content": "快来"}, Triage.NEED_CONTACT),
        (
            {"title": "孩子的事", "content": "孩子在学校受了委屈，我们心里很难过，盼望早日给个说法，谢谢大家。"},
            Triage.NEED_CONTACT,
        ),
        ({"urgency": "critical"}, Triage.LEADER_REVIEW),
        ({"petitioner_count": 5}, Triage.LEADER_REVIEW),
        ({"joint": True}, Triage.LEADER_REVIEW),
        ({"flags": ("threat",)}, Triage.LEADER_REVIEW),
        ({"request_type": {"code": "consult", "confidence": 0.9}}, Triage.DIRECT_REPLY),
        (
            {
                "title": "报名年龄",
                "content": "请问小学报名的年龄是怎么规定的，需要准备哪些材料？",
                "request_type": {"code": "consult", "confidence": 0.9},
                "topics": ("admission",),
            },
            Triage.DIRECT_REPLY,
        ),
        (
            {
                "title": "请问",
                "content": "请问什么时候开始？",
                "request_type": {"code": "consult", "confidence": 0.9},
                "topics": ("other",),
            },
            Triage.NEED_CONTACT,
        ),
        ({"title": "回复", "content": "看到了，谢谢。", "topics": ("other",)}, Triage.NORMAL),
        ({}, Triage.NORMAL),
    ],
)
def test_the_first_step(values: dict[str, Any], expected: Triage) -> None:
    case = draft(
        **({"title": "花桥中学的操场", "content": "花桥中学的操场旧了，跑道坑洼，希望翻新，谢谢领导关心。"} | values)
    )

    assert triage(case, RULES) is expected


def test_a_named_party_spares_the_call() -> None:
    case = draft("急", "快来", subject_party="花桥中学")

    assert triage(case, RULES) is Triage.NORMAL


def test_the_main_topic_suggests_the_unit_with_the_reason() -> None:
    unit = suggested_unit(draft(topics=("fees", "safety")), UnitRules(topics={"fees": "财务处"}))

    assert unit is not None
    assert (unit.name, unit.reason) == ("财务处", "topic fees")


def test_an_accusation_goes_to_the_discipline_line_only() -> None:
    unit = suggested_unit(draft(topics=("fees",), triage="discipline"), UnitRules(topics={"fees": "财务处"}))

    assert unit is not None
    assert unit.name == "纪检监察组"


def test_no_unit_is_invented() -> None:
    assert suggested_unit(draft(topics=("other",)), UnitRules()) is None
    assert suggested_unit(draft(topics=("fees",)), UnitRules(topics={"fees": ""})) is None


def test_a_unit_for_a_topic_nobody_knows_is_a_slip() -> None:
    assert unknown_topics(UnitRules(topics={"feees": "财务处"}), ["fees"]) == ("feees",)

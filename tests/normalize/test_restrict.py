from collections.abc import Mapping

import pytest

from normalize.accusation import AccusationRules, suspicion
from normalize.restrict import RestrictRules, as_called, asks_confidentiality, is_a_name, restriction
from tests.normalize.drafts import draft

PLAIN = draft("食堂太吵", "食堂中午人太多，座位不够。", request_type={"code": "complaint", "confidence": 1.0})


def reason(case_values: Mapping[str, object], rules: RestrictRules | None = None) -> str | None:
    case = PLAIN.model_validate({**PLAIN.model_dump(), **case_values})
    return restriction(case, rules or RestrictRules(), suspicion(case, AccusationRules()))


def test_an_ordinary_case_is_open() -> None:
    assert reason({}) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"purpose": {"code": "accusation"}}, "purpose accusation"),
        ({"request_type": {"code": "report", "confidence": 1.0}}, "type report"),
        ({"confidential_requested": True}, "confidentiality requested"),
        ({"title": "校长受贿", "content": "校长收受贿赂，索要红包。"}, "text accuses someone"),
        ({"content": "附上控告材料一份。"}, "word of an accusation"),
        ({"category": {"path": ("纪检监察", "干部作风", "其他")}}, "called an accusation by its source"),
        ({"restricted": True}, "restricted by the source"),
        ({"restricted": True, "restricted_reason": "标记"}, "标记"),
        ({"restricted": True, "restricted_reason": "标记", "purpose": {"code": "accusation"}}, "purpose accusation"),
    ],
)
def test_each_ground_restricts_and_is_named(values: Mapping[str, object], expected: str) -> None:
    assert reason(values) == expected


def test_an_accusation_the_source_calls_an_appeal_is_restricted_all_the_same() -> None:
    values = {"purpose": {"code": "appeal"}, "content": "班主任殴打学生，还向家长索要红包。"}

    assert reason(values) == "text accuses someone"


def test_an_office_may_add_and_take_out_terms() -> None:
    rules = RestrictRules(terms=("涉密",), without=("控告",))

    assert reason({"content": "此件涉密。"}, rules) == "configured term"
    assert reason({"content": "附上控告材料一份。"}, rules) is None


def test_the_reason_tells_nothing_of_the_text() -> None:
    told = reason({"title": "吴校长受贿", "content": "吴校长收受贿赂。"})

    assert told is not None
    assert "吴" not in told


def test_the_offices_own_words_ask_for_confidentiality_too() -> None:
    case = draft("反映", "此事请保守秘密。")

    assert not asks_confidentiality(case, RestrictRules())
    assert asks_confidentiality(case, RestrictRules(confidential=("保守秘密",)))


@pytest.mark.parametrize(
    "text", ["建议纪检监察部门多到学校宣传", "请问举报信怎么写", "建议在校园开展防性侵讲座", "举报信要署名吗？"]
)
def test_who_only_asks_or_suggests_is_not_withheld(text: str) -> None:
    assert reason({"title": "反映", "content": text}) is None


@pytest.mark.parametrize(
    "text",
    [
        "我投诉班主任收红包，每个家长500元",
        "班主任张某过节收购物卡",
        "校长挪用食堂经费吃喝",
        "老师打学生，请查处",
        "朱镕老师，上课打学生，请查处",
        "园长收礼金，家长敢怒不敢言",
        "副校长公款吃喝",
        "校长打人",
        "孩子被老师打了",
        "幼儿园老师用针扎孩子",
    ],
)
def test_one_sentence_that_says_who_did_what_is_enough(text: str) -> None:
    assert reason({"title": "反映", "content": text}) == "text accuses someone"


NAMES = """检举 检举揭发 揭发 控告 控告检举 检举、控告 举报 信访举报 违纪举报 举报投诉 检举控告(纪检) 纪检监察
    纪检委 违纪违法 举报人 被举报单位"""
ORDINARY = """投诉 投诉举报 投诉、举报 投诉/举报内容 投诉举报人 咨询 求助 建议 意见建议 反映情况 师德师风
    廉政建设 监督 申诉求决 学生违纪"""


@pytest.mark.parametrize("name", NAMES.split())
def test_what_a_source_calls_an_accusation_or_a_report_is_one(name: str) -> None:
    assert is_a_name(name, RestrictRules())


@pytest.mark.parametrize("name", [None, "", *ORDINARY.split()])
def test_what_sources_call_ordinary_matters_is_none(name: str | None) -> None:
    assert not is_a_name(name, RestrictRules())


def test_an_office_may_take_out_a_name_as_any_word() -> None:
    rules = RestrictRules(without=("纪检监察", "纪检", "举报"))

    assert not is_a_name("纪检监察", rules)
    assert not is_a_name("信访举报", rules)
    assert is_a_name("检举", rules)


@pytest.mark.parametrize(
    ("kind", "purpose", "told"),
    [
        ({"code": "other", "raw": "信访举报"}, {}, ("report", None)),
        ({"code": "other", "raw": "检举类"}, {}, ("report", "accusation")),
        ({"code": "other", "raw": "投诉举报"}, {}, ("other", None)),
        ({"code": "complaint", "raw": "举报投诉", "confidence": 1.0}, {}, ("complaint", None)),
        ({"code": "other", "raw": "检举", "confidence": 1.0}, {}, ("other", None)),
        ({"code": "other"}, {"raw": "举报"}, ("other", "accusation")),
        ({"code": "other"}, {"code": "appeal", "raw": "检举"}, ("other", "appeal")),
    ],
)
def test_a_word_counts_for_what_it_says_where_no_code_is_known_for_it(
    kind: Mapping[str, object], purpose: Mapping[str, object], told: tuple[str, str | None]
) -> None:
    heard = as_called(draft(request_type=kind, purpose=purpose), RestrictRules())

    assert (heard.request_type.code, heard.purpose.code) == told
    assert (heard.request_type.raw, heard.purpose.raw) == (kind.get("raw"), purpose.get("raw"))

from collections.abc import Mapping

import pytest

from normalize.accusation import AccusationRules
from normalize.restrict import RestrictRules, asks_confidentiality, restriction
from tests.normalize.drafts import draft

PLAIN = draft("食堂太吵", "食堂中午人太多，座位不够。", request_type={"code": "complaint", "confidence": 1.0})


def reason(case_values: Mapping[str, object], rules: RestrictRules | None = None) -> str | None:
    return restriction(
        PLAIN.model_validate({**PLAIN.model_dump(), **case_values}), rules or RestrictRules(), AccusationRules()
    )


def test_an_ordinary_case_is_open() -> None:
    assert reason({}) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"purpose": {"code": "accusation"}}, "purpose accusation"),
        ({"request_type": {"code": "report", "confidence": 1.0}}, "type report"),
        ({"confidential_requested": True}, "confidentiality requested"),
        ({"title": "校长受贿", "content": "校长收受贿赂，索要红包。"}, "text accuses someone"),
        ({"content": "附上控告材料一份。"}, "configured term"),
        ({"restricted": True}, "restricted by the source"),
        ({"restricted": True, "restricted_reason": "标记"}, "标记"),
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


@pytest.mark.parametrize("text", ["请替我保密", "怕被报复，不敢署名", "请勿透露我的电话"])
def test_who_asks_for_confidentiality_is_heard(text: str) -> None:
    assert asks_confidentiality(draft("反映", text), RestrictRules())


def test_the_word_secrecy_alone_asks_nothing() -> None:
    assert not asks_confidentiality(draft("考试", "试卷的保密工作做得好。"), RestrictRules())

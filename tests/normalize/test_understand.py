import json
import os
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from normalize.case import Draft, PurposeCode, ReadingMethod, ReadingNote, RequestTypeCode, Triage
from normalize.rules import Rules
from normalize.understand import Beside, understand
from tests.normalize.drafts import draft

RULES = Rules()


def test_an_accusation_is_restricted_from_the_moment_it_is_read() -> None:
    case = understand(draft("班主任索要红包", "花桥中学三班班主任多次向家长索要红包，还体罚学生。"), RULES)

    assert case.purpose.code is PurposeCode.ACCUSATION
    assert case.restricted
    assert case.restricted_reason
    assert case.triage is Triage.DISCIPLINE
    assert case.suggested_unit is not None
    assert case.suggested_unit.name == "纪检监察组"


def test_a_question_is_answered_directly() -> None:
    case = understand(draft("咨询入学年龄", "请问花桥小学今年一年级报名的年龄是怎么规定的？需要什么材料？"), RULES)

    assert case.request_type.code is RequestTypeCode.CONSULT
    assert case.topics[0] == "admission"
    assert case.triage is Triage.DIRECT_REPLY
    assert not case.restricted


def test_who_asks_for_confidentiality_is_restricted_and_it_is_noted() -> None:
    case = understand(draft("食堂", "花桥中学食堂不干净，请替我保密。"), RULES)

    assert (case.confidential_requested, case.restricted) == (True, True)


@pytest.mark.parametrize(("method", "asked"), [("mime", False), ("ocr", None), ("record", None)])
def test_only_of_a_mail_is_silence_a_no(method: str, asked: bool | None) -> None:
    case = understand(draft("食堂", "花桥中学食堂不干净。", reading={"method": method}), RULES)

    assert case.confidential_requested is asked


def test_a_no_of_the_source_to_confidentiality_stays() -> None:
    case = understand(draft("食堂", "花桥中学食堂不干净，请替我保密。", confidential_requested=False), RULES)

    assert case.confidential_requested is False


@pytest.mark.parametrize("text", ["", "花桥中学班主任体罚学生", "请问何时开学？", "建议增设停车位"])
def test_understanding_twice_is_understanding_once(text: str) -> None:
    once = understand(draft("花桥中学", text), RULES)

    assert understand(once, RULES) == once


NOTICE = (
    "现将2026年招生工作公告如下：各校须依法招生，对违规招生、班主任收红包等行为严肃查处，举报电话12345678，请查收。"
)


def test_thanks_for_a_quoted_notice_are_thanks() -> None:
    quote = "-----原始邮件-----\n发件人：局招生办 <zsb@edu.example>\n发送时间：2026年3月2日\n主题：招生公告\n\n"
    mail = draft("回复: 招生公告", f"看到了，谢谢。\n\n{quote}{NOTICE}")

    case = understand(mail, RULES)

    assert case.request_type.code is RequestTypeCode.OTHER
    assert case.topics == ("other",)
    assert not case.restricted
    assert (case.title, case.content) == (mail.title, mail.content)


def test_a_quoted_accusation_is_restricted_all_the_same() -> None:
    quote = '在 2026-03-02 09:14:55，"lin" <lin@post.example> 写道：\n花桥中学校长挪用食堂经费。\n'

    case = understand(draft("回复: 反映问题", f"什么时候有结果？\n\n{quote}"), RULES)

    assert case.restricted
    assert case.restricted_reason == "text accuses someone"


ACCUSED = "花桥中学校长收受家长红包，挪用食堂公款。"


@pytest.mark.parametrize(
    "beside",
    [
        Beside(names=("关于花桥中学校长收受红包的材料.docx",)),
        Beside(names=("收据.jpg", "举报信.pdf")),
        Beside(words=("谢谢。", ACCUSED)),
        Beside(words=("王某是花桥中学的校长。此人多年来收受红包，食堂公款被挪用。送了钱才能分到好班。",)),
    ],
)
def test_an_accusation_beside_the_words_restricts_the_case(beside: Beside) -> None:
    case = understand(draft("材料", "请查收附件。"), RULES, beside)

    assert (case.restricted, case.restricted_reason) == (True, "text accuses someone")
    assert not understand(draft("材料", "请查收附件。"), RULES).restricted


def test_what_files_are_called_in_an_ordinary_matter_restricts_nothing() -> None:
    beside = Beside(("孩子的学籍证明.docx", "校长信箱回复.pdf", "监督举报电话.jpg"), ("请问班主任电话是多少？",))

    assert not understand(draft("转学", "请查收附件。"), RULES, beside).restricted


@pytest.mark.parametrize("content", [None, "请依法处理，详见附件。"])
def test_an_accusation_that_only_the_source_s_summary_tells_is_restricted(content: str | None) -> None:
    case = understand(draft("来信", content, summary=ACCUSED, reading={"method": "record"}), RULES)

    assert case.restricted
    assert (case.content, case.summary) == (content, ACCUSED)
    assert (case.purpose.code is PurposeCode.ACCUSATION) is (content is None)


def test_the_office_s_own_term_is_the_reason_whatever_else_restricts() -> None:
    rules = Rules.model_validate({"restrict": {"terms": ["某某专案"]}})
    accused = draft("举报校长受贿", "举报校长张某受贿。")
    remarked = accused.model_copy(update={"source_fields": {"remark": "与某某专案有关"}})

    assert understand(accused, rules).restricted_reason != "configured term"
    assert understand(remarked, rules).restricted_reason == "configured term"


@pytest.mark.parametrize("place", ["summary", "beside", "quoted", "subject_party", "source_fields"])
def test_the_office_s_own_term_restricts_wherever_it_stands(place: str) -> None:
    rules = Rules.model_validate({"restrict": {"terms": ["某某专案"]}})
    words = "此事与某某专案有关。"
    mail = f"收到，谢谢。\n\n> {words}" if place == "quoted" else "详见概况。"
    letter = draft("情况", mail).model_copy(update={"summary": words if place == "summary" else None})
    if place == "subject_party":
        letter = letter.model_copy(update={"subject_party": "某某专案组"})
    if place == "source_fields":
        letter = letter.model_copy(update={"source_fields": {"blfs": [{"blyj": words, "n": 1}]}})
    if place == "quoted":
        letter = letter.model_copy(update={"reading": ReadingNote(method=ReadingMethod.MIME)})
    case = understand(letter, rules, Beside(words=(words,) if place == "beside" else ()))

    assert (case.restricted, case.restricted_reason) == (True, "configured term")
    assert not understand(letter, RULES).restricted


def test_a_shipped_term_in_the_source_s_summary_restricts() -> None:
    letter = draft("情况", "详见概况。").model_copy(update={"summary": "市民实名举报某校乱收费。"})

    assert understand(letter, RULES).restricted


def test_the_citizen_s_own_wish_for_secrecy_counts_where_the_source_says_no() -> None:
    asked = draft("食堂", "花桥中学食堂不干净，请替我保密。", confidential_requested=False)

    assert understand(asked, RULES).restricted_reason == "confidentiality requested"


def test_a_forwarded_mail_is_judged_by_its_own_words() -> None:
    passed = (
        "发件人：林小满 <lin@post.example>\n发送时间：2026年3月2日\n主题：食堂\n\n花桥中学食堂饭菜太贵，凭什么不降价？"
    )

    case = understand(draft("转发: 食堂", f"请信访办处理。\n\n{passed}"), RULES)

    assert case.request_type.code is RequestTypeCode.COMPLAINT
    assert case.topics[0] == "catering"


def test_only_a_mail_quotes() -> None:
    text = "大家好。\n发件人：林小满\n收件人：局长\n花桥中学班主任体罚学生，还向家长索要红包。"

    case = understand(draft("来信", text, reading={"method": "ocr"}), RULES)

    assert case.purpose.code is PurposeCode.ACCUSATION


@pytest.mark.parametrize(
    "hostile",
    ["班主任乱收费。" * 30_000, "请问受贿。" * 40_000, "好。\n> 校长受贿。" * 20_000, "老师" * 100_000, "，" * 200_000],
)
def test_hostile_text_takes_no_long_time(hostile: str) -> None:
    start = time.process_time()

    understand(draft("转发: 反映", hostile), RULES)

    assert time.process_time() - start < 3


def test_what_the_source_said_stays() -> None:
    given = draft(
        "食堂",
        "花桥中学食堂的饭凉。",
        request_type={"code": "help", "raw": "求助", "confidence": 1.0},
        purpose={"code": "appeal", "raw": "求决"},
        topics=("safety",),
        suggested_unit={"name": "后勤中心"},
    )

    case = understand(given, RULES)

    assert (case.request_type, case.purpose, case.topics) == (given.request_type, given.purpose, given.topics)
    assert case.suggested_unit == given.suggested_unit


def test_the_result_is_a_valid_draft() -> None:
    case = understand(draft("举报乱收费", "花桥中学班主任乱收费，明天是最后期限。"), RULES)

    assert Draft.model_validate(case.model_dump(mode="json")) == case


def test_nothing_but_the_understanding_is_touched() -> None:
    before = draft("举报乱收费", "花桥中学班主任乱收费。", petitioners=({"name": "林小满", "primary": True},))
    understood = {
        "request_type", "purpose", "topics", "urgency", "flags", "confidential_requested", "restricted",
        "restricted_reason", "triage", "suggested_unit",
    }  # fmt: skip

    after = understand(before, RULES)

    assert after.model_dump(exclude=understood) == before.model_dump(exclude=understood)


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(ValidationError, match="topicz"):
        Rules.model_validate({"topicz": {}})


def test_every_setting_is_described() -> None:
    bare: list[str] = []

    def walk(schema: dict[str, object], path: str) -> None:
        properties = schema.get("properties")
        if isinstance(properties, dict):
            bare.extend(f"{path}.{name}" for name, value in properties.items() if "description" not in value)

    full = Rules.model_json_schema()
    walk(full, "rules")
    for name, schema in full["$defs"].items():
        walk(schema, name)

    assert bare == []


DATA = Path(os.environ.get("XINQIAO_DATA", Path(__file__).parents[3] / "shared" / "data")) / "messages"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no labelled messages at {DATA} (set XINQIAO_DATA)")
def test_labelled_messages_are_understood_as_well_as_they_were() -> None:
    """Floors a little below what bench/understanding.py prints: a change of words that costs much is noticed."""
    messages = {m["id"]: m for m in map(json.loads, (DATA / "edu_dev.jsonl").read_text("utf-8").splitlines())}
    gold = [json.loads(line) for line in (DATA / "dev_gold.jsonl").read_text("utf-8").splitlines()]

    cases = [understand(draft(messages[g["id"]]["subject"], messages[g["id"]]["body"]), RULES) for g in gold]
    pairs = list(zip(gold, cases, strict=True))
    accused = [case for label, case in pairs if label["accusation"]]

    assert sum(case.request_type.code == label["request_type"] for label, case in pairs) / len(pairs) > 0.78
    assert sum(case.topics[0] == label["topics"][0] for label, case in pairs) / len(pairs) > 0.81
    assert sum(case.restricted for case in accused) / len(accused) > 0.95
    assert sum(case.restricted for case in cases) / len(cases) < 0.28

import pytest

from normalize.accusation import AccusationRules, describes, purpose, suspicion
from normalize.case import Draft, PurposeCode, RequestTypeCode
from normalize.kind import KindRules, request_type, without_salutation
from tests.normalize.drafts import draft


@pytest.mark.parametrize(
    ("title", "content", "expected"),
    [
        ("咨询小学入学年龄", "请问2020年9月出生的孩子今年可以报名一年级吗？需要哪些材料？", "consult"),
        ("请求解决孩子转学困难", "我们一家搬到天宁区，孩子至今没有学校接收，恳请领导帮忙协调。", "help"),
        ("投诉食堂饭菜太贵", "花桥中学食堂一份饭二十元，太贵，多次反映都敷衍，凭什么不降价？", "complaint"),
        ("举报青枫培训中心无证办学", "该中心无证招生，私自收费，不开发票，请严查。", "report"),
        ("建议增设自行车停放点", "建议在各中学门口增设停放点，有利于改善秩序，也可以借鉴外地做法。", "suggestion"),
        ("感谢湖塘小学的周老师", "孩子走失后周老师冒雨寻找，特此感谢，望予以表扬。", "praise"),
    ],
)
def test_the_words_tell_the_type(title: str, content: str, expected: str) -> None:
    read = request_type(draft(title, content), KindRules())

    assert read.code == expected
    assert read.confidence is not None
    assert 0.3 < read.confidence <= 1


@pytest.mark.parametrize(
    ("title", "content"),
    [
        ("（无主题）", None),
        ("Hello", "Please see the attached file, best regards."),
        ("同意", "同意"),
        ("图片", "图片在附件"),
        ("", "看到了，谢谢。"),
    ],
)
def test_where_nothing_tells_a_type_none_is_claimed(title: str, content: str | None) -> None:
    read = request_type(draft(title, content), KindRules())

    assert (read.code, read.confidence) == (RequestTypeCode.OTHER, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("请问学区怎么划分", "consult"), ("建议不要公开学生成绩", "suggestion"), ("求助：孩子没学上", "help")],
)
def test_under_a_title_that_says_nothing_the_few_words_count(text: str, expected: str) -> None:
    assert request_type(draft("反映问题", text), KindRules()).code == expected


@pytest.mark.parametrize("word", ["公告", "请查", "招生", "违规", "调查", "规定", "非法", "证据", "违法"])
def test_one_weak_word_makes_no_report(word: str) -> None:
    case = draft("回复", f"收到您发来的关于{word}的信，我们一家都已经看过了。")

    assert request_type(case, KindRules()).code is not RequestTypeCode.REPORT


@pytest.mark.parametrize("text", ["请问举报信怎么写", "请问向哪里举报？", "举报电话是多少？"])
def test_who_asks_how_to_report_does_not_report(text: str) -> None:
    assert request_type(draft(text, text), KindRules()).code is RequestTypeCode.CONSULT


def test_the_sources_own_type_stays() -> None:
    given = {"code": "complaint", "raw": "投诉", "confidence": 1.0}

    read = request_type(draft("咨询一下", "请问什么时候报名？", request_type=given), KindRules())

    assert read.model_dump(mode="json") == given


def test_other_said_by_the_source_stays_other() -> None:
    given = {"code": "other", "raw": "其他", "confidence": 1.0}

    assert request_type(draft("咨询入学", request_type=given), KindRules()).code is RequestTypeCode.OTHER


def test_a_raw_word_without_a_code_is_kept_beside_the_guess() -> None:
    read = request_type(draft("咨询入学年龄", request_type={"code": "other", "raw": "网上留言"}), KindRules())

    assert (read.code, read.raw) == (RequestTypeCode.CONSULT, "网上留言")


def test_words_of_ones_own_count() -> None:
    rules = KindRules.model_validate({"words": {"praise": {"title": {"竖大拇指": 8}}}})

    assert request_type(draft("为花桥中学竖大拇指"), rules).code is RequestTypeCode.PRAISE


def test_a_clearer_text_is_surer() -> None:
    clear = request_type(draft("咨询报名时间", "请问何时报名？需要什么材料？请告知。"), KindRules())
    vague = request_type(draft("花桥中学", "花桥中学在桥边。"), KindRules())

    assert (clear.confidence or 0) > (vague.confidence or 0)


def test_a_greeting_accuses_nobody() -> None:
    assert "局长" not in without_salutation("尊敬的王局长：您好！孩子上学远。")
    assert "班主任" in without_salutation("尊敬的王局长：您好！班主任打人。")


ACCUSATIONS = [
    ("花桥中学校长收受回扣", "校长吴某在校服采购中收受厂家回扣，还把食堂包给亲戚。"),
    ("班主任体罚学生", "三年级二班班主任用直尺体罚我儿子，还当众辱骂。"),
    ("在职教师有偿补课", "湖塘中学数学老师周末在家里有偿补课，每人每次收取两百元。"),
    ("教师招聘有内定", "这次面试评委与考生是亲戚，结果早已内定，存在暗箱操作。"),
]
GRIEVANCES = [
    ("食堂太吵", "食堂中午人太多，座位不够，希望错峰就餐。"),
    ("公交不便", "学校门口没有公交站，孩子要走两公里，请协调增设。"),
    ("咨询补课政策", "请问初三年级周末可以到校自习吗？"),
    ("工资晚发", "我们临聘人员的工资晚发了一周，请问何时到账？"),
]


def purpose_of(case: Draft) -> PurposeCode | None:
    return purpose(case, suspicion(case, AccusationRules())).code


@pytest.mark.parametrize(("title", "content"), ACCUSATIONS)
def test_who_accuses_someone_makes_an_accusation(title: str, content: str) -> None:
    assert purpose_of(draft(title, content)) is PurposeCode.ACCUSATION


@pytest.mark.parametrize(("title", "content"), GRIEVANCES)
def test_a_grievance_is_no_accusation(title: str, content: str) -> None:
    assert not suspicion(draft(title, content), AccusationRules()).accuses


def test_the_sources_purpose_stays() -> None:
    given = {"code": "appeal", "raw": "申诉求决"}

    assert purpose_of(draft(*ACCUSATIONS[0], purpose=given)) is PurposeCode.APPEAL


@pytest.mark.parametrize(
    ("code", "expected"),
    [("suggestion", "suggestion"), ("help", "appeal"), ("complaint", "appeal"), ("consult", "other")],
)
def test_without_accusation_the_type_implies_the_purpose(code: str, expected: str) -> None:
    case = draft("操场", "操场。", request_type={"code": code, "confidence": 1.0})

    assert purpose_of(case) == expected


def test_a_higher_bar_accuses_less() -> None:
    case = draft("班主任体罚学生", "三年级二班班主任体罚学生，我很生气。" + "花桥边有一条小河，河边有柳树。" * 10)

    assert suspicion(case, AccusationRules()).accuses
    assert not suspicion(case, AccusationRules(least=50)).accuses


@pytest.mark.parametrize(
    "text", ["请教育局查处有偿补课。", "严禁班主任收红包。", "食堂贪污严重。", "班主任很好。校外机构非法经营。"]
)
def test_a_breach_without_who_did_it_describes_nothing(text: str) -> None:
    assert not describes(text, AccusationRules())

import pytest

from normalize.topic_words import TOPICS
from normalize.topics import TopicRules, topics, topics_of
from tests.normalize.drafts import draft


@pytest.mark.parametrize(
    ("title", "content", "expected"),
    [
        ("学区划分不合理", "我们小区的施教区被划到三公里外，孩子入学很远。", "admission"),
        ("孩子转学", "想把孩子从外地转入花桥小学插班。", "transfer"),
        ("中考体育加分", "中考加分如何计算？", "exam"),
        ("乱收费", "开学收取资料费、空调费，没有发票。", "fees"),
        ("作业太多", "每天作业到十一点，周末还补课，负担太重。", "workload"),
        ("老师辱骂学生", "该老师师德有问题，经常打骂孩子。", "teacher_conduct"),
        ("指定购买教辅", "要求到指定书店购买练习册。", "teaching_aids"),
        ("课后服务时间", "延时服务能否到六点？", "after_school"),
        ("教师招聘条件", "今年教师招聘的笔试何时报名？", "recruitment"),
        ("职称评审", "乡村教师的绩效工资和职称评审问题。", "teacher_pay_title"),
        ("校门口没有红绿灯", "上学路上交通危险，没有斑马线。", "safety"),
        ("食堂饭菜变质", "食堂的营养餐有异味。", "catering"),
        ("宿舍没有热水", "宿舍厕所破旧，热水设施坏了。", "facilities"),
        ("违规分重点班", "学校分班时设了快慢班。", "school_operation"),
        ("培训机构跑路", "校外培训机构关门，预付费不退。", "training"),
        ("补办毕业证", "毕业证丢失，如何补办学历证明？", "records"),
        ("助学金", "贫困生助学金何时发放？", "aid"),
        ("体育馆开放", "足球场和体育馆能否对外开放？", "culture_sport"),
        ("路灯不亮", "桥边的路灯坏了。", "other"),
    ],
)
def test_the_words_tell_the_main_topic(title: str, content: str, expected: str) -> None:
    assert topics(draft(title, content), TopicRules())[0] == expected


def test_there_are_at_most_three_topics() -> None:
    text = "食堂伙食差，乱收费，补课，作业多，体罚，校车超载，宿舍没热水，强制买教辅"

    assert 1 <= len(topics(draft("诸多问题", text), TopicRules(beside=0))) <= 3


def test_the_sources_category_counts() -> None:
    case = draft("反映问题", "请处理。", category={"path": ("教育文体", "教育收费", "乱收费")})

    assert topics(case, TopicRules())[0] == "fees"


def test_an_office_may_add_a_topic() -> None:
    rules = TopicRules.model_validate({"words": {"reading_room": {"阅览室": 3}}})

    assert topics(draft("阅览室关门"), rules) == ("reading_room",)


def test_every_topic_of_the_contract_has_words() -> None:
    contract = {
        "admission", "transfer", "exam", "fees", "workload", "teacher_conduct", "teaching_aids", "after_school",
        "recruitment", "teacher_pay_title", "safety", "catering", "facilities", "school_operation", "training",
        "records", "aid", "culture_sport", "other",
    }  # fmt: skip

    assert set(TOPICS) == contract


def test_what_is_no_matter_of_education_is_other() -> None:
    assert topics_of("花桥小学旁的摊贩扰民", "晚上噪音大，城管不管。", TopicRules()) == ("other",)


def test_other_stands_beside_no_topic() -> None:
    assert "other" not in topics_of("花桥中学食堂", "食堂饭菜贵，伙食差，门口还有摊贩。", TopicRules())

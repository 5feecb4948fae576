import pytest

from normalize.sentences import statements


@pytest.mark.parametrize(
    "text",
    [
        "建议纪检监察部门多到学校宣传",
        "请问举报信怎么写",
        "您好，想咨询一下教师能否有偿补课",
        "严禁班主任收红包",
        "如果老师打学生",
        "举报信要署名吗？",
        "我们强烈建议加强师德教育，杜绝教师收礼",
    ],
)
def test_who_asks_or_suggests_or_forbids_states_nothing(text: str) -> None:
    assert list(statements(text)) == []


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("班主任打学生。建议多宣传。", ["班主任打学生"]),
        ("校长收红包，你们管不管？", ["校长收红包，你们管不管？"]),
        ("我建议严查校长收红包", ["我建议严查校长收红包"]),
        ("规定不得补课，但老师照补", ["但老师照补"]),
        ("老师怎么能打学生？", ["老师怎么能打学生？"]),
    ],
)
def test_what_was_done_is_stated(text: str, stated: list[str]) -> None:
    assert list(statements(text)) == stated

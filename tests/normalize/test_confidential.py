import time

import pytest

from normalize.confidential import asks_confidentiality


@pytest.mark.parametrize(
    "text",
    [
        "请替我保密",
        "请为我的信息保密",
        "请对我的身份信息严格保密。",
        "望保密！",
        "希望领导务必为我保密，谢谢",
        "请勿透露我的电话",
        "不要公开我孩子的姓名",
        "怕被报复，不敢署名",
        "我担心老师给孩子穿小鞋",
        "能替我保密吗？",
        "本人信息请予以保密。",
        "不愿透露姓名的家长",
        "请保护举报人。",
        "市民表示个人信息需保密。",
        "食堂饭菜太凉。【信息保密】",
        "市民不同意公开个人信息。",
        "来电人希望不要透露其个人信息。",
        "市民要求匿名并保密。",
        "市民个人信息不公开。",
        "请不要告诉学校是我反映的",
        "不要让班主任知道是我写的信",
        "请勿将我的信息透露给学校。",
        "不要把我的电话给学校",
    ],
)
def test_who_asks_not_to_be_named_is_heard(text: str) -> None:
    assert asks_confidentiality(text)


@pytest.mark.parametrize(
    "text",
    [
        "试卷的保密工作做得好。",
        "建议不要公开学生成绩",
        "身份保密吗",
        "请问举报人的身份会保密吗？",
        "学校对收费标准保密",
        "花桥中学对收费信息保密，家长不知情。",
        "请老师不要公开学生成绩。",
        "校长打击报复提意见的老师。",
        "建议完善保护举报人的制度。",
        "请学校做好试卷的保密工作",
        "请保护我们的合法权益。",
        "学校的收费信息不公开。",
        "来电人要求学校公开收费信息。",
        "不要让学校再这样收费",
        "老师不要把考试信息给一部分学生",
        "校长要求家长不要告诉教育局",
    ],
)
def test_the_word_secrecy_alone_asks_nothing(text: str) -> None:
    assert not asks_confidentiality(text)


def test_an_expression_may_be_taken_out() -> None:
    assert not asks_confidentiality("怕被报复", ("报复",))
    assert asks_confidentiality("怕被报复，请为我保密", ("报复",))


@pytest.mark.parametrize("hostile", ["请" * 200_000, "请为我的" * 50_000, "不要公开" + "给" * 200_000, "怕" * 200_000])
def test_hostile_text_takes_no_long_time(hostile: str) -> None:
    start = time.process_time()

    asks_confidentiality(hostile)

    assert time.process_time() - start < 1

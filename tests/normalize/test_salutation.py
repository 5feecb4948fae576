"""Who is greeted, and what merely speaks of an office."""

from __future__ import annotations

import time

import pytest

from normalize.letter_form import letter_form
from normalize.salutation import greeted, is_salutation_line, salutation

BODY = "我家住得远，请开一路校车到村口，孩子每天走路要一个小时。"


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("尊敬的市教育局领导：", "市教育局领导"),
        ("尊敬的局长，" + BODY, "局长"),
        ("暮敬的领导：", "领导"),
        ("尊散的局长；", "局长"),
        ("致常州市教育局：", "常州市教育局"),
        ("王局长：您好！" + BODY, "王局长"),
        ("局长，您好！" + BODY, "局长"),
        ("李书记：" + BODY, "李书记"),
        ("市信访局、市教育局：", "市信访局、市教育局"),
        ("王局长，", "王局长"),
        ("市教育局", "市教育局"),
        ("局长同志", "局长同志"),
        ("常州市教育局纪委", "常州市教育局纪委"),
        ("教育局基础教育科", "教育局基础教育科"),
        ("有关部门领导", "有关部门领导"),
    ],
)
def test_a_salutation_says_whom_it_greets(text: str, who: str) -> None:
    found = salutation(text)

    assert found is not None
    assert found.who == who


@pytest.mark.parametrize(
    "text",
    [
        "最近回到从前工作过的学校青枫学校，墙皮都掉了",
        "我的孩子刚上小学，天不亮就要去学校，中午也回不来",
        "天宁区教育局，我家到底算哪个学区？",
        "就读学校：青枫中学",
        "被投诉单位领导：陈某",
        "班主任：陈某某在课堂上辱骂学生，让全班同学不要和他说话，已经有一个月了",
        "举报青枫中学老师",
        "感谢王老师",
        "孩子上学怎么办",
        "请求解决乡镇教师补贴的科",
        "青枫中学文理科",
        "青枫中学",
        "致使孩子受伤的学校，至今不管",
        "（市第九中学违法将学生文理分科",
    ],
)
def test_a_sentence_a_label_or_a_heading_greets_nobody(text: str) -> None:
    assert salutation(text) is None


def test_a_line_is_a_salutation_only_if_it_holds_nothing_else() -> None:
    assert is_salutation_line("尊敬的局长")
    assert is_salutation_line("  市教育局  ")
    assert not is_salutation_line("尊敬的局长：" + BODY)


def test_a_mail_is_addressed_to_whom_its_words_greet() -> None:
    assert greeted(f"\n尊敬的王局长：\n您好！{BODY}") == "王局长"
    assert greeted(f"{BODY}\n市教育局") is None


@pytest.mark.parametrize("hostile", ["尊敬的" + "局" * 50_000, "局、" * 50_000, "（" * 50_000, "的局长" * 30_000])
def test_no_text_takes_long(hostile: str) -> None:
    started = time.process_time()
    salutation(hostile)
    letter_form([hostile, hostile, hostile])

    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("paragraphs", "heading", "addressee", "letterhead"),
    [
        (["关于校车的请求", "市教育局", BODY], "关于校车的请求", "市教育局", ()),
        (["举报", "局长同志", BODY], "举报", "局长同志", ()),
        (["常州市教育局纪委", BODY], None, "常州市教育局纪委", ()),
        (["尊敬的局长", BODY], None, "局长", ()),
        (["青枫中学", "关于校车的请求", "尊敬的局长：", BODY], "关于校车的请求", "局长", ("青枫中学",)),
        (["青枫中学", "关于校车的请求", BODY], "关于校车的请求", None, ("青枫中学",)),
        (["市教育局", "关于校车的请求", BODY], "关于校车的请求", "市教育局", ("市教育局",)),
        (["天宁区教育局，我家算哪个学区？", BODY], "天宁区教育局，我家算哪个学区？", None, ()),
        (["我打算办一所英语培训学校，却在局里碰壁了", BODY], "我打算办一所英语培训学校，却在局里碰壁了", None, ()),
    ],
)
def test_heading_salutation_and_letterhead_are_told_apart(
    paragraphs: list[str], heading: str | None, addressee: str | None, letterhead: tuple[str, ...]
) -> None:
    form = letter_form(paragraphs)

    assert (form.heading, form.addressee, form.letterhead) == (heading, addressee, letterhead)
    assert BODY in form.body

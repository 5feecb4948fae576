"""The title of a matter that came without one."""

from __future__ import annotations

import pytest

from normalize.titles import first_sentence


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("学校门口没有红绿灯。请装一个。", "学校门口没有红绿灯。"),
        ("尊敬的局长：您好！学校门口没有红绿灯。", "学校门口没有红绿灯。"),
        ("局长：您好！\n学校门口没有红绿灯。", "学校门口没有红绿灯。"),
        ("尊敬的局长，学校门口没有红绿灯。", "学校门口没有红绿灯。"),
        ("市教育局\n您好！学校门口没有红绿灯。", "学校门口没有红绿灯。"),
        ("您好，学校门口没有红绿灯。", "学校门口没有红绿灯。"),
        ("请局长主持公道。学校门口没有红绿灯。", "请局长主持公道。"),
        ("我的孩子刚上小学，天不亮就要去学校，中午也回不来。", "我的孩子刚上小学，天不亮就要去学校，中午也回不来。"),
        ("您好！", "您好！"),
        ("", ""),
    ],
)
def test_the_title_is_the_first_thing_said_after_the_greeting(text: str, title: str) -> None:
    assert first_sentence(text) == title


def test_a_long_sentence_is_cut() -> None:
    assert first_sentence("长" * 80) == "长" * 49 + "…"

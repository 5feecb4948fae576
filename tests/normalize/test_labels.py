"""Labelled text."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from normalize.labels import LabelRules, is_form, read

RULES = LabelRules()


def test_labels_in_one_line_and_in_many_with_either_colon() -> None:
    text = "【姓  名】: 张三 电话：13800000000\n标题：收费\n内容：第一段\n学校：不退钱\n第二段\n查询码：2603031234\n"

    assert read(text, RULES) == {
        "name": "张三",
        "phone": "13800000000",
        "title": "收费",
        "content": "第一段\n学校：不退钱\n第二段",
        "query_code": "2603031234",
    }


def test_a_label_the_citizen_repeats_in_his_words_stays_there() -> None:
    values = read("电话：13800000000\n内容：请回电\n电话：13900000000", RULES)

    assert values == {"phone": "13800000000", "content": "请回电\n电话：13900000000"}


def test_a_remark_under_a_letter_is_no_form() -> None:
    assert not is_form(read("情况如下。\n联系人：王五，电话：13900000000", RULES))


def test_label_words_can_be_configured_and_unknown_fields_are_refused() -> None:
    assert read("名字：张三", LabelRules(words={"name": ("名字",)})) == {"name": "张三"}
    with pytest.raises(ValidationError, match="unknown label field 'nmae'"):
        LabelRules(words={"nmae": ("名字",)})

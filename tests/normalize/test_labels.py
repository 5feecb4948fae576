"""Labelled text."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from normalize.labels import LabelRules, read

RULES = LabelRules()


def test_labels_in_one_line_and_in_many_with_either_colon() -> None:
    text = "【姓  名】: 张三 电话：13800000000\n标题：收费\n内容：第一段\n学校：不退钱\n第二段\n查询码：2603031234\n"

    assert read(text, RULES).values == {
        "name": "张三",
        "phone": "13800000000",
        "title": "收费",
        "content": "第一段\n学校：不退钱\n第二段",
        "query_code": "2603031234",
    }


def test_a_label_the_citizen_repeats_in_his_words_stays_there() -> None:
    values = read("电话：13800000000\n内容：请回电\n电话：13900000000", RULES).values

    assert values == {"phone": "13800000000", "content": "请回电\n电话：13900000000"}


def test_a_remark_under_a_letter_is_no_form() -> None:
    assert not read("情况如下。\n联系人：王五，电话：13900000000", RULES).is_form
    assert not read("请解决。\n姓名：王五\n电话：13900000000\n地址：红梅新村1幢", RULES).is_form


def test_label_words_can_be_configured_and_unknown_fields_are_refused() -> None:
    assert read("名字：张三", LabelRules(words={"name": ("名字",)})).values == {"name": "张三"}
    with pytest.raises(ValidationError, match="unknown label field 'nmae'"):
        LabelRules(words={"nmae": ("名字",)})


def test_a_value_ends_at_its_line_and_unknown_lines_are_kept_under_their_own_words() -> None:
    text = "地址：天宁区青龙苑3幢\n职业：教师\n姓名：张三\n标题：食堂卫生\n联系时间：白天\n内容：饭菜凉。\n第二段"

    found = read(text, RULES)

    assert found.values == {
        "address": "天宁区青龙苑3幢",
        "name": "张三",
        "title": "食堂卫生",
        "content": "饭菜凉。\n第二段",
    }
    assert found.others == {"职业": "教师", "联系时间": "白天"}


def test_an_address_may_go_on_in_a_line_without_label() -> None:
    found = read("地址：天宁区青龙街道\n青龙苑3幢201室\n电话：13900000000\n内容：abc", RULES)

    assert found.values["address"] == "天宁区青龙街道青龙苑3幢201室"


def test_a_value_may_stand_under_its_label() -> None:
    found = read("姓名：\n张三\n电话：\n13900000000\n身份证号：\n\n内容：\n饭菜凉。\n\n查询码：\n2603031234\n", RULES)

    assert found.values == {
        "name": "张三",
        "phone": "13900000000",
        "content": "饭菜凉。",
        "query_code": "2603031234",
    }


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("发信人：张伟", "name"),
        ("来电人：张伟", "name"),
        ("诉求人姓名：张伟", "name"),
        ("考生姓名：张伟", None),
        ("来 信 人: 张 伟", "name"),
        ("诉求电话：13900000000", "phone"),
        ("联系号码：13900000000", "phone"),
        ("写信人电话：13900000000", "phone"),
        ("来信正文：abc", "content"),
        ("反映标题：abc", "title"),
        ("联系时间：白天", None),
        ("举报地址：花园街", None),
    ],
)
def test_labels_are_put_together_of_who_and_what(line: str, field: str | None) -> None:
    assert list(read(line, RULES).values) == ([field] if field else [])


def test_a_name_set_with_blanks_is_closed_up() -> None:
    assert read("来 信 人: 张 伟", RULES).values == {"name": "张伟"}


def test_labels_in_brackets_need_no_colon() -> None:
    found = read("【留言人】李女士\n【留言标题】食堂\n【联系电话】13900000000\n【留言内容】\n饭菜凉。", RULES)

    assert found.values == {"name": "李女士", "title": "食堂", "phone": "13900000000", "content": "饭菜凉。"}
    assert found.is_form


def test_labels_in_brackets_may_stand_in_one_line() -> None:
    found = read("【写信人】周伟【联系电话】13900000000\n【主题】校车\n【内容】请开校车。", RULES)

    assert found.values == {"name": "周伟", "phone": "13900000000", "title": "校车", "content": "请开校车。"}


def test_a_label_that_fills_its_cell_names_the_next_one() -> None:
    found = read("姓　　名\t王建国\n联系电话\t13900000000\n标题\t食堂\n内容\t饭菜凉。\n请调查。\n是否公开\t否", RULES)

    assert found.values == {
        "name": "王建国",
        "phone": "13900000000",
        "title": "食堂",
        "content": "饭菜凉。\n请调查。",
        "allow_public": "否",
    }


@pytest.mark.parametrize(
    "closing",
    [
        "是否保密：是\n三、附件\n  无\n本邮件由系统自动发送，请勿回复。",
        "回复方式:短信\n是否保密：是",
        "-----\n是否保密：是\n处理状态：待办",
        "办理时限：2026-03-10\n是否保密：是\n附件：\n无",
    ],
)
def test_what_closes_a_form_is_no_part_of_its_content(closing: str) -> None:
    found = read(f"姓名：张三\n内容：第一段\n建议：公开菜价。\n{closing}", RULES)

    assert found.values["content"] == "第一段\n建议：公开菜价。"
    assert found.values["confidential"] == "是"


def test_a_citizens_last_words_stay_in_the_content() -> None:
    for words in ("一位家长", "建议：公开菜价", "希望尽快处理", "谢谢！", "学校：至今没有说法。"):
        assert read(f"姓名：张三\n内容：第一段\n{words}", RULES).values["content"] == f"第一段\n{words}"


def test_a_citizens_words_before_the_form_are_kept_and_a_websites_are_not() -> None:
    form = "姓名：张三\n电话：13900000000\n内容：饭菜凉。"

    assert read(f"您收到一封新的来信，请登录系统办理，内容如下。\n{form}", RULES).before == ""
    spoken = "我的孩子在青枫中学读书，这件事我反映过两次都没有结果。"
    assert read(f"{spoken}\n{form}", RULES).before == spoken


def test_three_labels_at_the_beginning_are_a_form_without_a_content_label() -> None:
    found = read("姓名：张三\n电话：13900000000\n标题：食堂\n\n饭菜总是凉的，请调查。", RULES)

    assert found.is_form
    assert found.rest == "饭菜总是凉的，请调查。"


def test_lines_about_the_accused_are_not_the_writers() -> None:
    found = read("被举报人：李大明\n电话：13500000001\n举报人：王芳\n电话：13900000000", RULES)

    assert found.values == {"subject_party": "李大明", "name": "王芳", "phone": "13900000000"}
    assert found.others == {"被举报人电话": "13500000001"}


def test_a_second_telephone_is_the_writers_too() -> None:
    assert read("姓名：张三\n电话：86881234\n手机：13900000000", RULES).values["phone"] == "86881234 / 13900000000"

"""Whom a mail names as its citizen: by a form's labels, by its words, by its headers."""

from __future__ import annotations

import pytest

from normalize.case import Draft
from normalize.mail_sender import shown_person
from tests.normalize.mails import draft_of, plain

FORM = "姓名：{name}\n电话：13900000000\n标题：食堂\n内容：{content}\n"


def form(name: str = "张三", content: str = "饭菜总是凉的。", more: str = "") -> Draft:
    return draft_of(plain(FORM.format(name=name, content=content) + more))


def codes(draft: Draft) -> list[str]:
    return [warning.code for warning in draft.warnings]


@pytest.mark.parametrize(
    ("written", "name"), [("王女士", "王女士"), ("张建国先生", "张建国"), ("张 伟", "张伟"), ("匿名", None)]
)
def test_a_form_names_its_citizen_as_he_wrote_it(written: str, name: str | None) -> None:
    assert form(written).petitioners[0].name == name


def test_a_strangers_number_in_a_forms_content_is_not_the_citizens() -> None:
    without = draft_of(plain("姓名：张三\n标题：食堂\n内容：食堂老板王某，电话13500000001，不退钱。\n"))

    assert form(content="食堂老板电话13500000001").petitioners[0].phones == ("13900000000",)
    assert without.petitioners[0].phones == ()


def test_a_number_in_a_form_that_cannot_be_read_is_doubtful_and_kept() -> None:
    draft = draft_of(plain("姓名：张三\n电话：139000000\n标题：食堂\n内容：饭菜凉，食堂电话13500000001。\n"))

    assert draft.petitioners[0].phones == ()
    assert codes(draft) == ["phone_doubtful"]
    assert draft.reading.needs_review
    assert draft.source_fields["label_phone"] == "139000000"


def test_a_forms_deadline_and_dispatch_are_the_sources() -> None:
    draft = form(more="办理时限：2026-03-10\n派单时间：2026-03-02 10:30\n回复方式：短信\n")

    assert draft.content == "饭菜总是凉的。"
    assert draft.source_deadline_at is not None
    assert draft.source_deadline_at.isoformat() == "2026-03-10T23:59:59+08:00"
    assert draft.dispatched_at is not None
    assert draft.dispatched_at.isoformat() == "2026-03-02T10:30:00+08:00"
    assert draft.source_fields["label_reply_mode"] == "短信"


def test_unknown_lines_of_a_form_are_kept_under_their_own_words() -> None:
    draft = draft_of(plain("姓名：张三\n职业：教师\n联系电话：13900000000\n标题：食堂\n内容：饭菜凉。\n"))

    assert draft.source_fields["职业"] == "教师"


def test_the_words_before_a_form_stand_before_its_content() -> None:
    spoken = "我的孩子在青枫中学读书，这件事我反映过两次都没有结果。"
    draft = draft_of(plain(spoken + "\n" + FORM.format(name="张三", content="饭菜凉。")))

    assert draft.content == f"{spoken}\n\n饭菜凉。"


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("王芳(家长)", "王芳"),
        ("王 芳", "王芳"),
        ("王芳-青枫中学", "王芳"),
        ("局长信箱(公开)", None),
        ("小芸", None),
        (None, None),
    ],
)
def test_a_display_name_shows_its_person(shown: str | None, name: str | None) -> None:
    assert shown_person(shown) == name


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ('"Marcus Smith (ABC)" <a@post.example>', "Marcus Smith (ABC)"),
        ("a@post.example (Marcus Smith)", "Marcus Smith"),
        ("局长信箱(公开) <a@post.example>", "局长信箱(公开)"),
    ],
)
def test_only_brackets_around_all_of_a_display_name_are_taken_off(header: str, shown: str) -> None:
    draft = draft_of(plain("饭菜总是凉的。").replace("From: a@post.example", f"From: {header}"))

    assert draft.source_fields["from_name"] == shown


def test_a_follow_up_without_name_from_a_known_address_is_not_anonymous() -> None:
    draft = draft_of(plain("我补充一张照片。"))

    assert draft.petitioners[0].name is None
    assert draft.anonymous is None


def test_who_asks_for_anonymity_or_fills_in_nothing_of_himself_is_anonymous() -> None:
    assert draft_of(plain("我只能匿名举报。")).anonymous is True
    assert draft_of(plain("标题：食堂\n姓名：\n内容：饭菜凉。\n")).anonymous is True
    assert form("匿名").anonymous is True
    assert form().anonymous is False


def test_a_wrong_check_digit_in_a_mails_words_is_kept_with_a_warning() -> None:
    draft = draft_of(plain("我叫何静，身份证号320402199003074517，想问一件事。"))

    assert draft.petitioners[0].id_no == "320402199003074517"
    assert codes(draft) == ["identity_number_doubtful"]
    assert draft.reading.needs_review


def test_labels_under_a_mail_are_read_and_the_mail_stays_its_writers() -> None:
    draft = draft_of(plain("饭菜总是凉的，请调查。\n\n姓名：何静\n电话：86881234\n住址：青龙苑 20幢 301"))

    (writer,) = draft.petitioners
    assert (writer.name, writer.phones, writer.email, writer.address) == (
        "何静",
        ("86881234",),
        "a@post.example",
        "青龙苑 20幢 301",
    )


@pytest.mark.parametrize("line", ["查询码 1234567890", "查询码：1234567890", "区域 天宁区"])
def test_a_label_under_a_mail_is_no_signature(line: str) -> None:
    draft = draft_of(
        plain(f"食堂今天又有问题，请处理。\n{line}")
        .replace("a@post", "王芳 <a@post", 1)
        .replace("example", "example>", 1)
    )

    assert [each.name for each in draft.petitioners] == ["王芳"]


def test_a_mail_s_address_is_whence_it_came_and_another_one_given_is_kept() -> None:
    draft = draft_of(plain("饭菜总是凉的。\n\n邮箱：other@163.example\n电话：13800001111\n王芳"))
    same = draft_of(plain("饭菜总是凉的。\n\n邮箱：A@post.example\n王芳"))

    assert draft.petitioners[0].email == "a@post.example"
    assert draft.source_fields["signed_email"] == "other@163.example"
    assert same.petitioners[0].email == "a@post.example"
    assert "signed_email" not in same.source_fields


@pytest.mark.parametrize(
    ("old", "new"), [("From: a@post.example", "From: noreply@web.example"), ("From: a@post.example\n", "")]
)
def test_the_address_given_is_the_writer_s_where_a_machine_or_nobody_sent_the_mail(old: str, new: str) -> None:
    draft = draft_of(plain("饭菜总是凉的。\n\n邮箱：other@163.example\n王芳").replace(old, new))

    assert draft.petitioners[0].email == "other@163.example"
    assert "signed_email" not in draft.source_fields


def test_a_joint_mail_is_told_by_its_title() -> None:
    draft = draft_of(plain("请开一路校车，共有236户签名。", subject="关于校车的联名信"))

    assert (draft.joint, draft.petitioner_count) == (True, 236)

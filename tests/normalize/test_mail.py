"""The promises of the mail reader."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normalize.case import AttachmentRole, AttachmentState, Draft, RequestTypeCode
from normalize.mail import read_mail
from normalize.mail_rules import MailRules
from normalize.read import read as read_raw
from normalize.reading import Disposition
from normalize.rules import Rules
from tests.normalize.mails import draft_of, plain, read, source
from tests.normalize.written import docx, paragraph, pdf


def multipart(*parts: str, kind: str = "mixed") -> str:
    inner = "".join(f"--B\n{part}\n" for part in parts)
    return f"From: a@post.example\nSubject: x\nContent-Type: multipart/{kind}; boundary=B\n\n{inner}--B--\n"


def test_three_copies_of_one_mail_have_one_identity() -> None:
    mail = plain("内容\n第二行  \n")
    copy = "Received: by mx2; now\nDelivered-To: b@edu.example\nX-Spam: no\nARC-Seal: i=1\n" + mail.replace(
        "\n", "\r\n"
    )

    assert read(mail).identity == read(copy).identity == read(mail + "\n\n").identity


@pytest.mark.parametrize(("old", "new"), [("内容", "内容二"), ("反映问题", "反映问题二"), ("a@post", "b@post")])
def test_mails_that_differ_in_what_was_written_differ_in_identity(old: str, new: str) -> None:
    mail = plain("内容")

    assert read(mail).identity != read(mail.replace(old, new)).identity


def test_received_at_is_the_servers_before_the_writers_before_ours() -> None:
    taken_in = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
    mail = plain("内容").encode()
    (from_server,) = read_mail(mail, source(taken_in), MailRules())
    from_header = draft_of(mail)
    assumed = draft_of(mail.replace(b"Date:", b"X-Date:"))

    assert from_server.draft is not None
    assert from_server.draft.received_at.isoformat() == "2026-03-02T10:00:00+08:00"
    assert from_header.received_at.isoformat() == "2026-03-02T09:00:00+08:00"
    assert assumed.received_at.isoformat() == "2026-03-09T09:00:00+08:00"
    assert [warning.code for warning in assumed.warnings] == ["received_at_assumed"]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("Auto-Submitted: auto-replied", "自动回复"),
        ("X-Autoreply: yes", "自动回复"),
        ("Precedence: bulk", "群发"),
        ("List-Id: <news.example>", "订阅"),
        ("Return-Path: <>", "Return-Path"),
    ],
)
def test_what_no_citizen_wrote_opens_no_case_but_keeps_its_draft(header: str, why: str) -> None:
    reading = read(plain("内容", headers=f"{header}\n"))

    assert reading.disposition is Disposition.AUTO
    assert why in (reading.reason or "")
    assert reading.draft is not None


def test_auto_submitted_no_is_a_citizens_mail() -> None:
    assert read(plain("内容", headers="Auto-Submitted: no\n")).disposition is Disposition.CASE


def test_a_web_form_sent_by_a_machine_is_a_citizens_case() -> None:
    mail = plain(
        "姓名：张三\n电话：13800000000\n类别：咨询\n内容：何时报名？\n", headers="Auto-Submitted: auto-generated\n"
    )
    draft = draft_of(mail)

    assert read(mail).disposition is Disposition.CASE
    assert draft.petitioners[0].name == "张三"
    assert draft.petitioners[0].email is None
    assert draft.request_type.code is RequestTypeCode.CONSULT
    assert draft.content == "何时报名？"


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 50, b"\r\n\r\n", b"no header here, just words", b"\xff\xfe\x00\x01" * 20]
)
def test_what_is_no_mail_goes_to_quarantine_with_a_reason(data: bytes) -> None:
    reading = read(data)

    assert reading.disposition is Disposition.QUARANTINE
    assert re.match("邮件没有内容|不是邮件", reading.reason or "")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.binary(max_size=200))
def test_no_bytes_whatever_make_the_reader_fail(head: bytes, tail: bytes) -> None:
    for data in (head, b"From: a@b.cn\nSubject: " + head + b"\nContent-Type: " + tail + b"\n\n" + head):
        reading = read(data)

        assert reading.reason or reading.draft


def test_gb2312_is_read_as_gb18030() -> None:
    words = "朱镕基，㎜，常州"
    mail = plain("").replace("utf-8", "gb2312").encode() + words.encode("gb18030")

    assert draft_of(mail).content == words


@pytest.mark.parametrize(
    ("declared", "written", "words"),
    [
        ("gb2312", "big5", "老師您好，請問這個學校的學生為什麼沒有午餐？謝謝。"),
        ("GBK", "big5hkscs", "我們對學校的回覆不滿意，請教育局過來看看。"),
        ("big5", "gb18030", "老师您好，请问这个学校的学生为什么没有午餐？"),
        ("big5", "big5", "老師您好，請問這個學校的學生為什麼沒有午餐？"),
        ("gbk", "gb18030", "老師您好，請問這個學校的學生為什麼沒有午餐？"),
        ("gb2312", "gb18030", "舟山市普陀区沈家门街道"),
        ("big5", "big5", "香港中環德輔道"),
        ("gb2312", "utf-8", "老师您好，请问这个学校的学生为什么没有午餐？"),
        ("big5", "utf-8", "老師您好，請問這個學校的學生為什麼沒有午餐？"),
    ],
)
def test_big5_and_gb_are_read_as_they_are_written_whichever_of_them_is_declared(
    declared: str, written: str, words: str
) -> None:
    found = draft_of(plain("").replace("utf-8", declared).encode() + words.encode(written))

    assert (found.content, found.warnings) == (words, ())


@pytest.mark.parametrize("declared", ["x-unknown", "bogus-charset", "us-ascii", "base64", "unicode_escape", ""])
def test_a_bogus_charset_gives_way_to_what_fits(declared: str) -> None:
    mail = plain("").replace("utf-8", declared).encode() + "学校食堂的问题\\u0041".encode("gb18030")

    assert draft_of(mail).content == "学校食堂的问题\\u0041"


def test_a_false_base64_declaration_leaves_the_words_as_they_are() -> None:
    mail = plain("这不是编码，是原文。", headers="Content-Transfer-Encoding: base64\n")

    assert draft_of(mail).content == "这不是编码，是原文。"


def test_a_multipart_without_parts_is_text() -> None:
    mail = plain("只有文字").replace("text/plain", "multipart/mixed")

    assert draft_of(mail).content == "只有文字"


def test_a_multipart_with_a_wrong_boundary_is_still_taken_apart() -> None:
    mail = multipart("Content-Type: text/plain\n\nhello", "Content-Type: application/pdf; name=a.pdf\n\nx")
    reading = read(mail.replace("boundary=B", "boundary=other"))

    assert reading.draft is not None
    assert reading.draft.content == "hello"
    assert [part.name for part in reading.parts] == ["a.pdf"]


def test_of_two_versions_the_plain_one_is_read_and_the_html_kept() -> None:
    plain_part = "Content-Type: text/plain; charset=utf-8\n\n文字"
    reading = read(multipart(plain_part, "Content-Type: text/html\n\n<p>html</p>", kind="alternative"))

    assert reading.draft is not None
    assert reading.draft.content == "文字"
    assert [(part.role, part.content) for part in reading.parts] == [(AttachmentRole.BODY_HTML, b"<p>html</p>")]


@pytest.mark.parametrize("stub", ["", "您的邮件客户端不支持HTML格式"])
def test_an_empty_or_stub_plain_version_gives_way_to_the_html(stub: str) -> None:
    plain_part = f"Content-Type: text/plain; charset=utf-8\n\n{stub}"
    html = "Content-Type: text/html; charset=utf-8\n\n<p>真正的内容</p>"

    assert draft_of(multipart(plain_part, html, kind="alternative")).content == "真正的内容"


def test_html_that_says_far_more_than_its_plain_version_is_what_is_read() -> None:
    plain_part = "Content-Type: text/plain; charset=utf-8\n\n发自我的iPhone"
    said = "我反映食堂的饭菜天天是凉的，孩子吃了肚子疼，希望局里派人去看一看。"
    html = f"Content-Type: text/html; charset=utf-8\n\n<p>{said}</p>"
    draft = draft_of(multipart(plain_part, html, kind="alternative"))

    assert draft.content == said
    assert "html_read" in {one.code for one in draft.warnings}


@pytest.mark.parametrize("stub", ["-- ", "——", "[图片]"])
def test_html_is_read_beside_a_plain_version_that_says_next_to_nothing(stub: str) -> None:
    plain_part = f"Content-Type: text/plain; charset=utf-8\n\n{stub}"
    html = "Content-Type: text/html; charset=utf-8\n\n<p>食堂的饭是凉的。</p>"

    assert draft_of(multipart(plain_part, html, kind="alternative")).content == "食堂的饭是凉的。"


def test_an_invitation_s_calendar_is_never_what_is_read() -> None:
    plain_part = "Content-Type: text/plain; charset=utf-8\n\n请局长参加家长会。"
    summary = "SUMMARY:家长会\nLOCATION:学校礼堂\nDESCRIPTION:" + "关于课后服务收费的说明会，" * 9
    calendar = f"Content-Type: text/calendar; charset=utf-8\n\nBEGIN:VCALENDAR\n{summary}\nEND:VCALENDAR"

    assert draft_of(multipart(plain_part, calendar, kind="alternative")).content == "请局长参加家长会。"


def test_versions_of_any_length_are_compared_in_a_moment() -> None:
    plain_part = "Content-Type: text/plain\n\n" + "ab" * 160_000
    html = "Content-Type: text/html\n\n" + "".join(f"<p>{n:b}</p>" for n in range(20_000))
    mail = multipart(plain_part, html.replace("1", "a").replace("0", "b"), kind="alternative")
    started = time.process_time()
    read(mail)

    assert time.process_time() - started < 5


def test_what_only_the_html_says_is_weighed_and_what_both_say_is_not_weighed_twice() -> None:
    said = "您好，我想咨询一下今年小学入学报名的时间和需要带的材料，谢谢。"
    plain_part = f"Content-Type: text/plain; charset=utf-8\n\n{said}"
    html = f"Content-Type: text/html; charset=utf-8\n\n<p>{said}</p>"
    more = f"{html}<p>举报校长收受回扣。</p>"

    assert read(multipart(plain_part, more, kind="alternative")).unread == ("举报校长收受回扣。",)
    assert read(multipart(plain_part, html, kind="alternative")).unread == ()


def test_an_attached_mail_is_kept_byte_for_byte_and_its_attachments_are_listed() -> None:
    inner = multipart("Content-Type: text/plain\n\ninner", "Content-Type: image/png; name=b.png\n\nPNG")
    nested = read(f"From: a@b.cn\nSubject: x\nContent-Type: message/rfc822\n\n{inner}")

    assert [part.name for part in nested.parts] == ["x.eml", "b.png"]
    assert nested.parts[0].content == inner.encode()
    assert nested.draft is not None
    assert nested.draft.content == "inner"


@pytest.mark.parametrize(
    ("line", "public", "secret"),
    [
        ("是否公开：保密", False, False),
        ("是否公开：公开", True, False),
        ("是否保密：公开", None, False),
        ("是否保密：保密", None, True),
    ],
)
def test_a_form_s_answer_is_read_as_that_question_s(line: str, public: bool | None, secret: bool) -> None:
    found = draft_of(plain(f"姓名：张三\n电话：13800000000\n{line}\n标题：食堂\n内容：花桥中学的饭菜太凉。\n"))

    assert (found.allow_public, bool(found.confidential_requested)) == (public, secret)


FILLED = "姓名：李雷\n电话：13811112222\n{line}\n标题：关于花桥中学食堂\n内容：花桥中学食堂的承包情况请查一下。\n"


def understood(body: str, subject: str = "网站来信") -> Draft:
    (found,) = read_raw(plain(body, subject).encode(), "", source(), Rules())
    assert found.draft is not None
    return found.draft


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("类别：检举控告", "purpose accusation"),
        ("类别：控告", "purpose accusation"),
        ("类别：投诉、检举", "purpose accusation"),
        ("信件类型：纪检监察", "purpose accusation"),
        ("信件类型：举报", "type report"),
        ("信访目的：检举控告", "purpose accusation"),
        ("信访目的：申诉、控告", "purpose accusation"),
        ("被举报人：王建国", "called an accusation by its source"),
        ("举报时间：2026-03-01", "called an accusation by its source"),
        ("违纪违法行为：见内容", "called an accusation by its source"),
        ("是否保密：需要", "confidentiality requested"),
        ("是否保密：不公开", "confidentiality requested"),
        ("个人信息是否保密：是", "confidentiality requested"),
        ("是否对您的信息保密：√", "confidentiality requested"),
        ("是否保密：不便透露", "confidentiality or purpose unreadable"),
    ],
)
def test_what_a_form_says_of_itself_restricts(line: str, reason: str) -> None:
    case = understood(FILLED.format(line=line))

    assert (case.restricted, case.restricted_reason) == (True, reason)
    assert case.reading.needs_review == (reason == "confidentiality or purpose unreadable")


@pytest.mark.parametrize(
    "form",
    [
        "举报人姓名：李雷\n举报人电话：13811112222\n举报标题：食堂\n举报内容：食堂的承包情况请查一下。",
        "检举人姓名：李雷\n被检举人：王建国\n标题：食堂\n内容：食堂的承包情况请查一下。",
        "食堂的承包情况请查一下。\n\n举报人：李雷\n被举报人：王建国",
    ],
)
def test_labels_that_name_an_accusation_restrict(form: str) -> None:
    assert understood(form).restricted_reason == "called an accusation by its source"


def test_a_subject_that_names_an_accusation_restricts_though_the_form_has_a_title() -> None:
    case = understood(FILLED.format(line="类别：投诉"), "网站举报：新举报件")

    assert (case.title, case.restricted_reason) == ("关于花桥中学食堂", "called an accusation by its source")
    assert case.request_type.code is RequestTypeCode.COMPLAINT


@pytest.mark.parametrize(
    ("line", "subject"),
    [
        ("类别：投诉", "局长信箱来信"),
        ("类别：咨询", "投诉举报平台：新来信"),
        ("被举报人：无", "局长信箱来信"),
        ("投诉举报人：李雷", "投诉举报表"),
        ("信访目的：申诉求决", "局长信箱来信"),
        ("是否保密：不需要", "局长信箱来信"),
        ("是否保密：否（可公开）", "局长信箱来信"),
        ("学校：花桥中学", "局长信箱来信"),
    ],
)
def test_a_form_for_all_matters_stays_open(line: str, subject: str) -> None:
    case = understood(FILLED.format(line=line) + "举报电话：0519-85681234\n", subject)

    assert (case.restricted, case.restricted_reason, case.reading.needs_review) == (False, None, False)


def test_a_form_s_purpose_is_read() -> None:
    case = understood(FILLED.format(line="信访目的：建议意见"))

    assert (case.purpose.code, case.purpose.raw) == ("suggestion", "建议意见")
    assert "信访目的" not in case.source_fields


ACCUSED = "花桥中学校长收受家长红包，挪用食堂公款。"


@pytest.mark.parametrize(
    "attached",
    [
        f"Content-Type: message/rfc822\n\nFrom: c@d.cn\nSubject: fw\nContent-Type: text/plain\n\n{ACCUSED}",
        f'Content-Type: application/octet-stream; name="a.eml"\n\nFrom: c@d.cn\nSubject: fw\n\n{ACCUSED}',
        f'Content-Type: text/plain; name="a.txt"\nContent-Disposition: attachment\n\n{ACCUSED}',
        f'Content-Type: application/octet-stream; name="A.TXT"\n\n{ACCUSED}',
        f'Content-Type: text/html; name="a.html"\nContent-Disposition: attachment\n\n<html><p>{ACCUSED}</p></html>',
        'Content-Type: application/msword; name="举报信.doc"\n\nD0CF',
    ],
)
def test_an_accusation_attached_to_a_covering_note_is_restricted(attached: str) -> None:
    found = covering(attached)

    assert found.restricted
    assert found.content == "请领导阅处。"


def covering(attached: str, *, documents: bool = True) -> Draft:
    """A covering note with something attached, understood."""
    mail = multipart("Content-Type: text/plain\n\n请领导阅处。", attached)
    (found,) = read_raw(mail.encode(), "", source(), Rules(), documents=documents)
    assert found.draft is not None
    return found.draft


@pytest.mark.parametrize("write", [lambda words: docx(paragraph(words)), lambda words: pdf((words,))])
def test_an_accusation_that_stands_in_an_attached_document_is_restricted(write: Callable[[str], bytes]) -> None:
    def attached(words: str) -> str:
        return f"{FILE}\n{base64.b64encode(write(words)).decode()}"

    found = covering(attached(ACCUSED))

    assert (found.restricted, found.restricted_reason) == (True, "text accuses someone")
    assert found.content == "请领导阅处。"
    assert not covering(attached("花桥中学食堂饭菜太凉，希望改进。")).restricted
    assert not covering(attached(ACCUSED), documents=False).restricted


FILE = 'Content-Type: application/octet-stream; name="1.bin"\nContent-Transfer-Encoding: base64\n'


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("filename*=utf-8''%E9%99%84%E4%BB%B6.doc; filename=x.doc", "附件.doc"),
        ("filename*0*=gb2312''%B8%BD; filename*1*=%BC%FE.doc", "附件.doc"),
        ('filename="=?gbk?B?uL28/i5kb2M=?="', "附件.doc"),
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="C:\\\\temp\\\\a.doc"', "a.doc"),
        ('filename="2025/2026学年.doc"', "2025_2026学年.doc"),
        ('filename="gnp\u202ecod.exe"', "gnpcod.exe"),
        ('filename=".."', "attachment-1.pdf"),
        ("filename=", "attachment-1.pdf"),
    ],
)
def test_attachment_names_are_read_and_made_harmless(header: str, name: str) -> None:
    part = f"Content-Type: application/pdf\nContent-Disposition: attachment; {header}\n\nx"

    assert [part.name for part in read(multipart(part)).parts] == [name]


def test_binary_parts_are_not_converted_although_they_name_a_charset() -> None:
    data = bytes(range(256))
    part = (
        "Content-Type: application/zip; charset=gb2312; name=a.zip\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(data).decode()
    )

    assert read(multipart(part)).parts[0].content == data


def test_nesting_and_parts_beyond_the_limits_stay_whole_with_a_warning() -> None:
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(300))
    reading = read(f"From: a@b.cn\nSubject: x\n{deep}\nwords")

    assert reading.draft is not None
    assert "too_many_parts" in [warning.code for warning in reading.draft.warnings]
    assert b"words" in (reading.parts[0].content or b"")


def test_a_large_attachment_of_a_mail_service_is_an_external_part_with_a_warning() -> None:
    link = "https://mail.qq.com/cgi-bin/ftnExs_download?k=1&amp;t=2"
    body = f'<div>见附件</div><a href="{link}">视频材料.zip</a>'
    reading = read(plain(body).replace("text/plain", "text/html"))
    external = [part for part in reading.parts if part.state is AttachmentState.EXTERNAL]

    assert reading.draft is not None
    assert [(part.name, part.ref) for part in external] == [("视频材料.zip", link.replace("&amp;", "&"))]
    assert "external_attachment" in [warning.code for warning in reading.draft.warnings]


def test_follow_ups_name_what_they_answer() -> None:
    headers = "In-Reply-To: <1@edu.example>\nReferences: <0@edu.example> <1@edu.example>\n"
    reading = read(plain("补充", subject="回复：查询码 2603031234 工单号：260302091448000123", headers=headers))

    assert reading.follows == ("<1@edu.example>", "<0@edu.example>", "2603031234", "260302091448000123")


def test_people_in_the_quoted_mail_are_not_the_petitioner() -> None:
    quoted = "我补充一点。\n\n发件人：李主任 <l@edu.example>\n发送时间：昨天\n\n本人李大明，电话13500000000\n"
    draft = draft_of(plain(quoted))

    assert draft.petitioners[0].phones == ()
    assert draft.petitioners[0].name is None
    assert "李大明" in (draft.content or "")


def test_several_signatures_make_a_joint_petition() -> None:
    draft = draft_of(plain("请解决校车问题。\n此致\n敬礼\n张三、李四、王小五\n2026年3月1日"))

    assert [each.name for each in draft.petitioners] == ["张三", "李四", "王小五"]
    assert draft.joint
    assert draft.petitioner_count == 3


def test_without_subject_and_body_the_title_says_so() -> None:
    draft = draft_of("From: a@b.cn\nDate: Mon, 2 Mar 2026 09:00:00 +0800\n\n")

    assert draft.title == "（无主题）"
    assert {warning.code for warning in draft.warnings} == {"title_derived", "content_empty"}


def test_broken_folding_does_not_cut_the_headers() -> None:
    mail = "From: a@b.cn\nSubject: first half\nsecond half\nDate: Mon, 2 Mar 2026 09:00:00 +0800\n\nbody"

    assert draft_of(mail).content == "body"
    assert draft_of(mail).title == "first halfsecond half"

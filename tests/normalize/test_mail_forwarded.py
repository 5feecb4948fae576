"""A colleague's mail that hands on a citizen's."""

from normalize.case import Draft
from tests.normalize.mails import draft_of, plain

NOTE = "请信访办处理。\n\n"
HEADERS = "发件人：林小满 <lin@post.example>\n发送时间：2026年3月1日 9:00\n收件人：王建国\n主题：食堂太贵\n\n"
WORDS = "花桥中学食堂一份饭二十元，多次反映没人管。\n我的电话13800000000，请替我保密。\n"


def handed_on(body: str = NOTE + HEADERS + WORDS, subject: str = "转发: 食堂太贵") -> Draft:
    return draft_of(plain(body, subject).replace("From: a@post.example", "From: 王建国 <wang@edu.example>"))


def test_the_citizen_of_a_forwarded_mail_is_its_writer() -> None:
    draft = handed_on()

    assert [each.name for each in draft.petitioners] == ["林小满"]
    assert draft.petitioners[0].phones == ("13800000000",)
    assert draft.source_fields["forwarded_from"] == "林小满 <lin@post.example>"
    assert draft.source_fields["from_name"] == "王建国"


def test_the_address_stays_that_of_from() -> None:
    assert handed_on().petitioners[0].email == "wang@edu.example"


def test_party_and_wishes_are_read_in_the_forwarded_words() -> None:
    draft = handed_on()

    assert draft.subject_party == "花桥中学"
    assert draft.content == (NOTE + HEADERS + WORDS).strip()
    assert not draft.anonymous


def test_the_name_signed_under_the_forwarded_words_counts_most() -> None:
    draft = handed_on(NOTE + HEADERS.replace("林小满", "小满妈妈") + WORDS + "\n此致\n敬礼\n\n林小满\n2026年3月1日\n")

    assert draft.petitioners[0].name == "林小满"


def test_a_forwarded_form_is_read_as_a_form() -> None:
    form = "姓名：张三\n电话：13800000001\n类别：咨询\n内容：何时报名？\n"

    draft = handed_on(NOTE + HEADERS + form)

    assert draft.petitioners[0].name == "张三"
    assert draft.content == "何时报名？"


def test_an_answered_mail_is_not_handed_on() -> None:
    draft = handed_on("我补充一点。\n\n" + HEADERS + WORDS, "回复: 食堂太贵")

    assert [each.name for each in draft.petitioners] == ["王建国"]
    assert "forwarded_from" not in draft.source_fields

import time

import pytest

from normalize.reading import Disposition
from tests.normalize.mails import plain, read


@pytest.mark.parametrize(
    ("subject", "body", "headers", "why"),
    [
        (
            "回复: 花桥中学",
            "这是一封自动回复邮件。您的来信已收到，我会尽快处理。此邮件为系统自动回复，请勿回复。",
            "",
            "自动回复",
        ),
        (
            "回复: 花桥中学",
            "这是来自QQ邮箱的假期自动回复邮件。\n\n您好，我最近正在休假中，无法亲自回复您的邮件。",
            "",
            "自动回复",
        ),
        ("假期自动回复", "我在休假。", "", "自动回复"),
        ("[自动回复] 花桥中学", "我在休假。", "", "自动回复"),
        ("Re: hello", "This is an automatic reply. I will be back on Monday.", "", "自动回复"),
        ("回复: 花桥中学", "您好，此邮件为系统收到您的来信后的自动回复。", "", "自动回复"),
        ("回复: 花桥中学", "本邮件是对您来信的自动回复，请勿回复。", "", "自动回复"),
        ("Re: hello", "您好！\n此为系统自动回复，请勿直接回复。\n\n> 花桥中学食堂太贵", "", "自动回复"),
        ("三月新课", "名师课程上线。", "List-Unsubscribe: <mailto:u@news.example>\n", "List-Unsubscribe"),
        ("三月新课", "名师课程上线。\n如需退订本邮件，请点击这里。", "", "正文这样说"),
        ("三月新课", "名师课程上线。\n取消订阅：点击 https://news.example/u", "", "正文这样说"),
        ("Spring", "New courses.\nClick here to unsubscribe from this list.", "", "正文这样说"),
    ],
)
def test_what_a_machine_answered_or_sent_to_many_opens_no_case(subject: str, body: str, headers: str, why: str) -> None:
    reading = read(plain(body, subject, headers))

    assert reading.disposition is Disposition.AUTO
    assert why in (reading.reason or "")


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("12345的自动回复没有解决问题", "我反映食堂太贵，收到的只有自动回复，请派人处理。"),
        ("反映", "每次写信都只有自动回复，没有人管。"),
        ("课后服务退订", "我想退订课后服务，班主任不让退订。"),
        ("培训机构骚扰", "青枫培训中心天天发短信：优惠课程，回复TD退订。请管管。"),
        ("网站留言", "市民留言：花桥中学食堂太贵。\n本邮件由系统自动发送，请勿回复。"),
        ("反映", "这是一封举报信，不是自动发送的。"),
        ("反映", "花桥中学乱收费没人管，这是第二次收到自动回复，请领导回电。"),
        ("反映", "这是你们第三次用自动回复打发我了。花桥中学食堂还是太贵。"),
        ("反映", "这是我两次写信后贵局的自动回复，问题没有解决。"),
    ],
)
def test_a_citizen_may_write_of_such_mails(subject: str, body: str) -> None:
    assert read(plain(body, subject)).disposition is Disposition.CASE


def test_a_form_sent_with_a_way_to_unsubscribe_is_a_case() -> None:
    form = "姓名：张三\n电话：13800000000\n类别：咨询\n内容：何时报名？\n"

    assert read(plain(form, "留言", "List-Unsubscribe: <mailto:u@web.example>\n")).disposition is Disposition.CASE


@pytest.mark.parametrize("hostile", ["这是" * 100_000, "，" * 200_000, "点击" * 100_000])
def test_hostile_text_takes_no_long_time(hostile: str) -> None:
    start = time.process_time()

    read(plain(hostile))

    assert time.process_time() - start < 3

import time

import pytest

from normalize.own_words import acknowledges, forwarded, own_words, spoken

NOTICE = "现将2026年招生工作公告如下：严肃查处违规招生，举报电话12345678。"
QUOTES = [
    "-----原始邮件-----\n发件人：局招生办 <zsb@edu.example>\n",
    '------------------ 原始邮件 ------------------\n发件人: "招生办" <zsb@edu.example>;\n发送时间: 2026年3月2日\n',
    '------------------ Original ------------------\nFrom: "zsb" <zsb@edu.example>;\nDate: Mon, Mar 2, 2026\n',
    "-----Original Message-----\nFrom: zsb\nSent: Monday\n",
    "发件人：局招生办\n发送时间：2026年3月2日 9:00\n收件人：林小满\n主题：公告\n",
    "From: zsb <zsb@edu.example>\nSent: Monday, March 2, 2026 9:00 AM\nTo: Lin\n",
    '在 2026-03-02 09:14:55，"招生办" <zsb@edu.example> 写道：\n',
    "局招生办 <zsb@edu.example> 于2026年3月2日周一 09:14写道：\n",
    'At 2026-03-02 09:14:55, "zsb" <zsb@edu.example> wrote:\n',
    "On Mon, Mar 2, 2026 at 9:14 AM zsb\n<zsb@edu.example> wrote:\n",
    "---- 回复的原邮件 ----\n| 发件人 | 招生办<zsb@edu.example> |\n| 日期 | 2026年03月02日 |\n",
]


@pytest.mark.parametrize("quote", QUOTES)
def test_what_is_quoted_is_not_the_writers_own(quote: str) -> None:
    own = own_words(f"看到了，谢谢。\n\n{quote}{NOTICE}\n")

    assert own.strip() == "看到了，谢谢。"


def test_answers_between_quoted_lines_are_the_writers_own() -> None:
    own = own_words("> 请问您孩子几年级？\n三年级。\n > 哪所学校？\n花桥小学。")

    assert own == "三年级。\n花桥小学。"


def test_where_all_is_quoted_all_counts() -> None:
    assert own_words(text := "> 班主任打人\n> 请查处") == text


@pytest.mark.parametrize(
    "text",
    [
        "花桥中学的食堂太贵。",
        "校长在会上说：\n大家交钱。",
        "我于2026年3月2日写信，校长回信写道：不予处理。\n请问合理吗？",
    ],
)
def test_a_text_without_quotes_is_all_the_writers_own(text: str) -> None:
    assert own_words(text) == text


def test_a_forwarded_mail_names_its_writer() -> None:
    told = forwarded(
        "请信访办处理。\n\n发件人：林小满 <lin@post.example>\n发送时间：2026年3月2日 9:00\n收件人：局长信箱\n"
        "主题：食堂太贵\n\n花桥中学食堂一份饭二十元。\n电话13800000000"
    )

    assert told is not None
    assert (told.added, told.name, told.address) == ("请信访办处理。", "林小满", "lin@post.example")
    assert (told.subject, told.body) == ("食堂太贵", "花桥中学食堂一份饭二十元。\n电话13800000000")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "---------- Forwarded message ---------\n发件人： 林小满 <lin@post.example>\nDate: x\nTo: y\n\n正文。",
            "林小满",
        ),
        ('-------- 转发邮件信息 --------\n发件人："林小满" <lin@post.example>\n发送日期：x\n主题：y\n正文。', "林小满"),
        (
            "发自我的 iPhone\n\n开始转发的邮件：\n\n> 发件人: 林小满 <lin@post.example>\n> 日期: x\n>\n> 正文。",
            "林小满",
        ),
        (
            "---- 转发的邮件 ----\n| 发件人 | 林小满<lin@post.example> |\n| 发送日期 | x |\n| 主题 | y |\n正文。",
            "林小满",
        ),
        ("发件人: lin@post.example\n发送时间: x\n收件人: y\n\n正文。", None),
    ],
)
def test_every_way_to_forward_is_known(text: str, name: str | None) -> None:
    told = forwarded(text)

    assert told is not None
    assert (told.name, told.address, told.body) == (name, "lin@post.example", "正文。")


def test_a_title_says_whether_a_mail_is_handed_on_or_answered() -> None:
    text = "转你办理。\n发件人：林小满\n发送时间：x\n\n正文。"

    assert forwarded(text, "转发: 食堂") is not None
    assert forwarded(text, "Fw: 食堂") is not None
    assert forwarded(text, "回复: 食堂") is None
    assert forwarded(text, "Re: 食堂") is None


@pytest.mark.parametrize(
    "text",
    [
        "我补充一点，孩子三年级。\n\n发件人：李主任\n发送时间：x\n\n请说明年级。",
        "看到了，谢谢。\n\n在 2026年3月2日，09:00，李主任 <l@edu.example> 写道：\n> 已处理。",
        "请尽快处理，我们等了很久，班里还有好几个孩子也是这样，家长都很着急，希望不要再拖下去了，我们上周已经打过两次电话，"
        "至今没有答复，究竟什么时候能有个说法，还请告知。\n发件人：李主任\n发送时间：x\n\n已收到。",
        "没有引用的信。",
        "发件人：林小满\n时间：2026年3月2日\n内容：食堂太贵。",
    ],
)
def test_an_answer_and_a_form_hand_on_nothing(text: str) -> None:
    assert forwarded(text) is None


def test_a_mail_forwarded_twice_is_judged_by_its_first_words() -> None:
    told = spoken(
        "转发: 食堂",
        "请办。\n发件人：王科长\n发送时间：x\n主题：转发: 食堂\n\n请阅处。\n"
        "发件人：林小满\n发送时间：y\n主题：食堂\n\n饭太贵。",
    )

    assert told.text == "请办。\n请阅处。\n饭太贵。"


def test_thanks_have_no_title_of_their_own() -> None:
    told = spoken("回复: 关于违规招生的公告", f"看到了，谢谢。\n\n{QUOTES[0]}{NOTICE}")

    assert told.title == ""
    assert told.text.strip() == "看到了，谢谢。"
    assert "违规招生" in told.quoted


def test_an_answer_that_says_more_keeps_its_title() -> None:
    assert spoken("回复: 食堂", f"我补充：一份饭二十元。\n{QUOTES[0]}x").title == "回复: 食堂"


def test_only_a_short_text_is_mere_thanks() -> None:
    assert acknowledges("收到，谢谢！\n发自我的iPhone")
    assert acknowledges("您好，邮件已收到，非常感谢领导的答复！")
    assert not acknowledges("表扬周老师，谢谢")
    assert not acknowledges("谢谢，食堂有虫子")
    assert not acknowledges("谢谢领导，食堂的事还是没有解决，一份饭还是二十元，请再查。")


HOSTILE = [
    ">" * 200_000,
    "发件人：\n" * 50_000,
    "发件人：" + " " * 200_000,
    "On " * 60_000,
    "On 2026 wrote\n" * 15_000,
    "-" * 200_000,
    "-- \t" * 50_000,
    "在2026 " * 40_000,
    (("a@于20" * 50) + "写道：\n") * 700,
    "From: a\nTo: b\n" * 15_000,
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_takes_no_long_time(hostile: str) -> None:
    start = time.process_time()

    spoken("转发:", hostile)

    assert time.process_time() - start < 1

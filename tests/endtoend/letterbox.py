"""Mails to a director, as many as are wanted, invented here, each with what its case must say."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from random import Random

TO = "juzhang@jy.example"
_SURNAMES = "欧阳 上官 司徒 诸葛 慕容 尉迟 公孙 皇甫 东方 令狐".split()  # noqa: SIM905  words are easier to read
_GIVEN = "若岚 景行 知微 听澜 远岫 书宁 怀瑾 疏影 既白 望舒 鹿鸣 清越 霁月 长庚 采薇 云舒 南乔 玄晖 静姝 嘉树".split()  # noqa: SIM905
_WHAT = (
    ("食堂饭菜偏咸", "孩子说食堂的菜越来越咸，喝水都解不了渴，希望学校和供餐单位商量一下。"),
    ("校门口没有斑马线", "上学时车很多，校门口那一段没有斑马线，老人送孩子过马路很不放心。"),
    ("课后服务退费慢", "上学期申请退出课后服务，说好两周退费，到现在没有收到钱。"),
    ("操场塑胶气味大", "新铺的操场气味刺鼻，孩子回家说头晕，想知道有没有检测报告。"),
    ("咨询转学手续", "我们家下个月搬到城东，想问孩子转学需要哪些材料，什么时候可以办。"),
    ("建议错峰放学", "几个年级同时放学，路口堵得厉害，建议低年级早二十分钟。"),
    ("作业到夜里十一点", "五年级的作业常常写到夜里十一点，孩子睡不够，请管一管。"),
    ("表扬一位生活老师", "孩子发烧那天是生活老师守了一夜，我们全家想说声谢谢。"),
    ("教师职称评审咨询", "我在乡镇学校教了十六年书，想问乡村任教年限怎样折算。"),
    ("宿舍热水不足", "住校生晚上八点以后就没有热水，冬天孩子只能用凉水洗漱。"),
)


@dataclass(frozen=True)
class Letter:
    """A mail, and what must become of it."""

    number: int
    raw: bytes
    message_id: str
    name: str
    phone: str
    title: str
    content: str
    files: tuple[str, ...]
    confidential: bool


@dataclass(frozen=True)
class _Matter:
    number: int
    name: str
    phone: str
    title: str
    words: str
    files: tuple[tuple[str, bytes], ...]
    confidential: bool

    @property
    def message_id(self) -> str:
        return f"<mail-{self.number}@letters.example>"

    @property
    def signed(self) -> str:
        return f"{self.words}\n\n{self.name}\n电话：{self.phone}"


def letters(count: int, first: int = 0) -> list[Letter]:
    """So many of them; always the same."""
    return [_letter(number) for number in range(first, first + count)]


def _letter(number: int) -> Letter:
    matter = _matter(number)
    write, content = _FORMS[number % len(_FORMS)]
    return Letter(
        number=number,
        raw=write(matter),
        message_id=matter.message_id,
        name=matter.name,
        phone=matter.phone,
        title=matter.title,
        content=content(matter),
        files=tuple(name for name, _ in matter.files),
        confidential=matter.confidential,
    )


def _matter(number: int) -> _Matter:
    name = _SURNAMES[number % 10] + _GIVEN[number // 10 % 20]
    about, words = _WHAT[number * 7 % 10]
    confidential = number % 12 == 5
    more = f"这是我第{number + 1}次给您写信，家住柳荫里{number + 1}号。" + ("请为我保密。" if confidential else "")
    return _Matter(
        number=number,
        name=name,
        phone=f"137{number:08d}",
        title=f"{about}（{number + 1}）",
        words=f"局长您好：\n{words}\n{more}",
        files=_files(number),
        confidential=confidential,
    )


def _files(number: int) -> tuple[tuple[str, bytes], ...]:
    """Every third mail has something with it."""
    dice = Random(number)
    if number % 3:
        return ()
    files = [(f"材料{number}.dat", dice.randbytes(2000 + number % 200 * 50))]
    if number % 6 == 0:
        files.append((f"名单 {number}.bin", dice.randbytes(70_000)))
    return tuple(files)


def _message(matter: _Matter, subject: str | None = None) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = matter.message_id
    message["Date"] = "Mon, 02 Mar 2026 09:14:55 +0800"
    message["From"] = f"{matter.name} <w{matter.number}@letters.example>"
    message["To"] = TO
    message["Subject"] = subject or matter.title
    return message


def _finished(message: EmailMessage, matter: _Matter) -> bytes:
    for name, content in matter.files:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def _plain(matter: _Matter) -> bytes:
    message = _message(matter)
    message.set_content(matter.signed, cte="base64")
    return _finished(message, matter)


def _quoted(matter: _Matter) -> bytes:
    message = _message(matter)
    message.set_content(matter.signed, cte="quoted-printable")
    return _finished(message, matter)


def _html(matter: _Matter) -> bytes:
    message = _message(matter)
    lines = "".join(f"<p>{line or '&nbsp;'}</p>" for line in matter.signed.split("\n") if line)
    message.set_content(f"<html><head><style>p {{margin:0}}</style></head><body>{lines}</body></html>", subtype="html")
    return _finished(message, matter)


def _both(matter: _Matter) -> bytes:
    message = _message(matter)
    message.set_content(matter.signed)
    message.add_alternative(f"<div>{matter.signed.replace(chr(10), '<br>')}</div>", subtype="html")
    return _finished(message, matter)


def _gbk(matter: _Matter) -> bytes:
    """Everything in GBK declared as gb2312, as an older mail program writes it."""
    return _gbk_mail(matter, b"base64", encodebytes(matter.signed.encode("gbk")))


def _gbk_raw(matter: _Matter) -> bytes:
    """Raw GBK bytes, in the header as well."""
    return _gbk_mail(matter, b"8bit", matter.signed.encode("gbk") + b"\n")


def _gbk_mail(matter: _Matter, encoding: bytes, body: bytes) -> bytes:
    head = [
        b"Message-ID: " + matter.message_id.encode(),
        b"Date: Mon, 02 Mar 2026 09:14:55 +0800",
        b"From: " + matter.name.encode("gbk") + f" <w{matter.number}@letters.example>".encode(),
        b"To: " + TO.encode(),
        b"Subject: " + matter.title.encode("gbk"),
        b"MIME-Version: 1.0",
    ]
    text = [b'Content-Type: text/plain; charset="gb2312"', b"Content-Transfer-Encoding: " + encoding, b"", body]
    if matter.files:
        parts = [[b"--part", *text], *(_gbk_file(name, content) for name, content in matter.files), [b"--part--", b""]]
        text = [b'Content-Type: multipart/mixed; boundary="part"', b"", *(line for part in parts for line in part)]
    return b"\r\n".join(head + text).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _gbk_file(name: str, content: bytes) -> list[bytes]:
    return [
        b"--part",
        b'Content-Type: application/octet-stream; name="' + name.encode("gbk") + b'"',
        b"Content-Transfer-Encoding: base64",
        b'Content-Disposition: attachment; filename="' + name.encode("gbk") + b'"',
        b"",
        encodebytes(content),
    ]


def _form(matter: _Matter) -> bytes:
    """The website's form, mailed by the website."""
    lines = {
        "姓名": matter.name,
        "联系电话": matter.phone,
        "联系地址": f"柳荫里{matter.number + 1}号",
        "是否保密": "是" if matter.confidential else "否",
        "提交时间": "2026-03-02 09:14",
        "标题": matter.title,
        "内容": matter.words,
    }
    message = _message(matter, f"网上来信 {matter.number}")
    message.replace_header("From", "网站 <website@letters.example>")
    message.set_content("".join(f"{label}：{value}\n" for label, value in lines.items()))
    return _finished(message, matter)


def _signed(matter: _Matter) -> str:
    return matter.signed


def _words(matter: _Matter) -> str:
    return matter.words


_FORMS: tuple[tuple[Callable[[_Matter], bytes], Callable[[_Matter], str]], ...] = (
    (_plain, _signed),
    (_quoted, _signed),
    (_gbk, _signed),
    (_html, _signed),
    (_gbk_raw, _signed),
    (_both, _signed),
    (_form, _words),
)

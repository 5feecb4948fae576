"""Matters as citizens mail them: plain, GBK, HTML, web form, follow-up; and what else lands in a mailbox."""

from __future__ import annotations

import html
from base64 import b64encode, encodebytes
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from mimetypes import guess_type
from random import Random

from sandbox.citizens import Citizen
from sandbox.evidence import evidence
from sandbox.matters import Matter

WEBSITE = "website@jy.example"


def mail(matter: Matter, at: datetime, to: str) -> bytes:
    """The matter as one of the forms in which a mailbox gets it; the same bytes for the same matter and moment."""
    write = matter.dice("mail").choice((_plain, _plain, _gbk, _gbk_8bit, _html, _web_form, _web_form, _web_form))
    if matter.anonymous:
        write = _web_form
    return write(matter, at, to)


def follow_up(matter: Matter, at: datetime, to: str) -> bytes:
    """The citizen adds something to what he wrote before."""
    message = _envelope(matter, at, to, f"回复: {matter.title}")
    message.replace_header("Message-ID", f"<{matter.seed}.{matter.number}.{int(at.timestamp())}@mail.example>")
    message["In-Reply-To"] = message["References"] = _message_id(matter)
    quoted = "\n".join(f"> {line}" for line in matter.content.splitlines())
    message.set_content(f"补充一张照片，事情还没有解决，请问办到哪一步了？\n\n{quoted}\n")
    _attach(message, matter, ("现场照片.jpg",))
    return _bytes(message, matter)


def noise(seed: int, number: int, at: datetime, to: str) -> bytes:
    """An auto-reply, a bounce or a newsletter: mail that opens no case."""
    write = (_auto_reply, _bounce, _newsletter)[number % 3]
    return write(Random(f"{seed}/{number}/noise"), at, to)


def _plain(matter: Matter, at: datetime, to: str) -> bytes:
    message = _envelope(matter, at, to, matter.title)
    message.set_content(f"{matter.content}\n\n{_signature(matter)}\n")
    _attach(message, matter, matter.evidence)
    return _bytes(message, matter)


def _html(matter: Matter, at: datetime, to: str) -> bytes:
    """A phone's mail program: HTML alone."""
    message = _envelope(matter, at, to, matter.title)
    text = "".join(f"<div>{html.escape(line)}</div>" for line in f"{matter.content}\n{_signature(matter)}".splitlines())
    page = f'<html><body style="font-size:14px">{text}<div><br></div><div>发自我的手机</div></body></html>'
    message.set_content(page, subtype="html")
    _attach(message, matter, matter.evidence)
    return _bytes(message, matter)


def _gbk(matter: Matter, at: datetime, to: str) -> bytes:
    """An older mail program: everything in GBK, declared as gb2312, base64."""
    body = encodebytes(f"{matter.content}\r\n\r\n{_signature(matter)}\r\n".encode("gb18030")).replace(b"\n", b"\r\n")
    return _gbk_head(matter, at, to, "base64", declared=True) + body


def _gbk_8bit(matter: Matter, at: datetime, to: str) -> bytes:
    """A campus web mail: raw GBK bytes in the subject and the body."""
    body = f"{matter.content}\n\n{_signature(matter)}\n".replace("\n", "\r\n").encode("gb18030")
    return _gbk_head(matter, at, to, "8bit", declared=False) + body


def _gbk_head(matter: Matter, at: datetime, to: str, encoding: str, *, declared: bool) -> bytes:
    writer = _writer(matter)
    word: Callable[[str], bytes] = _gbk_word if declared else lambda text: text.encode("gb18030")
    lines = [
        b"Message-ID: " + _message_id(matter).encode(),
        b"Date: " + format_datetime(at - timedelta(seconds=20)).encode(),
        b"From: " + word(writer.name) + f" <{writer.email}>".encode(),
        b"To: " + to.encode(),
        b"Subject: " + word(matter.title),
        b"MIME-Version: 1.0",
        b'Content-Type: text/plain; charset="gb2312"',
        b"Content-Transfer-Encoding: " + encoding.encode(),
        b"X-Mailer: Foxmail 6, 15, 201, 22 [cn]",
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _web_form(matter: Matter, at: datetime, to: str) -> bytes:
    """The bureau's website mails its form; the citizen is named in the body only."""
    dice = matter.dice("form")
    code = f"{dice.randrange(10**9, 10**10)}"
    writer = matter.citizens[0] if matter.citizens else None
    lines = {
        "信件类型": matter.situation.type,
        "查询码": code,
        "姓名": writer.name if writer else "匿名",
        "联系电话": writer.phone if writer else "",
        "电子邮箱": writer.email if writer else "",
        "身份证号": writer.id_no if writer and dice.random() < 0.4 else "",
        "联系地址": writer.address if writer else "",
        "是否保密": "是" if matter.confidential else "否",
        "是否公开": "是" if matter.allow_public else "否",
        "提交时间": f"{at:%Y-%m-%d %H:%M}",
        "标题": matter.title,
        "内容": matter.content,
    }
    message = _envelope(matter, at, to, f"[局长信箱] {matter.title}")
    message.replace_header("From", f"景元市教育局网站 <{WEBSITE}>")
    message.set_content("".join(f"{label}：{value}\n" for label, value in lines.items()))
    _attach(message, matter, matter.evidence)
    return _bytes(message, matter)


def _auto_reply(random: Random, at: datetime, to: str) -> bytes:
    message = _notice(random, at, to, "自动回复: 关于您来信的答复")
    message["From"] = f"b{random.randrange(10**6)}@mail.example"
    message["Auto-Submitted"] = "auto-replied"
    message.set_content("您好，您的邮件我已收到，目前正在出差，回来后会尽快处理。\n")
    return message.as_bytes()


def _bounce(random: Random, at: datetime, to: str) -> bytes:
    """Written by hand: the library cannot make a delivery report."""
    address, boundary = f"c{random.randrange(10**6)}@post.example", f"=-bounce-{random.randrange(10**12)}"
    return _BOUNCE.format(
        number=random.randrange(10**12), date=format_datetime(at), to=to, address=address, boundary=boundary
    ).encode()


_BOUNCE = """Return-Path: <>
Message-ID: <b{number}@post.example>
Date: {date}
From: MAILER-DAEMON@post.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"

--{boundary}
Content-Type: text/plain; charset=us-ascii

This is the mail system at host post.example.

<{address}>: host mx.post.example said: 550 5.1.1 mailbox unavailable

--{boundary}
Content-Type: message/delivery-status

Reporting-MTA: dns; post.example

Final-Recipient: rfc822; {address}
Action: failed
Status: 5.1.1

--{boundary}--
""".replace("\n", "\r\n")


def _newsletter(random: Random, at: datetime, to: str) -> bytes:
    message = _notice(random, at, to, f"《校长参考》电子月刊第{random.randrange(100, 400)}期")
    message["From"] = "月刊编辑部 <list@journal.example>"
    message["List-Id"] = "<monthly.journal.example>"
    message["List-Unsubscribe"] = "<mailto:leave@journal.example>"
    message["Precedence"] = "bulk"
    message.set_content("本期目录：一、课堂观察 二、校本教研 三、书讯\n")
    return message.as_bytes()


def _notice(random: Random, at: datetime, to: str, subject: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = f"<n{random.randrange(10**12)}@post.example>"
    message["Date"] = at
    message["To"] = to
    message["Subject"] = subject
    return message


def _envelope(matter: Matter, at: datetime, to: str, subject: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    writer = _writer(matter)
    message["Message-ID"] = _message_id(matter)
    message["Date"] = at - timedelta(seconds=matter.dice("date").randrange(5, 90))
    message["From"] = f"{writer.name} <{writer.email}>"
    message["To"] = to
    message["Subject"] = subject
    return message


def _attach(message: EmailMessage, matter: Matter, names: tuple[str, ...]) -> None:
    for name in names:
        maintype, _, subtype = (guess_type(name)[0] or "application/octet-stream").partition("/")
        content = evidence(name, f"mail/{matter.seed}/{matter.number}")
        message.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)


def _bytes(message: EmailMessage, matter: Matter) -> bytes:
    if message.is_multipart():
        # The library invents a boundary at random; ours makes a repeated mail the same bytes.
        message.set_boundary(f"=-{matter.seed}-{matter.number}-part")
    return message.as_bytes()


def _message_id(matter: Matter) -> str:
    return f"<{matter.seed}.{matter.number}@mail.example>"


def _signature(matter: Matter) -> str:
    return "\n".join(f"{one.name}  {one.phone}" for one in matter.citizens)


def _writer(matter: Matter) -> Citizen:
    return matter.citizens[0] if matter.citizens else _NOBODY


def _gbk_word(text: str) -> bytes:
    return b"=?gb2312?B?" + b64encode(text.encode("gb18030")) + b"?="


_NOBODY = Citizen("匿名", True, "", WEBSITE, "", "", "", "")

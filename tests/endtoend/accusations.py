"""Three accusations, by mail, by telephone and by letter, each by somebody of whom nobody else may hear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from random import Random

from sandbox.citizens import Citizen
from sandbox.matters import Matter, Situation, matter, situations
from sandbox.scans import scan
from tests.endtoend.letterbox import TO
from tests.endtoend.searching import Secret

_LEDGER = "".join(f"第{day}笔：歙砚一方，折银{day}千元，经手人画押。\n" for day in range(1, 60)).encode()
_RECORDING = b"ID3" + Random(2026).randbytes(90_000)
"""Large enough to lie beside the database, in a file of its own."""


@dataclass(frozen=True)
class Accusation:
    """What is told at one door, and what must not be found of it."""

    channel_kind: str
    name: str
    secret: Secret


BY_MAIL = Accusation(
    "mailbox",
    "慕容听潮",
    Secret(
        words=(
            "慕容听潮", "13755550101", "tingchao.murong@letters.example", "青瓷茶罐", "腊月二十三", "茶罐里的欠条",
            "收款明细（慕容）.txt", "夜谈录音-桐花巷.mp3", "柳荫里桐花巷九号",
        ),
        files=(_LEDGER, _RECORDING),
    ),
)  # fmt: skip
BY_TELEPHONE = Accusation(
    "hotline",
    "司徒望岳",
    Secret(words=("司徒望岳", "13755550202", "鹦鹉螺摆件", "梧桐影壁后", "望岳台路七十七号")),
)
BY_LETTER = Accusation(
    "letter", "欧阳静远", Secret(words=("欧阳静远", "13755550303", "铁皮书柜", "双城路八十八号", "校服回扣三万"))
)
ALL = (BY_MAIL, BY_TELEPHONE, BY_LETTER)


def mail() -> bytes:
    """A mail with two things in it, one small and one large."""
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = "<accusation@letters.example>"
    message["Date"] = "Mon, 02 Mar 2026 09:14:55 +0800"
    message["From"] = "慕容听潮 <tingchao.murong@letters.example>"
    message["To"] = TO
    message["Subject"] = "实名举报花桥中学校长收受好处（茶罐里的欠条）"
    message.set_content(
        "局长您好：\n我实名举报花桥中学校长索贿受贿。他办公室青瓷茶罐底下压着三张手写欠条，落款都是腊月二十三。\n"
        "录音和明细附上，请为我保密，切勿转给学校。\n\n慕容听潮\n电话：13755550101\n住址：柳荫里桐花巷九号\n",
        cte="base64",
    )
    message.add_attachment(_LEDGER, maintype="text", subtype="plain", filename="收款明细（慕容）.txt")
    message.add_attachment(_RECORDING, maintype="audio", subtype="mpeg", filename="夜谈录音-桐花巷.mp3")
    return message.as_bytes()


def call() -> Matter:
    """What the hotline wrote down of a call."""
    return _accusing(
        9001,
        "举报松风小学总务主任收受好处",
        "我举报松风小学总务主任索取回扣，收下供货商送的鹦鹉螺摆件，就藏在梧桐影壁后的储物间里，请纪检部门核查，为我保密。",
        Citizen(
            "司徒望岳", True, "13755550202", "wangyue@letters.example", "32990219700101003X", "景元市望岳台路七十七号",
            "退休", "219911",
        ),
    )  # fmt: skip


def letter(at: datetime) -> tuple[str, bytes]:
    """A printed letter as it is scanned: the file's name and its bytes."""
    written = _accusing(
        9002,
        "举报白鹭中学校长受贿",
        "我举报白鹭中学校长受贿，收下校服回扣三万，现金锁在他办公室的铁皮书柜里。请纪检部门核查，为我保密。",
        Citizen(
            "欧阳静远", True, "13755550303", "jingyuan@letters.example", "329902197001010013", "景元市双城路八十八号",
            "退休", "219912",
        ),
    )  # fmt: skip
    return scan(written, at)


def _accusing(number: int, title: str, content: str, citizen: Citizen) -> Matter:
    return replace(
        matter(7, number), situation=_accusation(), title=title, content=content, summary=content[:20],
        citizens=(citizen,), people=1, affected=None, subject_party="", confidential=True, evidence=(),
        handwritten=False, twin_of=None,
    )  # fmt: skip


def _accusation() -> Situation:
    return next(one for one in situations() if one.purpose == "检举控告" and one.category[-1] == "私设小金库")

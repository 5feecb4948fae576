"""Whose words stand in a mail: the writer's own, those he quotes, and those of a mail he hands on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from normalize.quotes import Quote, first_quote

_FIELD_OF_A_FORM = re.compile(r"(?:内容|正文|留言|诉求|电话|手机|联系方式)[^\n:：]{0,4}[:：]")
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,12}")
_FORWARD_TITLE = re.compile(r"\s*[\[【]?(?:转发|转|fwd?)[\]】]?\s*[:：\]】]", re.IGNORECASE)
_REPLY_TITLE = re.compile(r"\s*[\[【]?(?:re|回复|答复|回覆)[\]】]?\s*[:：\]】]", re.IGNORECASE)
_DEVICE = re.compile(r"^[ \t]*(?:发自|来自|Sent from|获取|Get Outlook)[^\n]{0,40}$|^[ \t_*-]+$", re.MULTILINE)
_HANDS_ON = re.compile(
    r"[请望转][^。！？\n]{0,12}(?:办|处理|处置|阅|核实|研究|查|答复|回复|酌)|(?:见|如)下|以下|供参|来[信件邮]|此件|转(?:你|给|去|办|发|交|呈|至|请|有关)|交(?:由|办)|FYI",
    re.IGNORECASE,
)
_ACKNOWLEDGES = re.compile(r"谢谢|感谢|多谢|收到|知道了?|看到了?|已阅|明白了?|了解了?|辛苦了?")
_COURTESY = re.compile(
    r"[\W_]+|好的?|[您你]们?|领导|局长|老师|同志|工作人员|贵局|非常|十分|很|的|了|已经?|我们?|回复|答复|来信|邮件|通知|公告|内容"
)
_A_NOTE = 80
"""Who hands a mail on adds a line or two."""
_A_WORD = 30
_LEFT = 2
"""What else there may be in a text that only says that it was read."""
_DEEPEST = 3


@dataclass(frozen=True)
class Forwarded:
    """A mail handed on within another: who wrote it, its subject and words, and what was added when handing it on."""

    added: str
    name: str | None
    address: str | None
    subject: str | None
    body: str

    @property
    def sender(self) -> str | None:
        """Name and address as mails write them."""
        address = f"<{self.address}>" if self.name and self.address else self.address
        return " ".join(each for each in (self.name, address) if each) or None


@dataclass(frozen=True)
class Spoken:
    """What is to be judged of a mail (title and words of who wants something), and what it only quotes."""

    title: str
    text: str
    quoted: str


def spoken(title: str, text: str, depth: int = _DEEPEST) -> Spoken:
    """The words that are the citizen's: his own, and those of his mail that somebody handed on; not what he quotes.

    An answer that only says thanks has no title of its own: that is the title of what it answers.
    """
    passed = forwarded(text, title) if depth else None
    if passed:
        inner = spoken(passed.subject or "", passed.body, depth - 1)
        return Spoken(title, "\n".join(each for each in (passed.added, inner.text) if each), inner.quoted)
    own = own_words(text)
    if own == text:
        return Spoken(title, text, "")
    only_thanks = acknowledges(own) and not _FORWARD_TITLE.match(title)
    return Spoken("" if only_thanks else title, own, text)


def own_words(text: str) -> str:
    """What stands before the quoted mail and outside of `>` lines; all of it if nothing else is there."""
    quote = first_quote(text)
    if quote is None and ">" not in text:
        return text
    own = text[: quote.start] if quote else text
    own = "\n".join(line for line in own.split("\n") if not line.lstrip(" \t").startswith(">"))
    return own if _DEVICE.sub("", own).strip() else text


def acknowledges(text: str) -> bool:
    """Whether a text only says that something was read, or thanks for it."""
    said = _DEVICE.sub("", text[:200]).strip()
    if len(text) > 200 or len(said) > _A_WORD or not _ACKNOWLEDGES.search(said):
        return False
    return len(_COURTESY.sub("", _ACKNOWLEDGES.sub("", said))) <= _LEFT


def forwarded(text: str, title: str = "") -> Forwarded | None:
    """The mail this text hands on; None when it hands on none (it quotes what it answers, or quotes nothing).

    A quoted mail is handed on when its mark or the title says so, when nothing stands before it, or a short note that
    asks to see to it; not when the title says that this is an answer.
    """
    quote = first_quote(text)
    if quote is None:
        return None
    added = _DEVICE.sub("", text[: quote.start]).strip()
    body = _unquoted(text[quote.body :]).strip("\n")
    if not body.strip() or not (quote.sender or quote.handed_on) or _FIELD_OF_A_FORM.match(body):
        return None
    if not _is_handed_on(quote, added, title):
        return None
    address = _ADDRESS.search(quote.sender or "")
    return Forwarded(added, _name(quote.sender or ""), address[0] if address else None, quote.subject, body)


def _is_handed_on(quote: Quote, added: str, title: str) -> bool:
    if _REPLY_TITLE.match(title):
        return False
    if quote.handed_on or _FORWARD_TITLE.match(title):
        return True
    if quote.answered:
        return False
    return not added or (len(added) <= _A_NOTE and _HANDS_ON.search(added) is not None)


def _unquoted(text: str) -> str:
    """The text without the `>` that stands before every line of it."""
    lines = text.split("\n")
    if all(line.startswith(">") for line in lines if line.strip()):
        lines = [line[1:].removeprefix(" ") for line in lines]
    return "\n".join(lines)


def _name(sender: str) -> str | None:
    name = re.split(r"[<\[(（]", _ADDRESS.sub("<", sender), maxsplit=1)[0]
    return name.strip(" \t\"'“”‘’;,，*|") or None

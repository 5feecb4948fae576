"""Where a mail begins to quote another, in the ways mail programs mark it, and the headers they repeat there."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = (
    r"-{2,}[ \t]*(?:原始?(?:邮件|信件)|邮件原件|回复的?原?邮件(?:信息)?|Original(?:[ \t]*(?:Message|E?-?mail))?)"
    r"(?:[ \t]*-|[ \t]*$)"
)
_HANDED_ON = (
    r"-{2,}[ \t]*(?:转发的?(?:邮件|消息|信件)?(?:信息)?|Forwarded[ \t]*(?:message|by))|"
    r"(?:开始转发的邮件|以下是转发的邮件|Begin forwarded message)[ \t]*[:：]"
)
_WROTE = r"写道[ \t]*[:：][ \t]*$"
_ANSWERED = (
    rf"(?:在|于)[ \t]*\d{{4}}[^\n]{{4,120}}(?:{_WROTE}|撰写[ \t]*[:：][ \t]*$)|"
    # whose name comes first: only a line that ends so is looked at closely
    rf"(?=[^\n]{{10,300}}{_WROTE})[^\n]{{1,80}}[@<>][^\n]{{0,80}}(?:在|于)[ \t]*\d{{4}}[^\n]{{4,60}}{_WROTE}|"
    rf"At \d{{4}}-[^\n]{{4,120}}(?:{_WROTE}|wrote[ \t]*[:：][ \t]*$)|"
    r"On [^\n]{6,160}(?:\n[^\n]{0,80})?wrote:[ \t]*$"
)
_FROM = r"(?:发件人|寄件者|寄件人|From)"
_SUBJECT = r"(?:主题|主旨|Subject)"
_OTHERS = r"(?:发送时间|发送日期|发件时间|寄件日期|日期|时间|收件人|收件者|抄送|Sent|Date|To|Cc|Reply-To|回复)"
_COLON = r"[*]{0,2}[ \t]*[:：|][*]{0,2}"
_HEADERS = rf"[|*]{{0,3}}[ \t]*{_FROM}{_COLON}[^\n]{{0,300}}\n[ \t>|*]*+(?:{_SUBJECT}|{_OTHERS}){_COLON}"
_QUOTE = re.compile(
    rf"^[ \t>]*+(?:(?P<handed_on>{_HANDED_ON})|{_MARK}|(?P<answered>{_ANSWERED})|(?P<headers>{_HEADERS}))",
    re.MULTILINE | re.IGNORECASE,
)
_HEADER = re.compile(
    rf"[ \t>|*]*+(?:(?P<sender>{_FROM})|(?P<subject>{_SUBJECT})|{_OTHERS}){_COLON}(?P<value>[^\n]*)", re.IGNORECASE
)
_HEADER_LINES = 12


@dataclass(frozen=True)
class Quote:
    """Where in a text a quoted mail is marked, whether the mark tells that it is handed on or answered."""

    start: int
    handed_on: bool
    answered: bool
    sender: str | None
    subject: str | None
    body: int
    """Where the quoted mail's own words begin."""


def first_quote(text: str) -> Quote | None:
    """The first mark of a quoted mail; None: none. Lines quoted by `>` alone are none."""
    mark = _QUOTE.search(text)
    if mark is None:
        return None
    begin = mark.start() if mark["headers"] else text.find("\n", mark.end()) + 1 or len(text)
    sender, subject, body = _headers(text, begin)
    return Quote(mark.start(), bool(mark["handed_on"]), bool(mark["answered"]), sender, subject, body)


def _headers(text: str, begin: int) -> tuple[str | None, str | None, int]:
    """The sender and subject named from `begin` on, and where those lines end."""
    sender = subject = None
    for _ in range(_HEADER_LINES):
        stop = text.find("\n", begin)
        line = text[begin : stop if stop >= 0 else len(text)]
        header = _HEADER.match(line)
        if not header and line.strip(" \t>|-:*"):
            break
        if header and header["sender"]:
            sender = header["value"].strip(" \t|*;")
        elif header and header["subject"]:
            subject = header["value"].strip(" \t|*") or None
        begin = stop + 1 if stop >= 0 else len(text)
    return sender, subject, begin

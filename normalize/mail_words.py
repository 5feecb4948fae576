"""A mail's text made readable, and the part of it that its sender wrote himself."""

from __future__ import annotations

import re

_QUOTE_BEGINS = re.compile(
    r"^[ \t>]*(?:-{2,}\s*(?:原始?邮件|回复的?原邮件|Original\s*(?:Message|Email)|转发(?:的)?邮件(?:信息)?|Forwarded\s*message|回复的?邮件(?:信息)?)\s*-{0,}|"
    r"(?:在|于)\s*\d{4}.{4,120}(?:写道|撰写)[:：]\s*$|At \d{4}-.{4,120}(?:写道|wrote)\s*[:：]\s*$|On .{6,160} wrote:\s*$|"
    r"(?:发件人|From)\s*[:：].{0,200}\n[ \t>]*(?:发送时间|发送日期|日期|时间|收件人|Sent|Date|To)\s*[:：])",
    re.MULTILINE | re.IGNORECASE,
)
_SALUTATION = re.compile(
    r"^(?:尊敬|敬爱|亲爱)的|^(?:各位|局长|领导|老师|您好|你好|市长|书记|Dear|Hi|Hello)[^。！？]{0,12}[:：,，!！。]?$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")


def tidy(text: str) -> str:
    """The text without blanks at line ends and with at most one empty line in a row; nothing else is changed."""
    lines = (line.rstrip(" \t\u3000") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def own_words(text: str) -> str:
    """What stands before the quoted mail and outside of `>` lines; all of it if nothing else is there."""
    quote = _QUOTE_BEGINS.search(text)
    own = text[: quote.start()] if quote else text
    own = "\n".join(line for line in own.split("\n") if not line.startswith(">"))
    return own if own.strip() else text


def first_sentence(text: str, longest: int = 60) -> str | None:
    """The first sentence that is no salutation, cut at `longest` characters; None: there is no text."""
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(text[:2000]) if sentence.strip()]
    spoken = next((sentence for sentence in sentences if not _SALUTATION.match(sentence)), None)
    chosen = spoken or (sentences[0] if sentences else None)
    return chosen if chosen is None or len(chosen) <= longest else f"{chosen[: longest - 1]}…"

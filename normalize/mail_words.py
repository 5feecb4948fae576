"""A mail's text made readable, and the part of it that its sender wrote himself."""

from __future__ import annotations

import re

_QUOTE_BEGINS = re.compile(
    r"^[ \t>]*(?:"
    r"-{2,}\s*(?:原始?邮件|回复的?原?邮件(?:信息)?|转发(?:的)?邮件(?:信息)?|Original\s*(?:Message|Email)|Forwarded\s*message)|"
    r"(?:在|于)\s*\d{4}.{4,120}(?:写道|撰写)[:：]\s*$|"
    r"At \d{4}-.{4,120}(?:写道|wrote)\s*[:：]\s*$|"
    r"On .{6,160} wrote:\s*$|"
    r"(?:发件人|From)\s*[:：].{0,200}\n[ \t>]*(?:发送时间|发送日期|日期|时间|收件人|Sent|Date|To)\s*[:：])",
    re.MULTILINE | re.IGNORECASE,
)
_SALUTATION = re.compile(
    r"^(?:尊敬|敬爱|亲爱)的|"
    r"^(?:各位|局长|领导|老师|您好|你好|市长|书记|Dear|Hi|Hello)[^。！？]{0,12}[:：,，!！。]?$",
    re.IGNORECASE,
)
_EMPTY_LINES = re.compile(r"\n{3,}")
_WIDE_GAP = re.compile(r"[ \t\u3000]{41,}")
_GAP = re.compile(r"[ \t\u3000]{3,}")
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")


def tidy(text: str) -> str:
    """The text without blanks at line ends, with at most one empty line in a row and gaps of at most 40 blanks."""
    lines = (line.rstrip(" \t\u3000") for line in _WIDE_GAP.sub(lambda gap: gap[0][:40], text).split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def own_words(text: str) -> str:
    """What stands before the quoted mail and outside of `>` lines; all of it if nothing else is there."""
    quote = _QUOTE_BEGINS.search(text)
    own = text[: quote.start()] if quote else text
    own = "\n".join(line for line in own.split("\n") if not line.startswith(">"))
    return own if own.strip() else text


def for_recognition(text: str) -> str:
    """The words in which persons and places are looked for: gaps narrowed, a very long text's begin and end."""
    narrowed = _GAP.sub("  ", text)
    return narrowed if len(narrowed) <= 24_000 else f"{narrowed[:20_000]}\n{narrowed[-4_000:]}"


def first_sentence(text: str, longest: int = 60) -> str | None:
    """The first sentence that is no salutation, cut at `longest` characters; None: there is no text."""
    sentences = [sentence.strip() for sentence in _SENTENCE_END.split(text[:2000]) if sentence.strip()]
    spoken = next((sentence for sentence in sentences if not _SALUTATION.match(sentence)), None)
    chosen = spoken or (sentences[0] if sentences else None)
    return chosen if chosen is None or len(chosen) <= longest else f"{chosen[: longest - 1]}…"

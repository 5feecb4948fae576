"""A mail's text made readable."""

from __future__ import annotations

import re

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

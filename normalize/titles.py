"""A title for a matter whose source gives none."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[。！？!?；;])|\n")
_SALUTATION = re.compile(
    r"^(?:尊敬的|敬爱的|亲爱的)?[\u4e00-\u9fff]{0,12}(?:局长|领导|主任|同志|老师|教育局|您好|你好|各位)[\u4e00-\u9fff]{0,4}[:：,，!！。]?$"
)


def first_sentence(text: str, longest: int = 50) -> str:
    """The first sentence that is not a greeting, cut at `longest` characters with an ellipsis."""
    sentences = [" ".join(part.split()) for part in _END.split(text) if part.strip()]
    told = next((one for one in sentences if not _SALUTATION.match(one)), sentences[0] if sentences else "")
    return told if len(told) <= longest else told[: longest - 1] + "…"

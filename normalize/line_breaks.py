"""Whether what one line says goes on in the next."""

from __future__ import annotations

import re

from normalize.dates import full_date, is_closing_date
from normalize.people import phones
from normalize.surnames import is_person_name

_ENDED = re.compile(r"[。！？!?…：:；;”」]$")
_LABELLED = re.compile(r"^[\u4e00-\u9fff \u3000]{2,10}[：:]")
_NUMBER_ALONE = re.compile(r"[\d\s()（）+—转-]{7,26}")
_IDENTITY = re.compile(r"\d{17}[\dXx]")
_ADDRESS_LABEL = re.compile(r"^[\u4e00-\u9fff \u3000]{0,4}(?:[住地]\s*址|住所)\s*[：:]")
_ADDRESS_TAIL = re.compile(r"[\u4e00-\u9fffA-Za-z0-9-]{1,20}(?:号楼?|[室幢栋楼户组弄村苑园]|单元|小区)\d{0,4}[室号]?")
_CLOSING = re.compile(r"(?:此\s*致|敬\s*礼|致\s*敬|此致\s*敬礼|盼复)[！!。]?")
LONGEST_VALUE, _LONGEST_REST = 40, 24
"""Characters: of a value under a label, and of the line in which one ends."""


def goes_on(before: str, filled: float, after: str) -> bool:
    """Whether a paragraph whose last line filled so much of its measure goes on in a line that is not indented."""
    labelled = _LABELLED.match(before)
    if _LABELLED.match(after) and (_ENDED.search(before) or labelled):
        return False
    if (
        is_closing_date(after)
        or _CLOSING.fullmatch(after.strip())
        or (labelled and _is_told(before[labelled.end() :], after))
    ):
        return False
    if before[-1:].isdigit() and after[:1].isdigit():
        return filled >= 0.95 and full_date(after) is None  # a number broken over two lines
    if filled < 0.75 and value_goes_on(before, filled, after):
        return True
    return filled >= (1.0 if _ENDED.search(before) else 0.75)


def value_goes_on(before: str, filled: float, after: str) -> bool:
    """Whether a line goes on with a labelled value (住址：…) that the line before it breaks off, wherever it begins."""
    labelled = _LABELLED.match(before)
    if labelled is None or _begins_anew(after) or _is_told(before[labelled.end() :], after):
        return False
    if before.rstrip().endswith(("、", "，", ",")):
        return True
    return bool(_ADDRESS_LABEL.match(before)) and (filled >= 0.75 or _ADDRESS_TAIL.fullmatch(after.strip()) is not None)


def _is_told(value: str, after: str) -> bool:
    """Whether a labelled value is whole: a telephone or identity number, or one with a name or a date under it."""
    value = value.strip()
    if _IDENTITY.fullmatch(value) or (_NUMBER_ALONE.fullmatch(value) and phones(value, field=True)):
        return True
    if len(value) > LONGEST_VALUE:
        return False  # words under a label such as 诉求：
    goes_on_listing = value.endswith(("、", "，", ","))
    return full_date(after) is not None or (is_person_name(after.strip()) and not goes_on_listing)


def _begins_anew(line: str) -> bool:
    """Whether a line is a label, a date, a closing phrase or a sentence, and so continues no value."""
    words = line.strip()
    return bool(
        _LABELLED.match(words)
        or is_closing_date(words)
        or _CLOSING.fullmatch(words)
        or len(words) > _LONGEST_REST
        or words.endswith(("。", "！", "？"))
    )

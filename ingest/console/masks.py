"""Personal data as lists show it: enough to recognise, too little to use."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MOBILE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_IDENTITY = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")


def name(value: str) -> str:
    """张三 → 张**: the first character stays, the length does not show."""
    return value[:1] + "**"


def phone(value: str) -> str:
    """13812341234 → 138****1234; a short number keeps its last two digits."""
    if len(value) < 8:
        return "*" * max(len(value) - 2, 0) + value[-2:]
    return value[:3] + "*" * (len(value) - 7) + value[-4:]


def id_no(value: str) -> str:
    """32040219900101123X → 3204**********123X; anything short is hidden whole."""
    if len(value) < 12:
        return "*" * len(value)
    return value[:4] + "*" * (len(value) - 8) + value[-4:]


def text(value: str, names: Iterable[str] = ()) -> str:
    """A title with the numbers and the given names in it masked."""
    value = _IDENTITY.sub(lambda match: id_no(match[0]), value)
    value = _MOBILE.sub(lambda match: phone(match[0]), value)
    for each in names:
        if len(each) > 1:
            value = value.replace(each, name(each))
    return value

"""Telephone numbers in running text and in telephone fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from normalize.hinted import Hinted

_WIDE = dict(zip("０１２３４５６７８９（）＋－—–‐．　：Ｘｘ", "0123456789()+----. :Xx", strict=True))
_WIDE_MARK = re.compile(f"[{''.join(_WIDE)}]")
_MISREAD = str.maketrans("|lIｌＩOoＯqSB", "11111000958")
_HAN_DIGITS = str.maketrans("〇零○一二三四五六七八九", "000123456789")

_TWO = r"(1[3-9]\d{9})(1[3-9]\d{9})"
_MOBILE = r"(?:(?:\+|00)?86[\s-]*)?(1[3-9]\d(?:[ .-]?\d{4}){2})"
_TRUNK = r"(?:(?:\+|00)?86\)?[\s-]*)?\(?0|(?:(?:\+|00)86\)?[\s-]*|86\)?[\s-]+)\(?(?:0\))?"
"""What stands before an area code: 0, or from abroad +86 without it."""
_LANDLINE = rf"(?:{_TRUNK})(10|2\d|[3-9]\d{{2}})\)?[\s-]*([2-8]\d{{3}}[ -]?\d{{3,4}})"
_SERVICE = r"([48]00)[ -]?(\d(?:[ -]?\d){6})"
_EXTENSION = r"(?:\s*(?:转|分机|ext\.?|-)\s*:?\s*(\d{1,6}))?"
_PHONE = Hinted(
    r"+(0148", rf"(?<![\dA-Za-z.-])(?:{_TWO}|{_MOBILE}|{_LANDLINE}{_EXTENSION}|{_SERVICE})(?![\d])", re.IGNORECASE
)
_LOCAL = re.compile(r"(?<![\d-])([2-8]\d{3}[ -]?\d{3,4})(?![\d-])")
_SPREAD = re.compile(r"(?<![\d.-])(1(?:[ .-]{0,2}\d){10})(?![\d])")
_HAN_RUN = re.compile(r"[〇零○一二三四五六七八九]{7,12}")
_HAN_MOBILE = re.compile(
    r"(?<![〇零○一二三四五六七八九十百])一[三四五六七八九][〇零○一二三四五六七八九]{9}(?![〇零○一二三四五六七八九十百])"
)
_MISREAD_RUN = re.compile(r"[\d|lIOoqSB][\d|lIOoqSB -]{5,16}[\d|lIOoqSB]")

# A quick look whether there can be a number at all.
_ANY = Hinted(r"\d〇零○一二三四五六七八九", r"\d[\d \t()（）.．\-－—–‐|lIOoqSB]{5}|[〇零○一二三四五六七八九]{7}")

LABEL = r"(?:电 {0,2}话|手 {0,2}机|联系方式|联系号码|座机|固话|(?<![a-z])(?:tel|phone|mobile)(?![a-z]))"
_LABELLED = Hinted(
    "电手联座固tpm",
    rf"{LABEL}(?:号码?)?(?:\([^()\n]{{0,6}}\))?[ \t]*[:是为]?[ \t]*"
    r"(?P<value>[\d|lIOoqSB()+〇零○一二三四五六七八九]"
    r"(?:[\d|lIOoqSB()+.\- /、,，;；〇零○一二三四五六七八九]|转|分机|或|和|及){6,80})",
    re.IGNORECASE,
)
_FAX = re.compile(r"(?:传 {0,2}真|fax)(?:号码?)?[ \t]*[:是为]?[ \t]*[+(]?\d[\d() -]{5,18}", re.IGNORECASE)


@dataclass(frozen=True)
class FoundPhone:
    """A telephone number and where it is written."""

    start: int
    end: int
    number: str
    labelled: bool
    """Whether 电话 or the like stands before it."""


def phones(text: str, *, field: bool = False) -> tuple[str, ...]:
    """The telephone numbers in a text, in order, each once; numbers of fax machines are left out.

    Mobile as eleven digits, landline as `0519-81234567` (extension: `0519-81234567-801`), service numbers as
    `4001234567`. After 电话 and the like, or with `field` everywhere, seven or eight bare digits are a local number,
    digits may stand apart or in Chinese, and letters read for digits (O, l, |, q, S, B) are corrected.
    """
    return tuple(dict.fromkeys(each.number for each in found_phones(text, field=field)))


def found_phones(text: str, *, field: bool = False) -> list[FoundPhone]:
    """As `phones`, with the places: each number as often as it is written."""
    if not _ANY.search(text):
        return []
    words = _FAX.sub(_blanked, narrowed(text))
    if field:
        return sorted(_in_field(words, 0), key=_place)
    found: list[FoundPhone] = []
    rest = words
    for label in _LABELLED.finditer(words):
        start, end = label.span("value")
        if inside := list(_in_field(label["value"], start)):
            found += inside
            rest = f"{rest[:start]}{'#' * (end - start)}{rest[end:]}"
    found += _matches(_HAN_MOBILE.sub(lambda run: run[0].translate(_HAN_DIGITS), rest), 0, labelled=False)
    return sorted(found, key=_place)


def narrowed(text: str) -> str:
    """Digits and marks of full width as their plain ones; every character keeps its place."""
    return _WIDE_MARK.sub(lambda mark: _WIDE[mark[0]], text)


def is_doubtful(value: str) -> bool:
    """Whether a telephone field's value is meant as a number that cannot be read as one."""
    return sum(character.isdecimal() for character in value) >= 5 and not phones(value, field=True)


def _in_field(value: str, offset: int) -> Iterator[FoundPhone]:
    words = _MISREAD_RUN.sub(_repaired, _HAN_RUN.sub(lambda run: run[0].translate(_HAN_DIGITS), value))
    yield from _matches(words, offset, labelled=True)
    for pattern in (_SPREAD, _LOCAL):
        words = _PHONE.pattern.sub(_blanked, words)
        for match in pattern.finditer(words):
            yield FoundPhone(offset + match.start(), offset + match.end(), _bare(match[1]), labelled=True)
        words = pattern.sub(_blanked, words)


def _matches(words: str, offset: int, *, labelled: bool) -> Iterator[FoundPhone]:
    for match in _PHONE.finditer(words):
        for number in _numbers(match):
            yield FoundPhone(offset + match.start(), offset + match.end(), number, labelled)


def _numbers(match: re.Match[str]) -> tuple[str, ...]:
    first, second, mobile, area, local, extension, service, rest = match.groups()
    if first:
        return first, second
    if mobile:
        return (_bare(mobile),)
    if service:
        return (_bare(service + rest),)
    return (f"0{area}-{_bare(local)}" + (f"-{extension}" if extension else ""),)


def _repaired(run: re.Match[str]) -> str:
    digits = sum(character.isdecimal() for character in run[0])
    return run[0].translate(_MISREAD) if digits >= 5 else run[0]


def _blanked(match: re.Match[str]) -> str:
    return "#" * len(match[0])


def _bare(number: str) -> str:
    return re.sub(r"[^\d]", "", number)


def _place(found: FoundPhone) -> int:
    return found.start

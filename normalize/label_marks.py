"""Where labels stand in a text: before a colon, in brackets, or filling a table's cell."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

_COLON = re.compile(r"[:：]")
_MARKING = re.compile(r"[:：【\[\t]")
_BRACKETED = re.compile(
    r"(?:^[ \t　]*(?:\d{1,2}[.、][ ]?)?|(?<=\S))[【\[]([^【】\[\]\n:：]{2,14})[】\]](?![ \t　]{0,9}[:：])[ \t　]*",
    re.MULTILINE,
)
_CELL = re.compile(r"(?:^|(?<=\t))[ 　]*([^\t\n]{2,16}?)[ 　:：]*\t[ 　]*", re.MULTILINE)
_GAPS = re.compile(r"[ \u3000*]")
_AROUND = "【】[]()（）*■●◆· \t\u3000"
_BEFORE = " \t\u3000,，;；|。"
_NUMBERED = re.compile(r"^\d{1,2}[.、)）]\s*|^[一二三四五六七八九十]{1,2}、\s*")
_LONGEST = 24
_FIRST, _LAST = 1_000, 200
_UNKNOWN = re.compile(r"[\u4e00-\u9fffA-Za-z/（）()]{2,10}")


@dataclass(frozen=True)
class Mark:
    """A label: the field it names (None: a word not known), its own words, where it starts and its value does."""

    field: str | None
    words: str
    start: int
    end: int
    cell: bool = False
    """It fills a table's cell: its value stands in the next one."""


def key_of(label: str) -> str:
    return _GAPS.sub("", label).lower()


def marks(text: str, fields: Mapping[str, str]) -> list[Mark]:
    """The labels of a text in order: known words at a line's start or after a gap, unknown ones at a line's start."""
    if not _MARKING.search(text):
        return []
    found = {mark.start: mark for mark in _in_cells(text, fields)}
    found |= {mark.start: mark for mark in _in_brackets(text, fields)}
    found |= {mark.start: mark for mark in _before_colons(text, fields)}
    return [found[start] for start in sorted(found)]


def _before_colons(text: str, fields: Mapping[str, str]) -> Iterator[Mark]:
    taken = 0
    for colon in _outer(_COLON.finditer(text)):
        window = max(taken, colon.start() - _LONGEST)
        newline = text.rfind("\n", window, colon.start())
        line = newline + 1 if newline >= 0 else window
        begins = newline >= 0 or line == 0 or text[line - 1] == "\n"
        mark = _known(text, line, begins, colon.start(), fields)
        if mark is None and begins:
            mark = _unknown(text, line, colon.start())
        if mark:
            end = colon.end()
            while end < len(text) and text[end] in " \t\u3000":
                end += 1
            taken = end
            yield Mark(mark.field, mark.words, mark.start, end)


def _outer(found: Iterator[re.Match[str]]) -> list[re.Match[str]]:
    """The first and the last of very many: no form has as many labels."""
    first = list(islice(found, _FIRST))
    return [*first, *deque(found, maxlen=_LAST)]


def _known(text: str, line: int, begins: bool, colon: int, fields: Mapping[str, str]) -> Mark | None:
    """The longest known label that ends before a colon; it begins the line or stands after a gap."""
    for start in range(line, colon - 1):
        if not (start == line and begins) and text[start - 1] not in _BEFORE:
            continue
        words = key_of(_NUMBERED.sub("", text[start:colon].strip(_AROUND)))
        if field := fields.get(words):
            return Mark(field, words, start, colon)
    return None


def _unknown(text: str, line: int, colon: int) -> Mark | None:
    words = key_of(_NUMBERED.sub("", text[line:colon].strip(_AROUND)))
    if text[colon + 1 : colon + 3] == "//" or not _UNKNOWN.fullmatch(words):
        return None
    return Mark(None, words, line, colon)


def _in_brackets(text: str, fields: Mapping[str, str]) -> Iterator[Mark]:
    for found in _outer(_BRACKETED.finditer(text)) if "【" in text or "[" in text else ():
        words = key_of(found[1])
        if words in fields:
            yield Mark(fields[words], words, found.start(), found.end())


def _in_cells(text: str, fields: Mapping[str, str]) -> Iterator[Mark]:
    if "\t" not in text:
        return
    for found in _outer(_CELL.finditer(text)):
        words = key_of(found[1])
        if words in fields:
            yield Mark(fields[words], words, found.start(), found.end(), cell=True)

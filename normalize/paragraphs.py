"""Lines of a page put together to the paragraphs their writer wrote, by where they begin and end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from normalize.line_breaks import LONGEST_VALUE, goes_on, value_goes_on
from normalize.margins import margins
from normalize.salutation import is_salutation_line, opens_formally
from normalize.scan import Line, Page

# What is printed on writing paper: its name, and the number of the page.
_FURNITURE = re.compile(
    r".{0,16}(?:[信稿便]\s*[纸笺])|[-—·\s]*(?:共\s*\d{0,3}\s*页)?\s*第\s*[\d一二三四五六七八九十]{0,3}\s*页"
    r"\s*[,，/]?\s*(?:共\s*\d{0,3}\s*页)?[-—·\s]*|[-—]\s*\d{1,3}\s*[-—]"
)
_TOP = 5
"""Within so many lines a letter greets."""
_END, _LABEL = 200, 12
"""Characters: what is looked at of a long paragraph on either side, and the longest label with its colon."""


@dataclass(frozen=True)
class _Row:
    """A line along its own direction of writing: where it begins and ends, and how large its characters are."""

    text: str
    begin: int
    end: int
    size: int


@dataclass
class _Paragraph:
    """A paragraph as it grows."""

    pieces: list[str]
    seen: str
    """What of it decides whether it goes on: all of it, or where it is long its two ends."""

    def add(self, line: str) -> None:
        glued = f" {line}" if _both_latin(self.seen, line) else line
        self.pieces.append(glued)
        self.seen = _ends(self.seen + glued)


def paragraphs(pages: Sequence[Page]) -> list[str]:
    """The paragraphs of a letter over all its pages.

    A line goes on in the next when it reaches the margin, or nearly does in the middle of a sentence, and the next
    one is not indented. What stands on lines of its own (heading, salutation, signature) stays so. What is printed on
    the paper (its name, page numbers) is left out.
    """
    found: list[_Paragraph] = []
    filled = 0.0
    greeted = False
    for page in pages:
        rows = [_row(line) for line in _written(page.lines)]
        for row, (begin, end) in zip(rows, margins([(row.begin, row.end) for row in rows]), strict=True):
            indented = row.begin > begin + 1.2 * row.size
            greets = len(found) < _TOP and _greets(row.text, [one.seen for one in found])
            if found and not (greeted or greets) and _joins(found[-1].seen, filled, row.text, indented=indented):
                found[-1].add(row.text)
            else:
                found.append(_Paragraph([row.text], _ends(row.text)))
            reach = end - 2.5 * row.size - begin
            filled = (row.end - begin) / reach if reach > 0 else 0.0
            greeted = greets and is_salutation_line(row.text)
    return ["".join(one.pieces) for one in found]


def _joins(before: str, filled: float, after: str, *, indented: bool) -> bool:
    return goes_on(before, filled, after) if not indented else value_goes_on(before, filled, after)


def _greets(line: str, above: Sequence[str]) -> bool:
    """Whether a line is the salutation, with which nothing above it goes on; plain words above may end in an office."""
    if opens_formally(line):
        return True
    return is_salutation_line(line) and not any(len(text) > 60 or re.search("[。；;]", text) for text in above)


def _written(lines: Sequence[Line]) -> list[Line]:
    """The lines without what is printed at the page's upper and lower edge."""
    edge = (*range(2), *range(len(lines) - 2, len(lines)))
    return [line for at, line in enumerate(lines) if at not in edge or not _FURNITURE.fullmatch(line.text.strip())]


def _row(line: Line) -> _Row:
    left, top, right, bottom = line.box
    if line.vertical:
        return _Row(line.text, top, bottom, right - left)
    return _Row(line.text, left, right, bottom - top)


def _ends(text: str) -> str:
    """A text without its middle, where that is certain to be in no label, to end no value and to leave one long."""
    head, tail = text[:_END], text[-_END:]
    told = len(text) > 2 * _END and len(head[_LABEL:].strip()) > LONGEST_VALUE and tail.strip()
    return head + tail if told else text


def _both_latin(before: str, after: str) -> bool:
    return before[-1:].isascii() and after[:1].isascii() and before[-1:].isalpha() and after[:1].isalpha()

"""Lines of a page put together to the paragraphs their writer wrote, by where they begin and end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from normalize.line_breaks import goes_on, value_goes_on
from normalize.salutation import is_salutation_line, opens_formally
from normalize.scan import Line, Page

# What is printed on writing paper: its name, and the number of the page.
_FURNITURE = re.compile(
    r".{0,16}(?:[信稿便]\s*[纸笺])|[-—·\s]*(?:共\s*\d{0,3}\s*页)?\s*第\s*[\d一二三四五六七八九十]{0,3}\s*页"
    r"\s*[,，/]?\s*(?:共\s*\d{0,3}\s*页)?[-—·\s]*|[-—]\s*\d{1,3}\s*[-—]"
)
_TOP = 5
"""Within so many lines a letter greets."""


@dataclass(frozen=True)
class _Row:
    """A line along its own direction of writing: where it begins and ends, and how large its characters are."""

    text: str
    begin: int
    end: int
    size: int


def paragraphs(pages: Sequence[Page]) -> list[str]:
    """The paragraphs of a letter over all its pages.

    A line goes on in the next when it reaches the margin, or nearly does in the middle of a sentence, and the next
    one is not indented. What stands on lines of its own (heading, salutation, signature) stays so. What is printed on
    the paper (its name, page numbers) is left out.
    """
    texts: list[str] = []
    filled = 0.0
    greeted = False
    for page in pages:
        rows = [_row(line) for line in _written(page.lines)]
        for row in rows:
            begin, end = _margins(row, rows)
            indented = row.begin > begin + 1.2 * row.size
            greets = len(texts) < _TOP and _greets(row.text, texts)
            if texts and not (greeted or greets) and _joins(texts[-1], filled, row.text, indented=indented):
                texts[-1] = _glued(texts[-1], row.text)
            else:
                texts.append(row.text)
            reach = end - 2.5 * row.size - begin
            filled = (row.end - begin) / reach if reach > 0 else 0.0
            greeted = greets and is_salutation_line(row.text)
    return texts


def _joins(before: str, filled: float, after: str, *, indented: bool) -> bool:
    return goes_on(before, filled, after) if not indented else value_goes_on(before, filled, after)


def _greets(line: str, above: Sequence[str]) -> bool:
    """Whether a line is the salutation, with which nothing above it goes on; plain words above may end in an office."""
    if opens_formally(line):
        return True
    return is_salutation_line(line) and not any(re.search("[。；;]", text) or len(text) > 60 for text in above)


def _written(lines: Sequence[Line]) -> list[Line]:
    """The lines without what is printed at the page's upper and lower edge."""
    edge = (*range(2), *range(len(lines) - 2, len(lines)))
    return [line for at, line in enumerate(lines) if at not in edge or not _FURNITURE.fullmatch(line.text.strip())]


def _row(line: Line) -> _Row:
    left, top, right, bottom = line.box
    if line.vertical:
        return _Row(line.text, top, bottom, right - left)
    return _Row(line.text, left, right, bottom - top)


def _margins(row: _Row, rows: Sequence[_Row]) -> tuple[int, int]:
    """Where the lines of this one's column begin and end."""
    column = [other for other in rows if min(row.end, other.end) > max(row.begin, other.begin)] or [row]
    begins, ends = sorted(other.begin for other in column), sorted(other.end for other in column)
    # One line sticking out, such as a page number or a stamp, does not move the margin.
    out = len(column) // 10
    return begins[out], ends[len(ends) - 1 - out]


def _glued(before: str, after: str) -> str:
    both_latin = before[-1:].isascii() and after[:1].isascii() and before[-1:].isalpha() and after[:1].isalpha()
    return f"{before} {after}" if both_latin else before + after

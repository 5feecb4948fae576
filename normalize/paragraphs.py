"""Lines of a page put together to the paragraphs their writer wrote, by where they begin and end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from normalize.scan import Line, Page

_ENDED = re.compile(r"[。！？!?…：:；;”」]$")
_LABELLED = re.compile(r"^[\u4e00-\u9fff ]{2,8}[：:]")


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
    one is not indented. What stands on lines of its own (heading, salutation, signature) stays so.
    """
    texts: list[str] = []
    filled = 0.0
    for page in pages:
        rows = [_row(line) for line in page.lines]
        for row in rows:
            begin, end = _margins(row, rows)
            indented = row.begin > begin + 1.2 * row.size
            if texts and not indented and _goes_on(texts[-1], filled, row.text):
                texts[-1] = _glued(texts[-1], row.text)
            else:
                texts.append(row.text)
            reach = end - 2.5 * row.size - begin
            filled = (row.end - begin) / reach if reach > 0 else 0.0
    return texts


def _goes_on(before: str, filled: float, after: str) -> bool:
    """Whether a paragraph whose last line filled so much of its measure goes on in a line that is not indented."""
    if _LABELLED.match(after) and (_ENDED.search(before) or _LABELLED.match(before)):
        return False
    if len(after) <= 20 and after.endswith(("：", ":")) and not re.search("[，。,；]", before):
        return False  # a heading, and the salutation under it
    if before[-1:].isdigit() and after[:1].isdigit():
        return filled > 0.5  # a number broken over two lines
    return filled >= (1.0 if _ENDED.search(before) else 0.75)


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

"""Scans as plain data, set by hand: characters of one size on a page of one width."""

from __future__ import annotations

from collections.abc import Sequence

from normalize.scan import Line, Page, Scan, mean_confidence

SIZE = 40
LEFT, RIGHT = 100, 1140
"""Twenty-six characters a line."""


def page(number: int, text: str, *, method: str = "ocr", barcodes: Sequence[str] = (), sure: float = 0.99) -> Page:
    """A page with the lines of `text`: full-width blanks indent, `>` sets to the right, `?` marks an unsure one."""
    lines = tuple(_line(row, words, sure) for row, words in enumerate(text.strip("\n").splitlines()) if words)
    return Page(
        number, method, lines, mean_confidence(lines), 1240, 1754, tuple(barcodes), blank=not (lines or barcodes)
    )


def scan(*pages: Page) -> Scan:
    return Scan("application/pdf", pages)


def _line(row: int, words: str, sure: float) -> Line:
    unsure, to_the_right = words.startswith("?"), words.startswith(">")
    words = words.lstrip("?>")
    text = words.lstrip("　")
    left = LEFT + SIZE * (len(words) - len(text))
    if to_the_right:
        left = RIGHT - SIZE * len(text)
    top = 100 + 60 * row
    return Line(text, 0.7 if unsure else sure, (left, top, left + SIZE * len(text), top + SIZE))

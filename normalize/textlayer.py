"""The text a born-digital PDF page carries itself, when it is there and sane."""

from __future__ import annotations

import sys
import unicodedata
from itertools import pairwise
from typing import TypeAlias

import pypdfium2 as pdfium

TextLine: TypeAlias = "tuple[str, tuple[int, int, int, int]]"

_ENOUGH = 10
"""Characters a page must carry before its text is taken for its content and not for a stamped page number."""


def text_layer(page: pdfium.PdfPage, dpi: int, most: int = sys.maxsize) -> tuple[TextLine, ...]:
    """The page's lines in the order the file gives them, boxes in pixels at `dpi`; nothing when there is no sane text.
    Of a page with more characters than `most`, so many.

    Changes the page object: its rotation is set to 0, since pdfium scrambles the lines of a turned page.
    """
    turned = page.get_rotation()
    page.set_rotation(0)
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_range(count=min(text_page.count_chars(), most))
        return tuple(_lines(text_page, text, page.get_height(), dpi / 72)) if is_sane(text) else ()
    finally:
        text_page.close()
        page.set_rotation(turned)


def is_sane(text: str) -> bool:
    """Whether this is writing: enough of it, Chinese among it, hardly a character from a font without an alphabet."""
    characters = [c for c in text if not c.isspace()]
    if len(characters) < _ENOUGH:
        return False
    chinese = sum(1 for c in characters if _is_han(c))
    broken = sum(1 for c in characters if unicodedata.category(c) in ("Co", "Cn", "Cc") or c == "\ufffd")
    return chinese >= 0.3 * len(characters) and broken <= 0.02 * len(characters)


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or character >= "\U00020000"


def _lines(text_page: pdfium.PdfTextPage, text: str, height: float, scale: float) -> list[TextLine]:
    lines: list[TextLine] = []
    breaks = [-1, *(i for i, c in enumerate(text) if c == "\n"), len(text)]
    for before, end in pairwise(breaks):
        line = text[before + 1 : end].rstrip("\r")
        if line.strip():
            lines.append((line.strip(), _box(text_page, before + 1, len(line), height, scale)))
    return lines


def _box(
    text_page: pdfium.PdfTextPage, start: int, count: int, height: float, scale: float
) -> tuple[int, int, int, int]:
    boxes = [text_page.get_charbox(i) for i in range(start, start + count)]
    inked = [box for box in boxes if box[2] > box[0]] or boxes
    left, bottom = min(b[0] for b in inked), min(b[1] for b in inked)
    right, top = max(b[2] for b in inked), max(b[3] for b in inked)
    return round(left * scale), round((height - top) * scale), round(right * scale), round((height - bottom) * scale)

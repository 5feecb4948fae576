"""What the sheets are set in: all of GB 18030's first plane and of the 通用规范汉字表, embedded by glyph."""

from __future__ import annotations

import io
import lzma
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfbase.ttfonts import TTFont

HERE = Path(__file__).parent / "fonts"
COMMON, RARE = "Xinqiao Sheet Common", "Xinqiao Sheet Rare"
MISSING = "〓"
"""What printers set for a character they have not."""


def runs(text: str) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with the font it is set in."""
    drawable = "".join(one if font_of(one) else MISSING for one in text)
    for font, piece in groupby(drawable, key=lambda one: font_of(one) or COMMON):
        yield font, "".join(piece)


def width(text: str, size: float) -> float:
    return sum(_widths(font_of(one) or COMMON).get(ord(one), 1000) for one in text) * size / 1000


@cache
def font_of(character: str) -> str | None:
    """The font that has it; the second is opened only for a character the first has not."""
    return next((name for name in (COMMON, RARE) if ord(character) in _widths(name)), None)


@cache
def _widths(name: str) -> dict[int, float]:
    packed = HERE / ("common.ttf.xz" if name == COMMON else "rare.ttf.xz")
    font = TTFont(name, io.BytesIO(lzma.decompress(packed.read_bytes())))
    pdfmetrics.registerFont(font)
    face = font.face
    return {code: face.charWidths[code] for code in face.charToGlyph}


def _to_unicode(name: str, subset: Sequence[int]) -> str:
    """As reportlab's own, which writes characters beyond the first plane so that they are read as others."""
    pairs = [(place, chr(code).encode("utf-16-be", "surrogatepass").hex()) for place, code in enumerate(subset)]
    blocks = [
        "\n".join([f"{len(some)} beginbfchar", *(f"<{place:02X}> <{said}>" for place, said in some), "endbfchar"])
        for some in (pairs[start : start + 100] for start in range(0, len(pairs), 100))
    ]
    return "\n".join([
        "/CIDInit /ProcSet findresource begin", "12 dict begin", "begincmap",
        f"/CIDSystemInfo << /Registry ({name}) /Ordering ({name}) /Supplement 0 >> def",
        f"/CMapName /{name} def", "/CMapType 2 def",
        "1 begincodespacerange", f"<00> <{len(subset) - 1:02X}>", "endcodespacerange",
        *blocks,
        "endcmap", "CMapName currentdict /CMap defineresource pop", "end", "end",
    ])  # fmt: skip


ttfonts.makeToUnicodeCMap = _to_unicode

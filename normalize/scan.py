"""What was read off a scan: pages of lines, as plain data that crosses a process border as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from adapters.base import Json

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the page as it is read (upright)."""


@dataclass(frozen=True)
class Line:
    """One line of writing; `vertical` when its characters run downwards."""

    text: str
    confidence: float
    box: Box
    vertical: bool = False


@dataclass(frozen=True)
class Page:
    """One page in reading order. `method` is `ocr` or `text_layer`; `turned`: degrees it lay turned clockwise."""

    number: int
    method: str
    lines: tuple[Line, ...]
    confidence: float | None
    """The mean over its characters; None when nothing was read."""
    width: int
    height: int
    barcodes: tuple[str, ...] = ()
    blank: bool = False
    turned: int = 0
    unread: bool = False
    """There is ink like writing that no line covers."""


@dataclass(frozen=True)
class Scan:
    """One scanned file."""

    media_type: str
    pages: tuple[Page, ...]

    def to_json(self) -> dict[str, Json]:
        """Plain JSON; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scan:
        """Read what `to_json` wrote; raises KeyError or TypeError when it is something else."""
        return cls(media_type=str(data["media_type"]), pages=tuple(_page(page) for page in data["pages"]))


def mean_confidence(lines: tuple[Line, ...]) -> float | None:
    """The mean confidence of the lines, each weighted by its characters; None without any."""
    characters = sum(len(line.text) for line in lines)
    if not characters:
        return None
    return round(sum(line.confidence * len(line.text) for line in lines) / characters, 4)


def _page(data: Mapping[str, Any]) -> Page:
    return Page(
        number=data["number"],
        method=data["method"],
        lines=tuple(_line(line) for line in data["lines"]),
        confidence=data["confidence"],
        width=data["width"],
        height=data["height"],
        barcodes=tuple(data["barcodes"]),
        blank=data["blank"],
        turned=data["turned"],
        unread=data["unread"],
    )


def _line(data: Mapping[str, Any]) -> Line:
    left, top, right, bottom = data["box"]
    return Line(data["text"], data["confidence"], (left, top, right, bottom), data["vertical"])

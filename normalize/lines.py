"""The order in which a person reads the lines of a page: columns, rows, and vertical writing from right to left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from normalize.scan import Box, Line

_NARROW_MARK = re.compile(r"(?<=[\u4e00-\u9fff》”）])[:;,?!]")
_WIDE = str.maketrans(":;,?!", "：；，？！")
_UPRIGHT = str.maketrans({"'": "，", "’": "，", "‘": "，", "`": "，", "°": "。", "º": "。"})
"""The engine takes the comma and full stop of vertical writing, set in the cell's corner, for these."""


def in_reading_order(found: Iterable[tuple[str, float, Box]]) -> tuple[Line, ...]:
    """Put what was found on a page in the order it is read, pieces of one row or one vertical column joined.

    A page is vertical when most of its writing runs downwards. Horizontal pages are cut into columns only where a
    gutter is clear of writing over several rows, so that a form's two fields on one row stay on one row.
    """
    pieces = [Line(_wide_marks(text), confidence, box) for text, confidence, box in found if text.strip()]
    if not pieces:
        return ()
    if _is_vertical(pieces):
        return tuple(_vertical(_join_runs([_turn(piece) for piece in pieces])))
    return tuple(line for block in _blocks(pieces) for line in _rows(block))


def _wide_marks(text: str) -> str:
    """After a Chinese character a mark is a Chinese one, whichever of the two alike the engine took it for."""
    return _NARROW_MARK.sub(lambda mark: mark[0].translate(_WIDE), text)


def _is_vertical(pieces: Sequence[Line]) -> bool:
    tall = sum(len(p.text) for p in pieces if len(p.text) > 1 and _height(p) > 1.5 * _width(p))
    return 2 * tall > sum(len(p.text) for p in pieces)


# Vertical writing is horizontal writing turned: x' runs down the page, y' from its right edge to the left.


def _turn(piece: Line) -> Line:
    left, top, right, bottom = piece.box
    return replace(piece, box=(top, -right, bottom, -left), vertical=True)


def _turn_back(line: Line) -> Line:
    left, top, right, bottom = line.box
    return replace(line, box=(-bottom, left, -top, right), text=line.text.translate(_UPRIGHT))


def _join_runs(turned: list[Line]) -> list[Line]:
    return [line for block in _blocks(turned) for line in _rows(block)]


def _vertical(lines: Iterable[Line]) -> list[Line]:
    return [_turn_back(line) for line in lines]


def _blocks(pieces: list[Line]) -> list[list[Line]]:
    """Cut along the widest clear gutters, first across (a heading over columns), then down, again and again."""
    gutter = _gutter(pieces)
    if gutter is None:
        above, below = _split_off_heading(pieces)
        return [above, *_blocks(below)] if above else [pieces]
    left = [p for p in pieces if p.box[2] <= gutter]
    right = [p for p in pieces if p.box[0] >= gutter]
    return [*_blocks(left), *_blocks(right)]


def _gutter(pieces: Sequence[Line]) -> float | None:
    """The middle of the widest upright strip free of writing, with at least three full rows on either side."""
    best, widest = None, 0.6 * _typical_height(pieces)
    reach = float("-inf")
    for piece in sorted(pieces, key=lambda p: p.box[0]):
        gap = piece.box[0] - reach
        if gap > widest and _two_columns(pieces, middle := (piece.box[0] + reach) / 2):
            best, widest = middle, gap
        reach = max(reach, piece.box[2])
    return best


def _two_columns(pieces: Sequence[Line], middle: float) -> bool:
    left = [p for p in pieces if p.box[2] <= middle]
    right = [p for p in pieces if p.box[0] >= middle]
    return _is_column(left) and _is_column(right)


def _is_column(pieces: Sequence[Line]) -> bool:
    """Text set in a column fills its width line after line; labels and page furniture do not."""
    if len(pieces) < 3:
        return False
    width = max(p.box[2] for p in pieces) - min(p.box[0] for p in pieces)
    full = sum(1 for p in pieces if _width(p) > 0.7 * width and _width(p) > 4 * _height(p))
    return full >= 3


def _split_off_heading(pieces: list[Line]) -> tuple[list[Line], list[Line]]:
    """What stands above the first two-column part of the page, or nothing when there is none."""
    ordered = sorted(pieces, key=lambda p: p.box[1])
    for start in range(1, min(len(ordered) - 5, 12)):
        if _gutter(ordered[start:]) is not None and _clear_across(ordered[:start], ordered[start:]):
            return ordered[:start], ordered[start:]
    return [], pieces


def _clear_across(above: Sequence[Line], below: Sequence[Line]) -> bool:
    return max(_middle(p) for p in above) < min(p.box[1] for p in below)


def _rows(block: Sequence[Line]) -> list[Line]:
    """Pieces whose middles lie on one row become one line, left to right; rows from the top."""
    rows: list[list[Line]] = []
    for piece in sorted(block, key=_middle):
        for row in reversed(rows[-3:]):
            if _same_row(row[-1], piece) and not any(_overlap(other, piece) for other in row):
                row.append(piece)
                break
        else:
            rows.append([piece])
    return [_joined(sorted(row, key=lambda p: p.box[0])) for row in rows]


def _same_row(one: Line, other: Line) -> bool:
    shared = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    return shared > 0.5 * min(_height(one), _height(other))


def _overlap(one: Line, other: Line) -> bool:
    shared = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
    return shared > 0.5 * min(_width(one), _width(other))


def _joined(row: Sequence[Line]) -> Line:
    if len(row) == 1:
        return row[0]
    text = row[0].text
    for before, piece in pairwise(row):
        # A gap wider than a character is where the writer left one: two fields, not one word.
        text += (" " if piece.box[0] - before.box[2] > _height(piece) else "") + piece.text
    characters = sum(len(p.text) for p in row)
    return Line(
        text,
        sum(p.confidence * len(p.text) for p in row) / characters,
        _around([p.box for p in row]),
        row[0].vertical,
    )


def _around(boxes: Sequence[Box]) -> Box:
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


def _typical_height(pieces: Sequence[Line]) -> float:
    heights = sorted(_height(p) for p in pieces)
    return heights[len(heights) // 2] if heights else 0


def _height(piece: Line) -> int:
    return piece.box[3] - piece.box[1]


def _width(piece: Line) -> int:
    return piece.box[2] - piece.box[0]


def _middle(piece: Line) -> float:
    return (piece.box[1] + piece.box[3]) / 2

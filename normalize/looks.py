"""Two looks at one page compared: what the better one says of each place, and what neither has read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from normalize.raster import Pixels
from normalize.scan import Box

Corners: TypeAlias = NDArray[np.float64]
"""A line's corners on the page, 4 x 2: top left, top right, bottom right, bottom left."""


@dataclass(frozen=True)
class Found:
    """A line as the engine found it."""

    text: str
    confidence: float
    corners: Corners

    @property
    def box(self) -> Box:
        left, top = self.corners.min(axis=0)
        right, bottom = self.corners.max(axis=0)
        return round(left), round(top), round(right), round(bottom)


def best_of(first: Sequence[Found], second: Sequence[Found], second_page: Pixels) -> list[Found]:
    """Of every place on the page the surer reading; `second` was read off `second_page`, where faint ink is gone.

    A line of the first look is given up only for a surer one, and without any in its stead only if it was unsure and
    the second page shows no ink there: it was the page's back shining through.
    """
    inked = _ink_outside(second_page, second)
    chosen: list[Found] = []
    rest = list(second)
    for line in sorted(first, key=lambda each: -each.confidence):
        rivals = [other for other in rest if covers(other.box, line.box) or covers(line.box, other.box)]
        unread = _share(inked, line.box) > 0.02
        keep = line.confidence >= 0.95 or unread
        if (rivals and (unread or line.confidence >= _mean(rivals))) or (
            not rivals and keep and not _seen(line, chosen)
        ):
            chosen.append(line)
            rest = [other for other in rest if all(other is not rival for rival in rivals)]
    return chosen + rest


def added(found: Sequence[Found], more: Sequence[Found], least: float) -> list[Found]:
    """`found`, and what another look saw besides with a confidence of at least `least`."""
    return [*found, *(line for line in more if line.confidence >= least and not _seen(line, found))]


def unread(page: Pixels, found: Sequence[Found]) -> bool:
    """Whether clear ink the size of writing lies outside everything that was found: a line was overlooked."""
    heights = sorted(min(_sides(line.corners)) for line in found)
    size = heights[len(heights) // 2] if heights else page.shape[0] / 60
    outside = _ink_outside(page, found, margin=0.3)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(outside, connectivity=8)
    signs = [
        (x + width / 2, y + height / 2)
        for x, y, width, height, area in boxes[1:count]
        if 0.35 * size < max(width, height) < 1.6 * size and area > 0.02 * size * size and min(width, height) > 3
    ]
    return _in_a_row(signs, size)


def covers(one: Box, other: Box) -> bool:
    """Whether `one` lies over a good part of `other`."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    area = (other[2] - other[0]) * (other[3] - other[1])
    return across > 0 and down > 0 and across * down > 0.3 * area


def _seen(line: Found, others: Sequence[Found]) -> bool:
    return any(covers(other.box, line.box) for other in others)


def _in_a_row(signs: Sequence[tuple[float, float]], size: float) -> bool:
    """Whether at least four of the signs stand in one row or one column, close to one another."""
    for along, across in ((0, 1), (1, 0)):
        for sign in signs:
            near = [
                s
                for s in signs
                if abs(s[across] - sign[across]) < 0.5 * size and 0 <= s[along] - sign[along] < 6 * size
            ]
            if len(near) >= 4:
                return True
    return False


def _ink_outside(page: Pixels, found: Sequence[Found], margin: float = 0.1) -> NDArray[np.uint8]:
    """1 where the page is dark and no line was found."""
    grey = page.min(axis=2)
    paper = float(np.percentile(grey, 80))
    dark: NDArray[np.uint8] = (grey < 0.6 * paper).astype(np.uint8)
    for line in found:
        left, top, right, bottom = line.box
        pad = round(margin * min(_sides(line.corners)))
        dark[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad] = 0
    return dark


def _share(inked: NDArray[np.uint8], box: Box) -> float:
    left, top, right, bottom = box
    part = inked[max(0, top) : bottom, max(0, left) : right]
    return float(part.mean()) if part.size else 0.0


def _sides(corners: Corners) -> tuple[float, float]:
    return float(np.hypot(*(corners[1] - corners[0]))), float(np.hypot(*(corners[3] - corners[0])))


def _mean(lines: Sequence[Found]) -> float:
    return sum(line.confidence * len(line.text) for line in lines) / sum(len(line.text) for line in lines)

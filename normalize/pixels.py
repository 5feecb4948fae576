"""What pixels tell before anyone reads them: red ink, blank paper, barcodes; and a page made easier to read."""

from __future__ import annotations

import cv2
import numpy as np
import zxingcpp

from normalize.raster import Pixels


def has_red(page: Pixels) -> bool:
    """Whether red rules, a seal or red writing cover a noticeable part of the page."""
    small = _small(page).astype(np.int16)
    blue, green, red = small[:, :, 0], small[:, :, 1], small[:, :, 2]
    return float(np.mean(red - np.maximum(blue, green) > 50)) > 0.002


def red_as_grey(page: Pixels) -> Pixels:
    """The red channel alone: red ink turns white, what is written under it stays."""
    return np.repeat(page[:, :, 2:3], 3, axis=2)


def clipped(page: Pixels) -> Pixels:
    """The paper made white and the ink stretched to black, each measured where it stands on the page."""
    grey = _grey(page)
    paper = _paper(grey)
    level = grey.astype(np.float32) / np.maximum(paper, 1) * 255
    black = float(np.percentile(level, 1))
    stretched = (level - black) / max(215 - black, 30) * 255
    return np.repeat(np.clip(stretched, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def ink(page: Pixels) -> float:
    """The share of the page that is clearly darker than its paper, specks and the outer margin left out."""
    grey = np.asarray(cv2.medianBlur(_grey(_small(page)), 3), dtype=np.uint8)
    dark = grey.astype(np.int16) < _paper(grey).astype(np.int16) - 40
    height, width = dark.shape
    inner = dark[height // 25 : height - height // 25, width // 25 : width - width // 25]
    return float(np.mean(inner)) if inner.size else 0.0


def barcodes(page: Pixels) -> tuple[str, ...]:
    """The texts of the barcodes and QR codes on the page, each once, from the top."""
    found = zxingcpp.read_barcodes(page)
    found.sort(key=lambda code: (code.position.top_left.y, code.position.top_left.x))
    return tuple(dict.fromkeys(code.text for code in found if code.text))


def turned(page: Pixels, degrees: int) -> Pixels:
    """The page turned clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(page, k=-degrees // 90))


def _grey(page: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(page, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def _small(page: Pixels) -> Pixels:
    shrink = min(1.0, 1000 / max(page.shape[:2]))
    if shrink == 1.0:
        return page
    size = max(1, round(page.shape[1] * shrink)), max(1, round(page.shape[0] * shrink))
    return np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _paper(grey: Pixels) -> Pixels:
    """The brightness of the paper under each pixel."""
    small = cv2.resize(grey, (max(1, grey.shape[1] // 4), max(1, grey.shape[0] // 4)), interpolation=cv2.INTER_AREA)
    level = cv2.medianBlur(cv2.dilate(small, np.ones((9, 9), np.uint8)), 21)
    return np.asarray(cv2.resize(level, (grey.shape[1], grey.shape[0])), dtype=np.uint8)

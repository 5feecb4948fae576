"""A scanned file taken apart: its pages one by one, as pixels or, where the file was born digital, as text."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from normalize.media import PICTURES, media_type
from normalize.reading import Unreadable
from normalize.textlayer import text_layer

Pixels: TypeAlias = NDArray[np.uint8]
"""Height x width x 3, in the order blue, green, red."""

DPI = 200
# What Pillow raises of broken pictures; it has no error of its own.
_DAMAGED = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error,
)  # fmt: skip
LONGEST_SIDE = 4000
"""Pixels; what is larger is made smaller before anything looks at it."""


@dataclass(frozen=True)
class Limits:
    """What one file may ask of us. 80 million pixels are an A3 sheet at 600 dpi."""

    max_pages: int = 200
    max_pixels: int = 80_000_000


@dataclass(frozen=True)
class Leaf:
    """One page as the file holds it: pixels to read, or the text it carries itself (its size then as at 200 dpi)."""

    number: int
    pixels: Pixels | None
    text: tuple[tuple[str, tuple[int, int, int, int]], ...] = ()
    width: int = 0
    height: int = 0


def leaves(data: bytes, limits: Limits) -> Iterator[Leaf]:
    """The pages of a PDF, TIFF, JPEG or PNG, one in memory at a time.

    Sizes are taken from headers and refused before anything is decoded. Raises Unreadable, saying why: empty,
    another kind of file, broken, encrypted, too many pages, a page too large.
    """
    kind = media_type(data)
    if kind == "application/pdf":
        yield from _pdf(data, limits)
    elif kind in PICTURES:
        yield from _picture(data, limits)
    elif not data:
        raise Unreadable("文件是空的，应为 PDF、TIFF、JPEG 或 PNG")
    else:
        raise Unreadable(f"文件类型是 {kind}，应为 PDF、TIFF、JPEG 或 PNG")


def _picture(data: bytes, limits: Limits) -> Iterator[Leaf]:
    try:
        with Image.open(io.BytesIO(data), formats=("TIFF", "JPEG", "PNG")) as image:
            for number, frame in enumerate(ImageSequence.Iterator(image), start=1):
                if number > 1 and image.format != "TIFF":
                    return  # the further frames of an animated PNG or a camera's MPO are no pages
                _check_count(number, limits)
                _check_size(number, frame.width, frame.height, limits)
                pixels = _pixels(frame)
                yield Leaf(number, pixels, width=pixels.shape[1], height=pixels.shape[0])
    except Image.DecompressionBombError as error:
        raise Unreadable(f"页面过大，最多 {limits.max_pixels} 像素（{error}）") from error
    except UnidentifiedImageError as error:
        raise Unreadable("图片文件头无法读取，文件损坏或不完整") from error
    except _DAMAGED as error:
        raise Unreadable(f"图片无法解码，文件损坏或不完整（{error}）") from error


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.max_pages:
        raise Unreadable(f"文件超过 {limits.max_pages} 页，请分开扫描")


def _check_size(number: int, width: float, height: float, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise Unreadable(f"第 {number} 页有 {width:.0f} x {height:.0f} 像素，超过 {limits.max_pixels} 的上限")


def _pixels(frame: Image.Image) -> Pixels:
    upright = ImageOps.exif_transpose(frame)
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    rgb = upright.convert("RGB")
    width, height = _square(rgb.size, frame.info.get("dpi"))
    shrink = min(1.0, LONGEST_SIDE / max(width, height))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    if size != rgb.size:
        rgb = rgb.resize(size, Image.Resampling.LANCZOS if shrink == 1 else Image.Resampling.BOX)
    return np.ascontiguousarray(np.asarray(rgb)[:, :, ::-1])


def _square(size: tuple[int, int], dpi: object) -> tuple[int, int]:
    """A fax has half as many rows as columns to the inch: its size with square pixels."""
    width, height = size
    if not (isinstance(dpi, tuple) and len(dpi) == 2 and all(isinstance(each, Real) for each in dpi)):
        return size
    across, down = float(dpi[0]), float(dpi[1])
    if not (across > 0 and down > 0 and 1.2 < max(across, down) / min(across, down) < 4):
        return size
    return (width, round(height * across / down)) if across > down else (round(width * down / across), height)


def _pdf(data: bytes, limits: Limits) -> Iterator[Leaf]:
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium_c.FPDF_ERR_PASSWORD:
            raise Unreadable("PDF 有密码保护，请提供不加密的文件") from error
        raise Unreadable("PDF 无法打开，文件损坏或不完整") from error
    try:
        _check_count(len(document), limits)
        if len(document) == 0:
            raise Unreadable("PDF 没有页面")
        for index in range(len(document)):
            yield _pdf_page(document, index, limits)
    except pdfium.PdfiumError as error:
        raise Unreadable(f"PDF 中有页面无法读取，文件损坏（{error}）") from error
    finally:
        document.close()


def _pdf_page(document: pdfium.PdfDocument, index: int, limits: Limits) -> Leaf:
    page = document[index]
    try:
        width, height = page.get_size()
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise Unreadable(f"第 {index + 1} 页没有尺寸")
        pictures = _pictures(page, index + 1, limits)
        covered = max((share for share, _ in pictures), default=0.0)
        # A picture over the whole page is a scan, and the text behind it is whatever the scanner took it for.
        text = text_layer(page, DPI) if covered < 0.5 else ()
        if text:
            return Leaf(index + 1, None, text, round(width * DPI / 72), round(height * DPI / 72))
        finest = max((scale for share, scale in pictures if share >= 0.5), default=0.0)
        scale = min(max(DPI / 72, finest), LONGEST_SIDE / max(width, height))
        bitmap = page.render(scale=scale, rev_byteorder=False)
        pixels = _three_channels(bitmap.to_numpy())
        bitmap.close()
        return Leaf(index + 1, pixels, width=pixels.shape[1], height=pixels.shape[0])
    finally:
        page.close()


def _pictures(page: pdfium.PdfPage, number: int, limits: Limits) -> list[tuple[float, float]]:
    """The share of the page each picture covers and its pixels to a point; refuses one too large before rendering."""
    width, height = page.get_size()
    found = []
    for picture in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE]):
        across, down = picture.get_px_size()
        _check_size(number, across, down, limits)
        left, bottom, right, top = picture.get_bounds()
        box = max(right - left, 1e-6), max(top - bottom, 1e-6)
        found.append((box[0] * box[1] / (width * height), max(across, down) / max(box)))
    return found


def _three_channels(image: NDArray[np.uint8]) -> Pixels:
    if image.ndim == 2:
        image = image[:, :, None]
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3])

"""Letters rendered as a scanner would deliver them: printed or handwritten, slightly turned, with noise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from random import Random

from PIL import Image, ImageDraw

from sandbox.fonts import HAND, PRINT, font
from sandbox.matters import Matter

_DPI = 150
_PAGE = (1240, 1754)
"""A4 at 150 dpi."""
_MARGIN = 150
_BLUE, _BLACK, _RULE = (30, 40, 110), (25, 25, 25), (200, 120, 120)
_DATED = time.gmtime(1_700_000_000)


def scan(matter: Matter, at: datetime) -> tuple[str, bytes]:
    """The letter's file name and its bytes: JPEG or PNG for one page, TIFF or PDF for any number."""
    dice = matter.dice("scan")
    pages = [_scanned(page, dice) for page in pages_of(matter, at)]
    kind = dice.choice(("jpg", "jpg", "png", "tif", "pdf") if len(pages) == 1 else ("tif", "pdf"))
    return f"{at:%Y%m%d}_{matter.number:05d}_来信.{kind}", _file(pages, kind)


def pages_of(matter: Matter, at: datetime) -> list[Image.Image]:
    """The letter as written, before it was scanned."""
    dice = matter.dice("hand")
    face = font(HAND, 40) if matter.handwritten else font(PRINT, 34)
    pitch = 68 if matter.handwritten else 60
    pages: list[Image.Image] = []
    top = _PAGE[1]
    for text, indent in _lines(letter_text(matter, at), dice, int(face.size)):
        if top + pitch > _PAGE[1] - _MARGIN:
            pages.append(_blank(matter.handwritten, pitch))
            top = _MARGIN
        _write(pages[-1], (_MARGIN + indent, top), text, matter.handwritten, dice)
        top += pitch
    return pages


def letter_text(matter: Matter, at: datetime) -> list[str]:
    """The letter's paragraphs: heading, salutation, body, close, signature, date."""
    nameless = matter.dice("letter").choice(("一名学生家长", "一名普通教师", "知情人"))
    closing = [f"写信人：{one.name}" for one in matter.citizens] or [nameless]
    if matter.citizens:
        first = matter.citizens[0]
        closing += [f"电话：{first.phone}", f"住址：{first.address}"]
    body = [f"　　{paragraph}" for paragraph in matter.content.splitlines() if paragraph]
    greeting = [] if matter.content.startswith(("尊敬", "局长", "领导", "教育局", "您好")) else ["尊敬的局长："]
    return [matter.title, *greeting, *body, "　　此致", "敬礼", *closing, f"{at.year}年{at.month}月{at.day}日"]


def _lines(paragraphs: list[str], dice: Random, size: int) -> Iterator[tuple[str, int]]:
    """Broken to the width; the heading in the middle, signature and date to the right."""
    wide = (_PAGE[0] - 2 * _MARGIN) // size
    closing = paragraphs.index("敬礼")
    for number, paragraph in enumerate(paragraphs):
        for text in _broken(paragraph, wide):
            rest = max(0, wide - len(text)) * size
            right = max(0, rest - dice.randrange(20, 60)) if number > closing else 0
            yield text, rest // 2 if number == 0 else right


def _broken(paragraph: str, wide: int) -> Iterator[str]:
    """No line begins with a closing mark: it hangs at the end of the one before."""
    while paragraph:
        end = wide + (paragraph[wide : wide + 1] in tuple("，。！？；：、）"))
        yield paragraph[:end]
        paragraph = paragraph[end:]


def _blank(handwritten: bool, pitch: int) -> Image.Image:
    page = Image.new("RGB", _PAGE, (252, 251, 246))
    if handwritten:
        draw = ImageDraw.Draw(page)
        for top in range(_MARGIN + pitch - 6, _PAGE[1] - _MARGIN // 2, pitch):
            draw.line((_MARGIN - 40, top, _PAGE[0] - _MARGIN + 40, top), fill=_RULE, width=1)
    return page


def _write(page: Image.Image, place: tuple[int, int], text: str, handwritten: bool, dice: Random) -> None:
    draw = ImageDraw.Draw(page)
    if not handwritten:
        draw.text(place, text, font=font(PRINT, 34), fill=_BLACK)
        return
    left, top = float(place[0]), float(place[1])
    slope = dice.uniform(-0.004, 0.004)
    for character in text:
        face = font(HAND, dice.choice((38, 40, 42)))
        draw.text((left, top + dice.uniform(-2.5, 2.5)), character, font=face, fill=_BLUE)
        # A hand writes digits and Latin letters narrower than characters.
        left += (40 if ord(character) > 0x2E80 else 24) + dice.uniform(-2, 2)
        top += slope * 40


def _scanned(page: Image.Image, dice: Random) -> Image.Image:
    turned = page.rotate(dice.uniform(-1.2, 1.2), resample=Image.Resampling.BICUBIC, fillcolor=(250, 249, 244))
    # Pillow's own noise is not repeatable; a few hundred specks are, and look like an old scanner's glass.
    draw = ImageDraw.Draw(turned)
    for _ in range(dice.randrange(200, 900)):
        x, y, grey = dice.randrange(_PAGE[0]), dice.randrange(_PAGE[1]), dice.randrange(120, 220)
        draw.point((x, y), fill=(grey, grey, grey))
    return turned


def _file(pages: list[Image.Image], kind: str) -> bytes:
    buffer, dots = BytesIO(), (_DPI, _DPI)
    first, rest = pages[0], pages[1:]
    if kind == "jpg":
        first.save(buffer, "JPEG", quality=82, dpi=dots)
    elif kind == "png":
        first.convert("L").save(buffer, "PNG", dpi=dots)
    elif kind == "tif":
        grey = [page.convert("L") for page in pages]
        grey[0].save(buffer, "TIFF", save_all=True, append_images=grey[1:], compression="tiff_lzw", dpi=dots)
    else:
        first.save(
            buffer, "PDF", save_all=True, append_images=rest, resolution=_DPI, creationDate=_DATED, modDate=_DATED
        )
    return buffer.getvalue()

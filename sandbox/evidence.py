"""What citizens attach: small real pictures and PDF files, the same bytes for the same name every time."""

from __future__ import annotations

import time
from functools import lru_cache
from io import BytesIO
from random import Random

from PIL import Image, ImageDraw

from sandbox.fonts import PRINT, font

# Without a fixed date Pillow writes the present one and no two renderings would be alike.
_DATED = time.gmtime(1_700_000_000)


@lru_cache(maxsize=512)
def evidence(name: str, seed: str) -> bytes:
    """A picture (`.png`, `.jpg`) or a one-page `.pdf` that shows its name and some invented lines."""
    page = _page(name, Random(f"{seed}/{name}"))
    buffer = BytesIO()
    if name.endswith(".pdf"):
        page.save(buffer, "PDF", resolution=72, creationDate=_DATED, modDate=_DATED)
    elif name.endswith((".jpg", ".jpeg")):
        page.save(buffer, "JPEG", quality=70)
    else:
        page.save(buffer, "PNG")
    return buffer.getvalue()


def _page(name: str, random: Random) -> Image.Image:
    image = Image.new("RGB", (480, 320), (random.randrange(225, 256), random.randrange(225, 256), 240))
    draw = ImageDraw.Draw(image)
    draw.rectangle((12, 12, 468, 308), outline=(120, 120, 120))
    draw.text((32, 28), name.rpartition(".")[0], font=font(PRINT, 30), fill=(20, 20, 20))
    for line in range(5):
        text = f"{random.randrange(1, 13)}月{random.randrange(1, 29)}日  {random.randrange(10, 2000)}.00元"
        draw.text((32, 90 + line * 40), text, font=font(PRINT, 22), fill=(60, 60, 90))
    return image

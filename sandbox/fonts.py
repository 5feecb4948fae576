"""The two fonts the sandbox writes with: one that looks printed, one that looks handwritten."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO

from PIL import ImageFont

PRINT = "serif.otf"
HAND = "kai.ttf"


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(BytesIO(files("sandbox").joinpath("fonts", name).read_bytes()), size)

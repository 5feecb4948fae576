"""How an unexpected error is spoken of without repeating its words."""

from __future__ import annotations

import traceback


def place_of(error: BaseException) -> str:
    """An error's kind and place; its message is left out, since it may quote a citizen."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} in {last.name} ({'/'.join(last.filename.rsplit('/', 2)[-2:])}:{last.lineno})"

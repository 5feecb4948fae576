"""A title for a matter whose source gives none."""

from __future__ import annotations

import re

from normalize.salutation import salutation

_END = re.compile(r"(?<=[。！？!?；;])|\n")
_WELL = re.compile(r"(?:您|你|您们|你们|大家|各位)好[，,。！!：:]?\s*")


def first_sentence(text: str, longest: int = 50) -> str:
    """The first sentence, without the greeting before it, cut at `longest` characters with an ellipsis."""
    sentences = [" ".join(part.split()) for part in _END.split(text) if part.strip()]
    told = next((words for one in sentences if (words := _without_greeting(one))), sentences[0] if sentences else "")
    return told if len(told) <= longest else told[: longest - 1] + "…"


def _without_greeting(sentence: str) -> str:
    greets = salutation(sentence)
    words = sentence[greets.end :] if greets else sentence
    return _WELL.sub("", words.strip(), count=1) if _WELL.match(words.strip()) else words.strip()

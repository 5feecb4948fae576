"""Word lists with weights: which of them a text contains.

A word is found as it stands. `…` inside it allows up to twelve characters of the same sentence in its place, `|`
separates alternatives of the part it stands in: `老师|班主任…辱骂|殴打`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import add
from typing import TypeAlias

Weights: TypeAlias = Mapping[str, float]

_GAP = r"[^。！？!?；;\n]{0,12}?"


@dataclass(frozen=True)
class Word:
    """One word of a list; `pattern` for one with gaps or alternatives."""

    text: str
    weight: float
    beginnings: tuple[str, ...]
    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, text: str, weight: float) -> Word:
        plain = "…" not in text and "|" not in text
        return cls(text, weight, tuple(text.split("…", maxsplit=1)[0].split("|")), None if plain else _compiled(text))

    def found_in(self, text: str) -> str | None:
        if self.pattern is None:
            return self.text if self.text in text else None
        match = self.pattern.search(text)
        return match[0] if match else None


@dataclass(frozen=True)
class Words:
    """A list ready for use. Of a text's pairs of characters few begin a word of the list: only those are looked for."""

    words: tuple[Word, ...]
    begun_by: Mapping[str, tuple[int, ...]]
    """The places in the list of the words that begin with a pair (or are one character)."""
    pairs: frozenset[str]

    @classmethod
    def of(cls, weights: Weights) -> Words:
        words = [Word.of(text, weight) for text, weight in weights.items() if weight]
        words.sort(key=lambda word: word.pattern is not None)
        begun_by: dict[str, tuple[int, ...]] = {}
        for place, word in enumerate(words):
            for pair in {beginning[:2] for beginning in word.beginnings}:
                begun_by[pair] = (*begun_by.get(pair, ()), place)
        return cls(tuple(words), begun_by, frozenset(begun_by))

    def weight_in(self, text: str) -> float:
        """The weights of all words the text contains, each counted once."""
        return sum((word.weight for word, _ in self._in(text)), 0.0)

    def heaviest_in(self, text: str) -> float:
        """The weight of the heaviest word the text contains; 0: none."""
        return max((word.weight for word, _ in self._in(text)), default=0.0)

    def found_in(self, text: str) -> tuple[str, ...]:
        """What of the list stands in the text: plain words first, each in the list's order."""
        return tuple(found for _, found in self._in(text))

    def _in(self, text: str) -> Iterator[tuple[Word, str]]:
        pairs = self.pairs & _pairs(text)
        for place in sorted({place for pair in pairs for place in self.begun_by[pair]}) if pairs else ():
            word = self.words[place]
            if (found := word.found_in(text)) is not None:
                yield word, found


@lru_cache(maxsize=16)
def _pairs(text: str) -> frozenset[str]:
    """Each two characters that stand together in the text, each one, and none; kept for the next list's look at it."""
    return frozenset(map(add, text, text[1:])).union(text, ("",))


def merged(shipped: Weights, own: Weights) -> dict[str, float]:
    """The shipped list with one's own words added; weight 0 takes a word out."""
    return {word: weight for word, weight in {**shipped, **own}.items() if weight}


def weighted(lines: str) -> dict[str, float]:
    """Lines of `weight: words separated by blanks`; a word listed twice is a slip and raises ValueError."""
    weights: dict[str, float] = {}
    for line in lines.strip().splitlines():
        weight, _, words = line.partition(": ")
        for word in words.split():
            if word in weights:
                raise ValueError(f"word list: {word} is listed twice")
            weights[word] = float(weight)
    return weights


def _compiled(word: str) -> re.Pattern[str]:
    parts = ("(?:" + "|".join(map(re.escape, part.split("|"))) + ")" for part in word.split("…"))
    return re.compile(_GAP.join(parts))

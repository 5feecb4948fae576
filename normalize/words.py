"""Word lists with weights: which of them a text contains.

A word is found as it stands. `…` inside it allows up to twelve characters of the same sentence in its place, `|`
separates alternatives of the part it stands in: `老师|班主任…辱骂|殴打`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Weights: TypeAlias = Mapping[str, float]

_GAP = r"[^。！？!?；;\n]{0,12}?"


@dataclass(frozen=True)
class Words:
    """A list ready for use: looking costs about 0.1 µs a word and hundred characters."""

    plain: tuple[tuple[str, float], ...]
    patterns: tuple[tuple[tuple[str, ...], re.Pattern[str], float], ...]
    """First part's alternatives (a quick look whether it can be there at all), the whole, the weight."""

    @classmethod
    def of(cls, weights: Weights) -> Words:
        plain, patterns = [], []
        for word, weight in weights.items():
            if not weight:
                continue
            if "…" in word or "|" in word:
                patterns.append((tuple(word.split("…")[0].split("|")), _compiled(word), weight))
            else:
                plain.append((word, weight))
        return cls(tuple(plain), tuple(patterns))

    def weight_in(self, text: str) -> float:
        """The weights of all words the text contains, each counted once."""
        weight = 0.0
        for word, worth in self.plain:
            if word in text:
                weight += worth
        for firsts, pattern, worth in self.patterns:
            if any(first in text for first in firsts) and pattern.search(text):
                weight += worth
        return weight

    def heaviest_in(self, text: str) -> float:
        """The weight of the heaviest word the text contains; 0: none."""
        plain = (worth for word, worth in self.plain if word in text)
        patterns = (
            worth
            for firsts, pattern, worth in self.patterns
            if any(first in text for first in firsts) and pattern.search(text)
        )
        return max((*plain, *patterns), default=0.0)

    def found_in(self, text: str) -> tuple[str, ...]:
        """What of the list stands in the text, in the list's order."""
        plain = [word for word, _ in self.plain if word in text]
        matches = (pattern.search(text) for _, pattern, _ in self.patterns)
        return (*plain, *(match[0] for match in matches if match))


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

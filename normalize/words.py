"""Word lists with weights: which of them a text contains.

A word is found as it stands. `…` inside it allows up to twelve characters of the same sentence in its place, `|`
separates alternatives of the part it stands in: `老师|班主任…辱骂|殴打`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import add
from typing import Generic, TypeAlias, TypeVar

K = TypeVar("K", bound=Hashable)
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
    """A list ready for use. Of a text's pairs of characters few begin a word of the list: only those are looked for.

    `within` may be a longer text of which `text` is a piece, or pieces joined by blanks: its pairs are known already.
    """

    words: tuple[Word, ...]
    begun_by: Mapping[str, tuple[int, ...]]
    """The places in the list of the words that begin with a pair (or are one character)."""
    pairs: frozenset[str]

    @classmethod
    def of(cls, weights: Weights) -> Words:
        words = [Word.of(text, weight) for text, weight in weights.items() if weight]
        words.sort(key=lambda word: word.pattern is not None)
        return cls._indexed(words)

    @classmethod
    def _indexed(cls, words: Sequence[Word]) -> Words:
        begun_by: dict[str, tuple[int, ...]] = {}
        for place, word in enumerate(words):
            for pair in {_pair(beginning) for beginning in word.beginnings}:
                begun_by[pair] = (*begun_by.get(pair, ()), place)
        return cls(tuple(words), begun_by, frozenset(begun_by))

    def weight_in(self, text: str, within: str | None = None) -> float:
        """The weights of all words the text contains, each counted once."""
        return sum((self.words[place].weight for place, _ in self._in(text, within)), 0.0)

    def heaviest_in(self, text: str) -> float:
        """The weight of the heaviest word the text contains; 0: none."""
        return max((self.words[place].weight for place, _ in self._in(text)), default=0.0)

    def found_in(self, text: str) -> tuple[str, ...]:
        """What of the list stands in the text: plain words first, each in the list's order."""
        return tuple(found for _, found in self._in(text))

    def _in(self, text: str, within: str | None = None) -> Iterator[tuple[int, str]]:
        pairs = self.pairs & _pairs(text if within is None else within)
        for place in sorted({place for pair in pairs for place in self.begun_by[pair]}) if pairs else ():
            if (found := self.words[place].found_in(text)) is not None:
                yield place, found


@dataclass(frozen=True)
class WordLists(Generic[K]):
    """Several lists, looked through together."""

    keys: tuple[K, ...]
    words: Words
    """Those of all lists, one after the other."""
    owners: tuple[K, ...]
    """Whose each word is."""

    @classmethod
    def of(cls, lists: Mapping[K, Weights]) -> WordLists[K]:
        each = {key: Words.of(weights).words for key, weights in lists.items()}
        every = [word for words in each.values() for word in words]
        return cls(tuple(lists), Words._indexed(every), tuple(key for key, words in each.items() for _ in words))

    def weights_in(self, text: str, within: str | None = None) -> dict[K, float]:
        """Of each list the weights of all its words that the text contains."""
        weights = dict.fromkeys(self.keys, 0.0)
        for place, _ in self.words._in(text, within):
            weights[self.owners[place]] += self.words.words[place].weight
        return weights


def _pair(beginning: str) -> str:
    """By what a word is looked up; one with a blank is always looked for."""
    pair = beginning[:2]
    return "" if any(map(str.isspace, pair)) else pair


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

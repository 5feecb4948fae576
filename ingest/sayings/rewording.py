"""Says what the program has said in another language.

Readers, doors and checks say what is wrong in a sentence, which logs keep and rows store as it is. Who shows it to a
person has it said again: a sentence is known by the words files, in whichever language it was said, and what stands in
its places is said again in turn. What is in no file (the words of a server, a library, the system) stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

from ingest.catalogue import LANGUAGES, Language, load_words
from ingest.sayings.words import FOLDER

LONGEST = 1000
"""Characters; what is longer holds more of others' words than of ours."""
MOST_PARTS, DEEPEST = 12, 4
"""So many sentences are put together, and so many stand within each other, at most: others' words may look like ours,
again and again.
"""
_PIECE = 3
"""What is not known is better left whole: dearer than the joint within it."""
_JOINTS = {"zh": ("：", "；"), "en": (": ", "; ")}


@dataclass(frozen=True)
class _Way:
    """A way to say something, and how many characters of others' words it leaves as they are."""

    unsaid: int
    said: str


class Rewording:
    """Says sentences in one language."""

    def __init__(self, language: Language) -> None:
        said = {one: load_words(FOLDER, one).entries for one in LANGUAGES}
        turns = [(said[one][key], own) for key, own in said[language].items() for one in LANGUAGES]
        turns.sort(key=lambda turn: -len(_literal(turn[0])))
        self._turns = [(_pattern(one), own) for one, own in turns]
        self._joints = {
            joint: own for one in LANGUAGES for joint, own in zip(_JOINTS[one], _JOINTS[language], strict=True)
        }
        self._joint = re.compile(f"({'|'.join(map(re.escape, self._joints))})")
        self._best = lru_cache(maxsize=4096)(self._best_way)

    def __call__(self, text: str) -> str:
        """The sentence in this language, as far as it is known; that of its parts which is not stays as it is."""
        return self._best(text, DEEPEST).said if len(text) <= LONGEST else text

    def _best_way(self, text: str, deep: int) -> _Way:
        if deep == 0:
            return _left(text)
        return min([*self._whole(text, deep), self._in_parts(text, deep), _left(text)], key=lambda way: way.unsaid)

    def _whole(self, text: str, deep: int) -> Iterator[_Way]:
        """As each of the sentences it may be, the one with most words of its own first."""
        for pattern, own in self._turns:
            if found := pattern.fullmatch(text):
                places = {name: self._best(value, deep - 1) for name, value in found.groupdict().items()}
                said = own.format(**{name: way.said for name, way in places.items()})
                yield _Way(sum(way.unsaid for way in places.values()), said)

    def _in_parts(self, text: str, deep: int) -> _Way:
        """As sentences put together with colons and semicolons."""
        pieces = self._joint.split(text)
        count = len(pieces) // 2 + 1
        if not 1 < count <= MOST_PARTS:
            return _left(text)
        best = {count: _Way(0, "")}
        for first in reversed(range(count)):
            ways = (self._begun(pieces, first, last, best[last + 1], deep) for last in reversed(range(first, count)))
            best[first] = min(ways, key=lambda way: way.unsaid)
        return best[0]

    def _begun(self, pieces: list[str], first: int, last: int, after: _Way, deep: int) -> _Way:
        """With the pieces up to the last as one sentence, and the rest after it."""
        part = "".join(pieces[2 * first : 2 * last + 1])
        way = min((*self._whole(part, deep), _left(part, _PIECE)), key=lambda way: way.unsaid)
        joint = self._joints[pieces[2 * last + 1]] if 2 * last + 1 < len(pieces) else ""
        return _Way(way.unsaid + after.unsaid, way.said + joint + after.said)


def _left(text: str, besides: int = 0) -> _Way:
    return _Way(len(text) + besides, text)


@lru_cache
def rewording(language: Language) -> Rewording:
    """Says sentences in this language."""
    return Rewording(language)


def _literal(template: str) -> str:
    return "".join(text for text, *_ in Formatter().parse(template))


def _pattern(template: str) -> re.Pattern[str]:
    """What a sentence made of this template looks like; a place named twice holds the same twice."""
    parts: list[str] = []
    seen: set[str] = set()
    for text, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(text))
        if name is not None:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
            seen.add(name)
    return re.compile("".join(parts), re.DOTALL)

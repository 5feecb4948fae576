"""Says what the program has said in another language.

Readers, doors and checks say what is wrong in a sentence, which logs keep and rows store as it is. Who shows it to a
person has it said again: a sentence is known by the words files, in whichever language it was said, and what stands in
its places is said again in turn. What is in no file (the words of a server, a library, the system) stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from string import Formatter

from ingest.catalogue import LANGUAGES, Language, load_words
from ingest.sayings.words import FOLDER

LONGEST = 1000
"""Characters; what is longer holds more of others' words than of ours."""
MOST_PARTS = 12
_PIECE = 3
"""What is not known is better left whole: dearer than the joint within it."""
_JOINTS = {"zh": ("：", "；"), "en": (": ", "; ")}


class Rewording:
    """Says sentences in one language."""

    def __init__(self, language: Language) -> None:
        said = {one: load_words(FOLDER, one).entries for one in LANGUAGES}
        others = [(said[one][key], own) for key, own in said[language].items() for one in LANGUAGES if one != language]
        others.sort(key=lambda pair: -len(_literal(pair[0])))
        self._turns = [(_pattern(other), own) for other, own in others]
        self._joints = {
            joint: own for one in LANGUAGES for joint, own in zip(_JOINTS[one], _JOINTS[language], strict=True)
        }
        self._joint = re.compile(f"({'|'.join(map(re.escape, self._joints))})")
        self._again = lru_cache(maxsize=4096)(self._said_again)

    def __call__(self, text: str) -> str:
        """The sentence in this language, as far as it is known; that of its parts which is not stays as it is."""
        return self._again(text) if len(text) <= LONGEST else text

    def _said_again(self, text: str) -> str:
        whole = self._whole(text)
        return self._in_parts(text) if whole is None else whole

    def _whole(self, text: str) -> str | None:
        for pattern, own in self._turns:
            if found := pattern.fullmatch(text):
                return own.format(**{name: self(value) for name, value in found.groupdict().items()})
        return None

    def _in_parts(self, text: str) -> str:
        """Sentences put together with colons and semicolons: the way to part them that leaves least unsaid."""
        pieces = self._joint.split(text)
        count = len(pieces) // 2 + 1
        if not 1 < count <= MOST_PARTS:
            return text
        best: dict[int, tuple[int, list[str]]] = {count: (0, [])}
        for first in reversed(range(count)):
            best[first] = min(self._begun(pieces, first, best), key=lambda way: way[0])
        return "".join(best[0][1])

    def _begun(
        self, pieces: list[str], first: int, rest: Mapping[int, tuple[int, list[str]]]
    ) -> Iterator[tuple[int, list[str]]]:
        """Each way to go on from a piece: how many characters it leaves as they are, and what is said then."""
        for last in reversed(range(first, len(pieces) // 2 + 1)):
            part = "".join(pieces[2 * first : 2 * last + 1])
            said = self._whole(part)
            unsaid, after = rest[last + 1]
            joint = [self._joints[pieces[2 * last + 1]]] if after else []
            if said is not None:
                yield unsaid, [said, *joint, *after]
            else:
                yield unsaid + len(part) + _PIECE, [part, *joint, *after]


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

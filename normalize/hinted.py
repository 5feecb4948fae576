"""A regular expression that is tried only where it can begin.

The engine skips quickly to where an expression can begin, but not if that looks behind or is one of many things. Most
of ours do, and in a citizen's letter few characters begin what we look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ALL: list[Hinted] = []
"""Every one there is, for the test that checks the hints."""


class Hinted:
    """As the compiled `pattern`, whose every match begins with one of the characters of the class `first`.

    It must match no empty text. IGNORECASE holds for the class as well.
    """

    def __init__(self, first: str, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        self.first = re.compile(f"[{first}]", flags)
        self.pattern = re.compile(pattern, flags)
        ALL.append(self)

    def search(self, text: str, start: int = 0) -> re.Match[str] | None:
        match = self.pattern.match
        for hint in self.first.finditer(text, start):
            if found := match(text, hint.start()):
                return found
        return None

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        match, end = self.pattern.match, 0
        for hint in self.first.finditer(text):
            start = hint.start()
            if start >= end and (found := match(text, start)):
                end = found.end()
                yield found

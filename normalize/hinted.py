"""A regular expression that is tried only where it can begin.

The engine skips quickly to where an expression can begin, but not if that looks behind or is one of many things. Most
of ours do, and in a citizen's letter few characters begin what we look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

ALL: list[Hinted] = []
"""Every one there is, for the test that checks the hints."""


class Hinted:
    """As the compiled `pattern`, whose every match begins with one of the characters of the class `first`.

    It must match no empty text. IGNORECASE holds for the class as well. It is compiled when first asked for: who only
    knows the rules of reading does not read.
    """

    def __init__(self, first: str, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        self._first, self._pattern, self._flags = first, pattern, flags
        ALL.append(self)

    @cached_property
    def first(self) -> re.Pattern[str]:
        """The characters a match begins with."""
        return re.compile(f"[{self._first}]", self._flags)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self._pattern, self._flags)

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

"""How commands speak to people: in the installation's language, by the words of the pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from unicodedata import east_asian_width

from ingest.catalogue import PAGES, Language, Words, load_words
from ingest.sayings.commands import FOLDER
from ingest.sayings.rewording import Rewording, rewording


class Speech:
    """Says in one language what a command has to say."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._own = load_words(FOLDER, language)

    def __call__(self, key: str, **facts: object) -> str:
        """The line under a key of the commands' own catalogue."""
        return self._own(key, **facts)

    @cached_property
    def again(self) -> Rewording:
        """Says a sentence again in this language."""
        return rewording(self.language)

    @cached_property
    def _pages(self) -> Words:
        return load_words(PAGES, self.language)

    def code(self, group: str, code: str) -> str:
        """The name of a code, ours or the pages'; in English the code itself, which is a word and stands in --json."""
        if self.language == "en":
            return code
        named = self._own.label(group, code)
        return self._pages.label(group, code) if named == code else named

    def lane(self, lane: str) -> str:
        """A lane by what is done in it, and for whom."""
        named = self.code("lane", lane)
        if self.language == "en" or named != lane:
            return named
        act, _, whom = lane.partition(":")
        return f"{self.code('lane', act)} {whom}".rstrip()

    def counted(self, group: str, counts: Mapping[str, int]) -> str:
        """How many of each code."""
        said = [self("counted", count=count, what=self.code(group, code)) for code, count in counts.items()]
        return self.listed(said) or self("nothing")

    def listed(self, said: Iterable[str]) -> str:
        return self("comma").join(said)


def padded(text: str, width: int) -> str:
    """Filled up to so many columns of a terminal, of which a Chinese character takes two."""
    taken = sum(2 if east_asian_width(one) in "WF" else 1 for one in text)
    return text + " " * (width - taken)

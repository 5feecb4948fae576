"""The words people read: one catalogue a language, looked up by key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
PAGES = Path(__file__).parent / "console" / "words"
"""The words of the console's pages, which sheets and commands use too."""


@dataclass(frozen=True)
class Words:
    language: Language
    entries: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The sentence under a key, such as `login.title`, with its values put in. A missing key is a bug: KeyError."""
        return self.entries[key].format(**values)

    def label(self, group: str, code: object) -> str:
        """The name of a code; a code we have no word for (a city's own) stands for itself."""
        return self.entries.get(f"{group}.{code}", str(code))


def load_words(folder: Path, language: Language) -> Words:
    """The catalogue of a language in a folder of them."""
    with (folder / f"{language}.toml").open("rb") as file:
        return Words(language, dict(_flat("", tomllib.load(file))))


def _flat(prefix: str, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            found += _flat(f"{prefix}{key}.", value)
        else:
            found.append((f"{prefix}{key}", str(value)))
    return found

"""What is wrong with a configuration: where it stands, which key, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import ErrorDetails

from ingest.catalogue import Language

SHOWN = 60
"""A value longer than this is not repeated in a message."""


@dataclass(frozen=True)
class Problem:
    """One thing to mend; line and column count from 1, a line of 0 means the file as a whole."""

    line: int
    column: int
    key: str
    text: str
    file: str = "config.yaml"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.text) if part)


class ConfigErrors(Exception):
    """The configuration cannot be used; `problems` are all that was found, in the order of the file, and `files` are
    those it refers to, `language` the one it wants to be spoken to in, if that could be read.
    """

    def __init__(
        self,
        problems: Iterable[Problem],
        warnings: Iterable[Problem] = (),
        files: Iterable[Path] = (),
        language: Language | None = None,
    ) -> None:
        self.problems = in_order(problems)
        self.warnings = in_order(warnings)
        self.files = frozenset(files)
        self.language = language
        super().__init__("\n".join(map(str, self.problems)))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line, problem.column)))


def in_a_line(problems: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    first, *others = problems
    return f"{first} (+{len(others)} more)" if others else first


def unknown_key(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return f'unknown key, did you mean "{close[0]}"?'
    return f"unknown key, expected one of: {', '.join(known)}" if known else "unknown key"


def phrase(error: ErrorDetails, *, hidden: bool = False) -> str:
    """Say pydantic's finding in our form; a hidden value (a secret) is never repeated."""
    said = error["msg"]
    match error["type"]:
        case "missing":
            return "missing, this block needs it"
        case "value_error":
            return said.removeprefix("Value error, ")
        case "too_short":
            return f"has {error['ctx']['actual_length']}, expected at least {error['ctx']['min_length']}"
        case "string_too_short":
            return "is empty or too short, expected text"
    if not said.startswith("Input should "):
        return said[:1].lower() + said[1:]
    expected = said.removeprefix("Input should ").removeprefix("be ").split(", unable to ")[0]
    return f"{_shown(error['input'], hidden=hidden)}, expected {_plainly(error['type'], expected)}"


_PLAINLY = {
    "string_type": "text",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "dict_type": "a block of keys",
    "mapping_type": "a block of keys",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
}


def _plainly(kind: str, expected: str) -> str:
    return _PLAINLY.get(kind, expected)


def _shown(value: object, *, hidden: bool) -> str:
    if value is None:
        return "is empty"
    if hidden:
        return "is not usable"
    if isinstance(value, dict):
        return "is a block of keys"
    if isinstance(value, (list, tuple)):
        return "is a list"
    if isinstance(value, bool):
        return f"is {str(value).lower()}"
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return f"is {shown}" if len(shown) <= SHOWN else "is not usable"

"""Validates a document's parts against their types and puts every finding where it stands in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ingest.config_channels import KINDS, AdapterSettings, Channel, ChannelSettings, adapter_model
from ingest.config_checks import Finding
from ingest.config_errors import ConfigErrors, Problem, phrase, unknown_key
from ingest.config_fields import keys_at, known_keys, rewrite
from ingest.config_values import Values
from ingest.config_yaml import At, Document, Place

_OF_THE_REST = {"too_short", "too_long"}
"""Counted without the items that were refused: said only when nothing else is."""
COMMON = frozenset(known_keys(ChannelSettings))


class Loading:
    """One document on its way to a configuration; collects problems instead of stopping at the first."""

    def __init__(self, document: Document, folder: Path, environment: Mapping[str, str]) -> None:
        self._document = document
        self._values = Values(document, folder, environment)
        self._problems = list(document.problems)
        self._warnings: list[Problem] = []

    @property
    def problems(self) -> list[Problem]:
        return [*self._problems, *self._values.problems]

    @property
    def warnings(self) -> list[Problem]:
        return [*self._warnings, *self._values.warnings]

    @property
    def secrets_written_out(self) -> frozenset[Place]:
        """Where a secret stands in the file itself."""
        return frozenset(self._document.values[at] for at in self._values.written_out)

    @property
    def files(self) -> frozenset[Path]:
        """The other files it refers to, whether they are there or not."""
        return frozenset(self._values.files)

    def part(self, kind: Any, at: At, value: object, *, known: Iterable[str] = ()) -> Any:  # noqa: ANN401 - of that kind
        """Resolve and validate what stands at `at`; None when it cannot be used, and the problems say why.

        `known` are further keys a misspelt key at `at` itself may have been meant as.
        """
        resolved = rewrite(kind, value, self._values.turn, at)
        spoiled = [place for place in self._values.spoiled if place[: len(at)] == at]
        try:
            valid = TypeAdapter(kind).validate_python(resolved)
        except ValidationError as error:
            self._note(error.errors(include_url=False), kind, at, value, known)
            return None
        return None if spoiled else valid

    def channel(self, name: str, block: object) -> Channel | None:
        """Validate a channel's block: the keys all channels have, and those of its kind."""
        at: At = ("channels", name)
        if not isinstance(block, dict):
            self.find([Finding(at, "expected a block of keys, kind first")])
            return None
        kind = block.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            self.part(ChannelSettings, at, {key: block[key] for key in block if key in COMMON})
            return None
        model = adapter_model(kind)
        own = set(known_keys(model))
        common = {key: value for key, value in block.items() if key in COMMON}
        rest = {key: value for key, value in block.items() if key in own or key not in COMMON}
        settings = self.part(ChannelSettings, at, common)
        adapter = self.part(model, at, rest, known=COMMON)
        if settings is None or not isinstance(adapter, AdapterSettings):
            return None
        return Channel(name=name, settings=settings, adapter=adapter)

    def find(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            text = self._values.without_secrets(finding.text)
            problem = self._document.problem(finding.at, text, on_key=finding.on_key)
            (self._problems if finding.fatal else self._warnings).append(problem)

    def read(self, reader: Callable[[Path], object], path: Path, at: At) -> None:
        """Read another file the configuration names; its problems are ours."""
        try:
            reader(path)
        except ConfigErrors as errors:
            if any(problem.line for problem in errors.problems):
                self._problems.extend(errors.problems)
            else:
                self.find(Finding(at, f"{problem.file}: {problem.text}") for problem in errors.problems)

    def _note(self, errors: list[ErrorDetails], kind: object, at: At, value: object, known: Iterable[str]) -> None:
        said: dict[At, list[str]] = {}
        for error in errors:
            place = self._place(error, at)
            if any(place[: len(spoiled)] == spoiled for spoiled in self._values.spoiled):
                continue
            if error["type"] == "extra_forbidden":
                keys = [*keys_at(kind, value, place[len(at) : -1]), *(known if len(place) == len(at) + 1 else ())]
                text = unknown_key(str(place[-1]), sorted(set(keys)))
                self._add(place, text, on_key=True)
            elif error["type"] not in _OF_THE_REST or len(errors) == 1:
                said.setdefault(place, []).append(phrase(error, hidden=self._is_hidden(place)))
        for place, phrases in said.items():
            self._add(place, _together(phrases))

    def _add(self, place: At, text: str, *, on_key: bool = False) -> None:
        self._problems.append(self._document.problem(place, self._values.without_secrets(text), on_key=on_key))

    def _is_hidden(self, place: At) -> bool:
        return any(place == hidden[: len(place)] or hidden == place[: len(hidden)] for hidden in self._values.hidden)

    def _place(self, error: ErrorDetails, at: At) -> At:
        location = error["loc"]
        if error["type"] == "missing":
            return (*self._way(location[:-1], at), location[-1])
        return self._way(location, at)

    def _way(self, location: At, at: At) -> At:
        """The way in the file; pydantic's has further steps, such as which arm of a union it tried."""
        if not location:
            return at
        further = (*at, location[0])
        skipped = self._way(location[1:], at)
        if further not in self._document.values:
            return skipped
        taken = self._way(location[1:], further)
        return taken if len(taken) >= len(skipped) else skipped


def _together(phrases: list[str]) -> str:
    """Say once what several arms of a union say of one value."""
    first, *others = dict.fromkeys(phrases)
    head, expected, _ = first.partition(", expected ")
    start = head + expected
    alike = [other.removeprefix(start) for other in others if other.startswith(start)]
    apart = [other for other in others if not other.startswith(start)]
    return "; ".join([" or ".join([first, *alike]), *apart])

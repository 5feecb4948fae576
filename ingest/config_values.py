"""Turns what stands in the file into what a field expects: references resolved, durations and paths understood."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from ingest.config_errors import Problem
from ingest.config_keys import looks_like_key, may_be_key
from ingest.config_yaml import At, Document
from ingest.secrets import FILE, SecretMissing, expand, is_open_to_all, read_secret, references

_DURATION = re.compile(r"(?:\d+(?:ms|[smhd]))+")
_PIECE = re.compile(r"(\d+)(ms|[smhd])")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
PLACES = ("folder", "archive")
"""Keys of paths that are folders: a share may be behind them, which nobody must have to wait for."""
HIDE_FROM = 4
"""A secret shorter than this is not looked for in messages: it would blot out common syllables."""


def duration(text: str) -> timedelta:
    """Read `30s`, `5m`, `2h`, `1d`, `1h30m`, `250ms`; raises ValueError for anything else."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f'"{text}" is not a duration, expected a number and its unit such as 30s, 5m, 2h or 1d')
    try:
        return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in _PIECE.findall(text)), timedelta())
    except OverflowError as error:
        raise ValueError(f'"{text}" is longer than can be counted') from error


class Values:
    """Turns the leaves of one document, keeping what went wrong and which words must never be repeated."""

    def __init__(self, document: Document, folder: Path, environment: Mapping[str, str]) -> None:
        self._document = document
        self._folder = folder
        self._environment = environment
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.spoiled: set[At] = set()
        """Where a value could not be had: what else is said of it would mislead."""
        self.hidden: set[At] = set()
        self.files: set[Path] = set()
        """The files that values are read from or refer to, whether they are there or not."""
        self.written_out: set[At] = set()
        """Where a secret stands in the file itself, or what may be one."""
        self._secrets: set[str] = set()

    def turn(self, kind: object, value: object, at: At) -> object:
        if kind in (str, SecretStr) and isinstance(value, (int, float)):
            value = self._document.written[at]
        if may_be_key(at, value):
            self.written_out.add(at)
            if looks_like_key(at, value):
                self._warn(at, "what looks like a key stands in the file itself; write ${NAME} or ${file:PATH} instead")
        try:
            return value if value is None else self._turned(kind, value, at)
        except (SecretMissing, ValueError) as error:
            self.problems.append(self._document.problem(at, self.without_secrets(str(error))))
            self.spoiled.add(at)
            return value

    def without_secrets(self, text: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _turned(self, kind: object, value: object, at: At) -> object:
        if kind is timedelta:
            return duration(self._text(str(value), at))
        if kind is SecretStr:
            self.hidden.add(at)
            return self._secret(str(value), at)
        if not isinstance(value, str):
            return value
        text = self._text(value, at)
        if kind is not Path or not text:
            return text
        path = self._folder / Path(text).expanduser()
        if at[-1] not in PLACES:
            self.files.add(path)
        return path

    def _text(self, value: str, at: At) -> str:
        text = self._expanded(value, at)
        if references(value):
            self._hide(text, at)
        return text

    def _secret(self, value: str, at: At) -> str:
        secret = self._expanded(value, at)
        if secret.startswith(FILE):
            path = self._file(secret)
            secret = read_secret(path)
            self._closed(path, at)
        elif not references(value):
            self.written_out.add(at)
            self._warn(at, "the secret stands in the file itself; write ${NAME} or file:/path/to/it instead")
        self._hide(secret, at)
        return secret

    def _expanded(self, value: str, at: At) -> str:
        paths = [self._file(one) for one in references(value) if one.startswith(FILE)]
        text = expand(value, self._environment, self._folder)
        for path in paths:
            self._closed(path, at)
        return text

    def _file(self, reference: str) -> Path:
        path = self._folder / reference.removeprefix(FILE)
        self.files.add(path)
        return path

    def _closed(self, path: Path, at: At) -> None:
        if is_open_to_all(path):
            self._warn(at, f"file:{path}: every user of this machine may read it; chmod 600 it")

    def _hide(self, text: str, at: At) -> None:
        self.hidden.add(at)
        if len(text) >= HIDE_FROM:
            self._secrets.add(text)

    def _warn(self, at: At, text: str) -> None:
        self.warnings.append(self._document.problem(at, text))

"""What several commands share: the configuration or its errors in lines, who asks, how far it is."""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from ingest.cli import UsersMistake, WrongUsage
from ingest.config import Config, ConfigErrors, load
from ingest.control import ask
from ingest.logs import configure
from ingest.operations import Answer, OperationRefused
from ingest.sayings.problems import language_for, said_in
from store.engine import CANNOT_OPEN, StoreClosed, StoreFailed
from store.migrate import MigrationBroken

STORE_REFUSES = (*CANNOT_OPEN, MigrationBroken)
"""Why a data folder cannot be opened; the message says what to do."""
OFTEN = 2.0
LOGIN, NOBODY_LOGGED_IN = Path("/proc/self/loginuid"), 2**32 - 1
"""Seconds between two lines of progress about one thing."""


class Misconfigured(UsersMistake):
    """The configuration cannot be used; where and why, in its own language."""

    said = True


def load_config(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration, or every error of it as the user's mistake, said as `xinqiao check` says it."""
    try:
        return load(path, environment)
    except ConfigErrors as error:
        said = said_in(language_for(error), error.problems)
        raise Misconfigured("\n".join(map(str, said))) from error


def perform(config: Config, operation: str, arguments: Mapping[str, Any]) -> Answer:
    """Have the daemon, or this process where none runs, do an operation."""
    configure("console", "warning")
    try:
        return asyncio.run(ask(config, operation, arguments, asker()))
    except (OperationRefused, StoreFailed, StoreClosed, *STORE_REFUSES) as error:
        raise UsersMistake(str(error)) from error
    except OSError as error:
        raise UsersMistake(f"{error.filename or config.data.folder}: {error.strerror}") from error
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]  # what follows may quote the row
        raise UsersMistake(f"{config.data.folder}: the database refuses: {said}") from error


def changes_of(command: str, written: Sequence[str]) -> dict[str, str]:
    """`FIELD=VALUE` by field; `FIELD=@FILE`: what the file holds. Raises WrongUsage."""
    changes = {}
    for one in written:
        field, sign, value = one.partition("=")
        if not sign or not field:
            raise WrongUsage(f'{command}: "{one}" is not understood, expected FIELD=VALUE')
        changes[field] = _content(command, value[1:]) if value.startswith("@") else value
    return changes


def asker() -> str:
    """Who gives the command: who logged in, whatever account he works as since (`sudo -u xinqiao`); where the system
    does not keep that, whom sudo names; else the account. A container's may have a number only.
    """
    return f"{_logged_in() or os.environ.get('SUDO_USER') or _name_of(os.getuid())}@command"


def _logged_in() -> str | None:
    try:
        number = int(LOGIN.read_text())
    except (OSError, ValueError):
        return None
    return None if number == NOBODY_LOGGED_IN else _name_of(number)


def _name_of(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _content(command: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise WrongUsage(f"{command}: {path}: {why}") from error


class Progress:
    """Lines on standard error: each thing's last word, and now and then one of those before."""

    def __init__(self, say: Callable[[str], str] = str) -> None:
        self._say, self._said = say, time.monotonic()

    def __call__(self, text: str, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._said >= OFTEN:
            self._said = now
            print(self._say(text), file=sys.stderr, flush=True)

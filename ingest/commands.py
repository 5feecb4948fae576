"""What several commands share: the configuration or its errors in lines, who asks, how far it is."""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from ingest.cli import UsersMistake, WrongUsage
from ingest.config import Config, ConfigErrors, Reach, load, reach
from ingest.config_sections import ServiceSettings
from ingest.control import ask, ask_daemon
from ingest.logs import configure
from ingest.operations import Answer, OperationRefused
from ingest.sayings.problems import language_for, said_in
from ingest.sayings.rewording import rewording
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


@dataclass(frozen=True)
class Refused:
    """A file that cannot be used, and what a command needs to ask the daemon that goes on with the one before."""

    reach: Reach
    why: Misconfigured

    @property
    def service(self) -> ServiceSettings:
        return self.reach.service


def installation(path: Path) -> Config | Refused:
    """The configuration, for commands that have operations performed: a daemon is reached also while its file is bad.
    Raises Misconfigured.
    """
    try:
        return load_config(path)
    except Misconfigured as why:
        if (found := reach(path)) is None:
            raise
        return Refused(found, why)


def perform(config: Config | Refused, operation: str, arguments: Mapping[str, Any]) -> Answer:
    """Have the daemon, or this process where none runs, do an operation."""
    configure("console", "warning")
    folder = config.reach.folder if isinstance(config, Refused) else config.data.folder
    try:
        if isinstance(config, Refused):
            return asyncio.run(_ask_all_the_same(config, operation, arguments))
        return asyncio.run(ask(config, operation, arguments, asker()))
    except (OperationRefused, StoreFailed, StoreClosed, *STORE_REFUSES) as error:
        raise UsersMistake(str(error)) from error
    except OSError as error:
        raise UsersMistake(in_a_line(error, folder)) from error
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]  # what follows may quote the row
        raise UsersMistake(f"{folder}: the database refuses: {said}") from error


def in_a_line(error: OSError, place: Path) -> str:
    """What the system says, and of which file; of a full disk it names none, but it is where this place is."""
    return f"{error.filename or place}: {error.strerror or error}"


async def _ask_all_the_same(config: Refused, operation: str, arguments: Mapping[str, Any]) -> Answer:
    """Of the daemon alone; that the file is refused is said as well. Raises Misconfigured: none listens."""
    language = config.service.language
    try:
        answer = await ask_daemon(config.reach.folder, language, operation, arguments, asker())
    except OSError as error:  # nothing is there
        raise config.why from error
    if answer is None:
        raise config.why
    warning = rewording(language)("the file as it stands is refused; the daemon goes on with the one before")
    print("\n".join(f"xinqiao: {line}" for line in (*str(config.why).splitlines(), warning)), file=sys.stderr)
    return answer


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

"""Brings secrets, and whatever else differs from one machine to the next, from the environment or a file."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path

FILE = "file:"
_NAMED = r"[A-Za-z_][A-Za-z0-9_]*|file:[^{}]+"
_REFERENCE = re.compile(rf"(?<!\$)\$\{{({_NAMED})\}}")
_LITERAL = re.compile(r"\$(\$\{)")
_MISWRITTEN = re.compile(rf"(?<!\$)\$\{{(?!(?:{_NAMED})\}})")


class SecretMissing(Exception):
    """What the configuration refers to is not there; the message never holds a value."""


def references(text: str) -> list[str]:
    """What a text refers to: NAME of the environment for `${NAME}`, `file:PATH` for `${file:PATH}`; `$${` is the text
    `${` itself.
    """
    return _REFERENCE.findall(text)


def expand(text: str, environment: Mapping[str, str], folder: Path) -> str:
    """Put the environment's values in the place of `${NAME}`, what files hold in that of `${file:PATH}`.

    Relative paths count from the folder.

    Raises:
        SecretMissing: a variable is not set or is empty, a file cannot be read or is empty, or what follows `${` is
            neither.
    """
    if _MISWRITTEN.search(text):
        raise SecretMissing(
            "${ begins no reference here, expected ${NAME} of letters, digits and _, or ${file:PATH};"
            " for the text itself write $${"
        )

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith(FILE):
            return read_secret(folder / name.removeprefix(FILE))
        if name not in environment:
            raise SecretMissing(f"${{{name}}}: environment variable {name} is not set")
        if not environment[name]:
            raise SecretMissing(f"${{{name}}}: environment variable {name} is empty")
        return environment[name]

    return _LITERAL.sub(r"\1", _REFERENCE.sub(value, text))


def read_secret(path: Path) -> str:
    """The content of a secret's file without the line end that closes it.

    Raises:
        SecretMissing: it cannot be read, is not UTF-8 text, or is empty.
    """
    try:
        secret = path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise SecretMissing(f"file:{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SecretMissing(f"file:{path}: is not text; write binary keys in base64") from error
    if not secret:
        raise SecretMissing(f"file:{path}: is empty")
    return secret


def is_open_to_all(path: Path) -> bool:
    """Whether every user of this machine may read or change it."""
    return bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))

"""The configuration as it may lie beside a backup: what the file says, without the secrets that stand in it."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.config import Config
from ingest.config_yaml import blotted

_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*:)(?!\$\{)[^\s/@]+(?=@)")
"""In an address: of a database, of a proxy."""


def copy_without_secrets(path: Path, config: Config) -> dict[str, bytes]:
    """The files of a configuration by name: itself, and the calendar it names. Raises OSError."""
    text = path.read_bytes().decode("utf-8-sig")
    shown = _PASSWORD.sub(r"\1***", blotted(text, config.secrets_written_out.__contains__))
    found = {"config.yaml": shown.encode()}
    if config.calendar is not None:
        found["calendar.yaml"] = config.calendar.read_bytes()
    return found

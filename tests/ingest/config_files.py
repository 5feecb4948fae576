"""Writes small configuration files for the tests and tells what loading them says."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from ingest.config import Config, ConfigErrors, load

KEY = base64.b64encode(b"k" * 32).decode()
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
ENVIRONMENT = {"KEY": KEY, "SECRET": SECRET, "PASSWORD": "korrekt-pferd-batterie", "TOKEN": "token-of-sixteen-or-more"}
SEALING = "sealing: {key: '${KEY}'}\n"
ENGLISH = "service: {language: en}\n"
TARGETS = "targets: {oa: {url: http://127.0.0.1:1/w, secret: '${SECRET}', restricted: true}}\n"
MAILBOX = "{kind: mailbox, host: mail.example, username: juzhang, password: '${PASSWORD}'}"


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(dedent(text), "utf-8")
    return path


def loaded(folder: Path, text: str, environment: Mapping[str, str] = ENVIRONMENT) -> Config:
    return load(write(folder, text), environment)


def refused(folder: Path, text: str, environment: Mapping[str, str] = ENVIRONMENT) -> list[str]:
    """What is said of a file that cannot be used, a line a problem, without the folder."""
    with pytest.raises(ConfigErrors) as caught:
        load(write(folder, text), environment)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]

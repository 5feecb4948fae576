"""What several commands share: the configuration or its errors in lines, and who asks."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingest.cli import UsersMistake
from ingest.config import Config, ConfigErrors, load
from ingest.control import ask
from ingest.operations import Answer, OperationRefused
from store.engine import StoreBusy
from store.migrate import MigrationBroken, TablesNewer
from store.sealing import SealBroken

STORE_REFUSES = (StoreBusy, SealBroken, TablesNewer, MigrationBroken)
"""Why a data folder cannot be opened; the message says what to do."""


def load_config(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration, or every error of it as the user's mistake."""
    try:
        return load(path, environment)
    except ConfigErrors as error:
        raise UsersMistake(str(error)) from error


def perform(path: Path, operation: str, arguments: Mapping[str, Any]) -> Answer:
    """Have the daemon, or this process where none runs, do an operation."""
    config = load_config(path)
    try:
        return asyncio.run(ask(config, operation, arguments, f"{getpass.getuser()}@command"))
    except (OperationRefused, *STORE_REFUSES) as error:
        raise UsersMistake(str(error)) from error

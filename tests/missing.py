"""What a test needs and this machine lacks: it is skipped; in CI, where nothing may be skipped, it fails."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str, remedy: str = "sh scripts/servers.sh installs it or says what is missing") -> NoReturn:
    """CI is asked for as make and scripts/servers.sh do: set to anything."""
    said = f"{what} is missing; {remedy}"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)

"""What the daemon loads, an office pays for day and night."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LOADED = "import sys, ingest.app, ingest.command_run; print('\\n'.join(sys.modules))"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a daemon that has just begun."""
    said = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, check=True, text=True)
    return set(said.stdout.split())


@pytest.mark.parametrize(
    ("what", "who"),
    [
        ("normalize.read", "the reading process"),
        ("sqlalchemy.dialects.postgresql", "an office on PostgreSQL"),
        ("psycopg", "an office on PostgreSQL"),
        ("cryptography.x509", "an office with certificates of its own"),
        ("alembic", "tables with a migration to come"),
        ("openpyxl", "the reading of exported files"),
        ("nh3", "the process that shows HTML"),
    ],
)
def test_the_daemon_does_not_load_what_only_some_need(loaded: set[str], what: str, who: str) -> None:
    assert what not in loaded, f"only {who} should load {what}"

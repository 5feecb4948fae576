"""A daemon's start, where not everything it does first can be done."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from ingest.app import Daemon
from ingest.office import open_office
from store import ledger
from tests.ingest.config_files import SEALING, TARGETS, loaded


def full(_: Connection, **__: object) -> int:
    raise OperationalError("UPDATE ledger", {}, sqlite3.OperationalError("database or disk is full"))


async def test_a_full_disk_does_not_keep_a_daemon_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an earlier life had in hand then comes back when its leases run out."""
    monkeypatch.setattr(ledger, "release_all", full)
    daemon = Daemon(open_office(loaded(tmp_path, f"{SEALING}{TARGETS}")), frozenset({"keep"}))

    await daemon.open()
    await daemon.close()

    assert "wait for their leases to run out" in capsys.readouterr().out


async def test_a_database_that_is_no_good_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_: Connection, **__: object) -> int:
        raise LookupError("no such lane")

    monkeypatch.setattr(ledger, "release_all", wrong)
    daemon = Daemon(open_office(loaded(tmp_path, f"{SEALING}{TARGETS}")), frozenset({"keep"}))

    with pytest.raises(LookupError):
        await daemon.open()
    await daemon.close()

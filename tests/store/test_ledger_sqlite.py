"""The ledger on SQLite keeps every promise of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from store import sqlite
from store.migrate import upgrade
from tests.store.conformance import LedgerConformance


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sqlite.writing(tmp_path / "xinqiao.db")
    upgrade(engine)
    yield engine
    engine.dispose()


class TestLedgerOnSqlite(LedgerConformance):
    pass

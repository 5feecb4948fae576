"""The ledger keeps every promise of a ledger, on either engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from store import sqlite
from store.database_clock import DatabaseClock
from store.migrate import upgrade
from store.postgres_connections import writing
from store.schema import history, ledger
from tests.postgres import Server
from tests.store.conformance import LedgerConformance


@pytest.fixture(scope="module")
def shared(postgres: Server) -> Iterator[Engine]:
    engine = writing(postgres.migrated(), 5, DatabaseClock())
    yield engine
    engine.dispose()


class TestLedgerOnSqlite(LedgerConformance):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        engine = sqlite.writing(tmp_path / "xinqiao.db")
        upgrade(engine)
        yield engine
        engine.dispose()


@pytest.mark.postgres
class TestLedgerOnPostgres(LedgerConformance):
    @pytest.fixture
    def engine(self, shared: Engine) -> Engine:
        with shared.begin() as conn:
            conn.execute(delete(ledger))
            conn.execute(delete(history))
        return shared

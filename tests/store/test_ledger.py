"""The ledger keeps every promise of a ledger, on either engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, delete, select

from store import ledger as steps
from store import sqlite
from store.database_clock import DatabaseClock
from store.migrate import upgrade
from store.postgres_connections import writing
from store.schema import history, ledger
from tests.postgres import Server
from tests.store.conformance import LedgerConformance, act, claim, enqueue, names
from tests.store.ledger_model import LEASE, NOW


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

    def test_what_is_held_is_not_claimed_meanwhile(self, engine: Engine) -> None:
        enqueue(engine, "a", key="case 1")
        enqueue(engine, "b", key="case 2")
        with engine.begin() as conn:
            steps.hold(conn, "read", "case 1")

            assert names(claim(engine)) == ["b"]

        assert names(claim(engine)) == ["a"]

    def test_who_holds_sees_what_was_being_claimed(self, engine: Engine) -> None:
        enqueue(engine, "a", key="case 1")

        def hold_and_look(conn: Connection) -> int:
            steps.hold(conn, "read", "case 1")
            return int(conn.execute(select(ledger.c.attempts)).scalar_one())

        with ThreadPoolExecutor(1) as pool:
            with engine.begin() as conn:
                steps.claim(conn, "read", now=NOW, lease=LEASE)
                seen = pool.submit(act, engine, hold_and_look)
                wait([seen], timeout=0.3)

            assert seen.result(timeout=60) == 1

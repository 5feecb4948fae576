"""What nobody else clears up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update

from ingest.sweeping import sweep
from store import ledger
from store.engine import open_store
from store.schema import account, session
from store.schema import ledger as steps

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


async def test_strays_are_opened_and_sessions_that_ran_out_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store("sqlite", tmp_path, b"k" * 32)

    def spoil(conn: Connection) -> None:
        ledger.enqueue(conn, "push:oa", {"delivery": 1}, key="case", now=NOW)
        conn.execute(update(steps).values(state=ledger.BLOCKED))  # its predecessor is gone
        conn.execute(insert(account).values(name="wang", role="clerk", password="-", created_at=NOW))
        for number, ends in ((1, NOW - timedelta(seconds=1)), (2, NOW + timedelta(seconds=1))):
            row = {"digest": f"{number}", "account": "wang", "csrf": "c", "expires_at": ends}
            conn.execute(insert(session).values(row))

    await store.write(spoil)
    await sweep(store, lambda: NOW)

    assert await store.read(lambda conn: conn.execute(select(steps.c.state)).scalar_one()) == ledger.READY
    assert await store.read(lambda conn: conn.execute(select(session.c.digest)).scalars().all()) == ["2"]
    assert "strays opened" in capsys.readouterr().out
    store.close()

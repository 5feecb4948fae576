"""What the pulse tells of doors and targets, for everybody to read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from dispatch.targets import set_state
from ingest import channels
from ingest.console.settings import Readiness
from ingest.metrics import Metrics
from ingest.pulse import Pulse
from store.engine import Store, open_store

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store("sqlite", tmp_path, b"k" * 32)
    yield opened
    opened.close()


async def test_states_are_told_and_no_error_s_words(store: Store) -> None:
    def trouble(conn: Connection) -> None:
        for name in ("letters", "hotline", "box"):
            channels.enrol(conn, name, NOW, NOW)
        channels.failed(conn, "letters", channels.REFUSED, "顾晓棠.pdf", NOW)
        channels.answered(conn, "hotline", NOW)
        set_state(conn, "oa", "unavailable", "顾晓棠: no such field", NOW)

    await store.write(trouble)
    pulse = Pulse(store, Metrics(), lambda: NOW, ["letters", "hotline", "box", "new"], ["oa", "b"])
    await pulse.look()

    assert pulse.health.doors == {
        "letters": Readiness(ready=False, state="refused"),
        "hotline": Readiness(ready=True, state="open"),
        "box": Readiness(ready=False, state="not polled yet"),
        "new": Readiness(ready=False, state="not polled yet"),
    }
    assert pulse.health.targets == {
        "oa": Readiness(ready=False, state="unavailable"),
        "b": Readiness(ready=True, state="open"),
    }

"""What the pulse tells of doors and targets, for everybody to read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from dispatch.retry import RetrySettings
from dispatch.targets import admit, note_trouble
from ingest import channels
from ingest.health import Readiness
from ingest.metrics import Metrics
from ingest.parts import answer_due
from ingest.poller import PATIENCE
from ingest.pulse import Pulse
from store.engine import Store, TransactionLost, open_store
from tests.ingest.config_files import MAILBOX, SEALING, TARGETS, loaded
from tests.patience import until
from tests.place import Place

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
        admit(conn, "oa", None, room=1, now=NOW)
        note_trouble(conn, "oa", RetrySettings(), "顾晓棠: no such field", None, now=NOW, chance=0, probe=False)

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


async def test_a_database_that_can_be_read_and_not_written_is_not_ready(store: Store) -> None:
    async def fill_up(pages: str) -> None:
        await store.write(lambda conn: conn.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar_one())

    def grow(conn: Connection) -> None:
        for number in range(1000):
            channels.enrol(conn, f"door {number} {'x' * 2000}", NOW, NOW)

    metrics = Metrics()
    pulse = Pulse(store, metrics, lambda: NOW, [], [])
    await pulse.look()
    ready = [pulse.health.ready]

    await fill_up("1")  # no fewer than there are
    with pytest.raises(TransactionLost):
        await store.write(grow)
    await pulse.look()

    assert pulse.health.database == Readiness(ready=False, state="unavailable")
    assert metrics.registry.get_sample_value("xinqiao_database_open") == 0
    ready.append(pulse.health.ready)

    await fill_up("1000000")
    await store.write(grow)
    await pulse.look()

    ready.append(pulse.health.ready)
    assert ready == [True, False, True]
    assert metrics.registry.get_sample_value("xinqiao_database_open") == 1


async def test_a_door_that_has_not_answered_for_long_is_not_open_whatever_it_last_said(store: Store) -> None:
    await store.write(lambda conn: channels.enrol(conn, "hotline", NOW, NOW))
    await store.write(lambda conn: channels.answered(conn, "hotline", NOW))
    now = NOW
    pulse = Pulse(store, Metrics(), lambda: now, ["hotline"], [], {"hotline": lambda last: last + timedelta(hours=1)})
    await pulse.look()

    assert pulse.health.doors["hotline"].state == "open"

    now = NOW + timedelta(hours=1, seconds=1)
    await pulse.look()

    assert pulse.health.doors["hotline"] == Readiness(ready=False, state="silent")


def test_a_door_may_miss_two_polls_and_sleeps_at_night(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        SEALING + TARGETS + "channels:\n"
        f"  quick: {MAILBOX[:-1]}, every: 60s, jitter: 0s}}\n"
        f'  office_hours: {MAILBOX[:-1]}, folder: other, cron: "0 9 * * mon-fri", jitter: 0s}}\n',
    )
    quick, hours = (config.channels[name].settings for name in ("quick", "office_hours"))
    friday = datetime(2026, 3, 6, 1, 0, 5, tzinfo=UTC)

    assert answer_due(quick, config, NOW) == NOW + timedelta(minutes=3) + PATIENCE
    assert answer_due(hours, config, friday) == datetime(2026, 3, 11, 1, 0, tzinfo=UTC) + PATIENCE


async def test_once_doors_and_targets_are_ready_it_is_told_at_once_after_the_start(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.pulse.BEAT", timedelta(hours=1))
    store = await asyncio.to_thread(open_store, place.database, place.folder, b"k" * 32)
    await store.write(lambda conn: channels.enrol(conn, "hotline", NOW, NOW))
    pulse, stopping = Pulse(store, Metrics(), lambda: NOW, ["hotline"], []), asyncio.Event()
    running = asyncio.create_task(pulse.run(stopping))
    await until(lambda: pulse.health.doors == {"hotline": Readiness(ready=False, state="not polled yet")})
    await store.write(lambda conn: channels.answered(conn, "hotline", NOW))
    await until(lambda: pulse.health.ready)

    stopping.set()
    store.wakes.ring_waiting()
    await running
    await asyncio.to_thread(store.close)

"""What Prometheus is told of the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from sqlalchemy import insert

from dispatch.answer import Verdict
from ingest.metrics import Metrics
from store import ledger
from store.engine import Store, StoreUnreachable
from store.schema import alarm
from tests.ingest.desk import NOW, Desk, open_desk, reading

LATER = NOW + timedelta(hours=2)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield opened


def told(store: Store) -> list[str]:
    metrics = Metrics()
    metrics.watch(store, lambda: LATER)
    return generate_latest(metrics.registry).decode().splitlines()


def test_what_waits_is_counted_when_somebody_asks(desk: Desk) -> None:
    desk.take_in(reading())
    published = desk.now
    desk.write(lambda conn: ledger.enqueue(conn, "push:oa", {"delivery": 9}, key="another", now=NOW))

    lines = told(desk.store)

    assert 'xinqiao_steps{lane="push:oa",state="ready"} 2.0' in lines
    assert "xinqiao_quarantine 0.0" in lines
    assert 'xinqiao_deliveries{state="waiting",target="oa"} 1.0' in lines
    assert 'xinqiao_deliveries{state="rejected",target="oa"} 0.0' in lines
    assert f'xinqiao_oldest_delivery_seconds{{target="oa"}} {(LATER - published).total_seconds()}' in lines


def test_what_opens_a_case_is_timed_from_its_door_to_the_oa(desk: Desk) -> None:
    metrics, second = Metrics(), timedelta(seconds=1)
    metrics.attempted("oa", Verdict.DELIVERED, second, 2 * second, 40 * second)
    metrics.attempted("oa", Verdict.DELIVERED, second, 2 * second, None)
    metrics.attempted("oa", Verdict.AGAIN, second, 2 * second, 40 * second)
    metrics.attempted("oa", Verdict.DELIVERED, second, None, None)  # once more

    lines = generate_latest(metrics.registry).decode().splitlines()

    assert 'xinqiao_door_to_oa_seconds_count{target="oa"} 1.0' in lines
    assert 'xinqiao_door_to_oa_seconds_sum{target="oa"} 40.0' in lines
    assert 'xinqiao_event_age_seconds_count{target="oa"} 2.0' in lines


def test_alarms_that_last_are_counted_by_kind(desk: Desk) -> None:
    rows = [
        {"key": f"door_down:{name}", "kind": "door_down", "facts": {}, "since": NOW, "told_at": NOW} for name in "ab"
    ]
    digest = {"key": "digest", "kind": "digest", "facts": {}, "since": NOW, "told_at": NOW}
    desk.write(lambda conn: conn.execute(insert(alarm), [*rows, digest]).close())

    lines = told(desk.store)

    assert [line for line in lines if line.startswith("xinqiao_alarms")] == ['xinqiao_alarms{kind="door_down"} 2.0']


def test_acts_are_counted_with_the_transactions_they_shared(desk: Desk) -> None:
    before = desk.store.written
    for _ in range(3):
        desk.write(lambda conn: conn.exec_driver_sql("SELECT 1").close())

    now = desk.store.written
    assert (now.transactions - before.transactions, now.acts - before.acts) == (3, 3)
    assert f"xinqiao_store_acts_total {float(now.acts)}" in told(desk.store)


def test_a_database_that_is_gone_leaves_the_other_numbers(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_act: object) -> None:
        raise StoreUnreachable("the database does not answer")

    monkeypatch.setattr(desk.store, "read_now", gone)

    lines = told(desk.store)

    assert any(line.startswith("xinqiao_store_transactions_total") for line in lines)
    assert not any(line.startswith("xinqiao_steps{") for line in lines)

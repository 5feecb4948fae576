"""The primary is gone for good and its standby takes over: who writes goes on, and nothing acknowledged is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from store.backup import back_up
from store.engine import open_store
from store.snapshot import snapshot
from tests.postgres import Server, address_of_both, running_pair
from tests.store.acts import kinds, note
from tests.store.keys import MASTER, NOW
from tests.store.load import WORKERS, load_on

pytestmark = pytest.mark.postgres
WRITES = 400
"""Before the fail-over, and after it."""


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    with running_pair() as both:
        yield both


def where(conn: Connection) -> tuple[int, bool]:
    """Which server it is, and whether it is a standby."""
    port, standby = conn.execute(text("SELECT current_setting('port')::int, pg_is_in_recovery()")).one()
    return port, standby


def test_when_the_primary_dies_under_load_its_standby_is_written_to(
    pair: tuple[Server, Server], tmp_path: Path
) -> None:
    primary, standby = pair
    address = address_of_both(pair, primary.migrated())
    with load_on(address, tmp_path) as load:
        load.wait_for(WRITES)
        primary.kill()
        before = len(load.told)
        standby.promote()
        load.wait_for(WRITES)

    assert before >= WRITES - WORKERS
    assert len(load.told) > before
    assert len(load.unknown) <= WORKERS


def test_writers_and_readers_find_the_new_primary(pair: tuple[Server, Server], tmp_path: Path) -> None:
    primary, standby = pair
    address = address_of_both(pair, primary.migrated())
    store = open_store(address, tmp_path, MASTER)
    seen = [store.submit(where).result(60), store.read_now(where)]
    primary.kill()
    standby.promote()
    seen += [store.submit(where).result(60), store.read_now(where)]
    store.close()

    assert seen == [(primary.port, False)] * 2 + [(standby.port, False)] * 2


def test_a_backup_is_the_primary_s_though_its_standby_stands_first(
    pair: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    primary, standby = pair
    monkeypatch.setenv("PATH", f"{primary.programs}:{os.environ['PATH']}")
    address = address_of_both((standby, primary), primary.migrated())
    store = open_store(address, tmp_path / "data", MASTER)
    standby.say("SELECT pg_wal_replay_pause()")  # what it has is old
    store.submit(note("taken in")).result(60)
    wanted = len(kinds(store))
    store.close()

    with snapshot(address, tmp_path / "data") as taken:
        made = back_up(taken, tmp_path / "data" / "blobs", tmp_path / "made", {}, "xinqiao test", NOW, print)

    assert made.rows["history"] == wanted


def test_the_hosts_may_stand_one_by_one_in_the_address(pair: tuple[Server, Server], tmp_path: Path) -> None:
    """As SQLAlchemy writes them: ?host=a:port&host=b:port; the standby may come first."""
    primary, standby = pair
    name = primary.migrated().partition("@/")[2].partition("?")[0]
    hosts = "&".join(f"host={one.folder}:{one.port}" for one in (standby, primary))
    store = open_store(f"postgresql+psycopg://postgres@/{name}?{hosts}", tmp_path, MASTER)

    assert store.submit(where).result(60) == (primary.port, False)
    store.close()

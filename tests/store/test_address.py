"""An address is shown without what opens it, wherever it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg.pq import Conninfo
from sqlalchemy import make_url
from structlog.testing import capture_logs

from store.acts import StoreFailed
from store.address import SECRETS, shown
from store.engine import open_store
from store.looking import looked_at
from store.move_target import Target
from store.restore import Place, restore
from store.snapshot import snapshot
from tests.postgres import Server, shut
from tests.store.keys import MASTER

SECRET = "open-sesame"


def look(address: str, folder: Path) -> Any:
    with looked_at(address, folder, MASTER):
        pass


def take(address: str, folder: Path) -> Any:
    with snapshot(address, folder):
        pass


def test_no_secret_is_shown_wherever_in_the_address_it_stands() -> None:
    behind = "&".join(f"{name}={SECRET}" for name in SECRETS)
    url = make_url(f"postgresql+psycopg://u:{SECRET}@h/db?sslmode=require&{behind}")

    assert shown(url) == "postgresql+psycopg://u:***@h/db?sslmode=require"


def test_whatever_libpq_itself_hides_is_hidden() -> None:
    assert {one.keyword.decode() for one in Conninfo.get_defaults() if b"*" in one.dispchar} <= set(SECRETS)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "reach",
    [
        lambda address, folder: open_store(address, folder, MASTER),
        lambda address, folder: Target(address),
        look,
        take,
        lambda address, folder: restore(folder, Place(folder, address), MASTER, lambda _: None),
    ],
    ids=["open", "move", "verify", "backup", "restore"],
)
def test_a_database_that_cannot_be_reached_is_named_without_its_secret(
    postgres: Server, tmp_path: Path, reach: Callable[[str, Path], object]
) -> None:
    gone = f"{postgres.address('gone')}&password={SECRET}"

    with pytest.raises(StoreFailed, match="gone") as failed:
        reach(gone, tmp_path)
    assert SECRET not in str(failed.value)


@pytest.mark.postgres
def test_a_move_s_note_and_the_log_of_a_database_that_answers_again_hold_no_secret(
    postgres: Server, tmp_path: Path
) -> None:
    address = f"{postgres.database()}&password={SECRET}"
    with closing(Target(address)) as target:
        place = target.place
    with closing(open_store(address, tmp_path, MASTER)) as store, capture_logs() as logs:
        with shut(postgres, address):
            waiting = store.submit(lambda conn: conn.exec_driver_sql("SELECT 1").scalar_one())
            while not logs:
                time.sleep(0)  # another thread's
        waiting.result(60)
        latest = time.monotonic() + 60
        while len(logs) < 2 and time.monotonic() < latest:  # said by whichever thread finds it so
            time.sleep(0.01)
    postgres.drop(address)

    assert [one["event"] for one in logs] == ["database does not answer; work waits", "database answers again"]
    assert SECRET not in place + str(logs)

"""Case numbers have no gap, whatever becomes of the transactions that draw them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from ingest import register
from ingest.verifying.finding import Proof
from ingest.verifying.registered import prove_register
from normalize.reading import Signal, SignalKind
from store.looking import looked_at
from store.postgres_connections import writing
from store.schema import cases
from tests.ingest.desk import NOW, Desk, open_desk, reading
from tests.place import Place
from tests.postgres import Server

KEY = b"k" * 32
DYING = """
import sys
from pathlib import Path
from tests.ingest.desk import open_desk, reading
from tests.place import Place
with open_desk(Place(Path(sys.argv[1]), sys.argv[2])) as desk:
    desk.take_in(reading("sunshine:" + sys.argv[3]), key=sys.argv[3])
"""
"""One case, unless it dies before."""


class Overturned(Exception):
    """What goes wrong after a number was drawn."""


def numbers(desk: Desk) -> list[str]:
    wanted = select(cases.c.case_no).order_by(cases.c.case_no)
    return list(desk.store.read_now(lambda conn: conn.execute(wanted).scalars().all()))


def up_to(last: int) -> list[str]:
    return [f"2026-{number:06d}" for number in range(1, last + 1)]


def findings(place: Place) -> list[str]:
    with looked_at(place.database, place.folder, KEY) as look:
        return [one.what for one in prove_register(Proof(look, lambda *_: None))]


def overturn(conn: Connection) -> None:
    register.next_numbers(conn, 2026, 3)
    raise Overturned


def work(desk: Desk, worker: int) -> None:
    """Cases, and between them transactions that draw numbers and fail."""
    for number in range(6):
        name = f"{worker}.{number}"
        desk.take_in(reading(f"sunshine:{name}"), key=name)
        with suppress(Overturned):
            desk.write(overturn)


def test_many_writers_some_of_whom_fail_leave_no_gap(place: Place) -> None:
    with open_desk(place) as desk, ThreadPoolExecutor(4) as workers:
        desks = [Desk(desk.store, desk.desk, NOW) for _ in range(4)]
        list(workers.map(work, desks, range(4)))

        assert numbers(desk) == up_to(24)
        assert findings(place) == []


@pytest.mark.postgres
def test_several_processes_stores_whose_connections_are_cut_leave_no_gap(postgres: Server, tmp_path: Path) -> None:
    place = Place(tmp_path, postgres.migrated())
    with ExitStack() as opened:
        desks = [opened.enter_context(open_desk(place)) for _ in range(3)]
        workers = opened.enter_context(ThreadPoolExecutor(4))
        working = [workers.submit(work, desk, number) for number, desk in enumerate(desks)]
        for _ in range(5):
            _draw_and_be_cut_off(desks[0], place.database)
        for one in working:
            one.result(120)

        assert numbers(desks[0]) == up_to(18)
        assert findings(place) == []
    postgres.drop(place.database)


def _draw_and_be_cut_off(desk: Desk, database: str) -> None:
    """A transaction that has drawn numbers, and whose server process is ended by an administrator."""
    engine = writing(database, 1, desk.store._database._clock)  # type: ignore[attr-defined]
    kill = text("SELECT pg_terminate_backend(:pid, 20000)")
    with suppress(DBAPIError), engine.connect() as conn:  # it is closed with a word to a server that is gone
        register.next_numbers(conn, 2026, 5)
        pid = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        desk.store.read_now(lambda other: other.execute(kill, {"pid": pid}))
        with pytest.raises(DBAPIError):
            conn.commit()
    engine.dispose()


def test_a_process_that_dies_with_a_number_in_its_hand_leaves_no_gap(place: Place) -> None:
    died = 0
    for number, at in enumerate(["store.commit:2", "", "store.committed:2", "store.commit:1", ""]):
        command = [sys.executable, "-c", DYING, str(place.folder), place.database, f"X{number}"]
        ended = subprocess.run(command, env={**os.environ, "XINQIAO_CRASH_AT": at}, capture_output=True, check=False)
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
        died += ended.returncode != 0

    with open_desk(place) as desk:
        desk.now += timedelta(hours=1)
        desk.take_in(reading("sunshine:last"), key="last")
        found = numbers(desk)
    assert died == 3
    assert found == up_to(len(found))
    assert findings(place) == []


def test_a_withdrawn_case_keeps_its_number(place: Place) -> None:
    with open_desk(place) as desk:
        gone = Signal(SignalKind.WITHDRAWN, "w1", NOW)
        for number in range(3):
            desk.take_in(reading(f"sunshine:X{number}", signals=(gone,) if number == 1 else ()), key=f"X{number}")

        assert numbers(desk) == up_to(3)
        assert findings(place) == []


def test_a_year_begins_with_one_and_the_one_before_stays_complete(place: Place) -> None:
    with open_desk(place) as desk:
        desk.take_in(reading("sunshine:old"), key="old")
        desk.now += timedelta(days=365)
        desk.take_in(reading("sunshine:new"), key="new")

        assert numbers(desk) == ["2026-000001", "2027-000001"]
        assert findings(place) == []

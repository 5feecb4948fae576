"""New cases a second, and reminders told a second: what one register and one keeper of clocks can do.

    python -m bench.cases [--cases 1000] [--rounds 3]

Cases: mails that are stored and read already are accepted by fifty, as the reader does it: numbered, revised, recorded,
announced, their steps ended. On SQLite by one process, on PostgreSQL by one and by four at once, on these processors.
Reminders: two terms of each of so many cases are over at once, and one keeper tells of them; half of its time it leaves
to others.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from shutil import rmtree

from sqlalchemy import Connection, func, select, update

from bench.office import KEY, carry_over
from bench.processes import middle
from bench.stored import arrivals, desk_of, fill, plain_mails
from ingest.almanac import Almanac
from ingest.cases import Read
from ingest.clock_keeper import ClockKeeper
from normalize.calendar import WorkCalendar
from store import ledger
from store.engine import open_store
from store.ledger import Claim
from store.schema import cases, reminder
from tests.postgres import running_postgres

_gate: dict[str, Barrier] = {}
"""Where the processes of one measurement meet, when each has read its mails."""
MASTER = base64.b64decode(KEY)
TOGETHER = 50
PROCESSES = 4
OVERDUE = timedelta(days=25)
"""After a mail came: the fifteen days for a notice and fifteen working days for a reply are over."""


def new_cases(database: str, folder: Path, number: int, processes: int) -> float:
    """Accepted a second, by all together."""
    share, spawn = number // processes, multiprocessing.get_context("spawn")
    with closing(open_store(database, folder, MASTER)):  # its tables and keys are made once
        pass
    with ProcessPoolExecutor(processes, spawn, _meet_at, (spawn.Barrier(processes),)) as pool:
        spans = list(pool.map(partial(_accept, database, folder, share), range(processes)))
    return share * processes / (max(end for _, end in spans) - min(start for start, _ in spans))


def _meet_at(barrier: Barrier) -> None:
    _gate["ready"] = barrier


def _accept(database: str, folder: Path, number: int, place: int) -> tuple[float, float]:
    """From when to when it took one process."""
    now = datetime.now(UTC)
    with closing(open_store(database, folder, MASTER)) as store:
        desk = desk_of(store)
        taken = arrivals(store, f"bench-{place}", plain_mails(f"bench-{place}", number), now)

        def write(conn: Connection, some: Sequence[tuple[Claim, Read]]) -> None:
            ledger.done_many(conn, [claim for claim, _ in some])
            desk.accept(conn, [one for _, one in some], now)

        _gate["ready"].wait(600)
        started = time.monotonic()
        for first in range(0, number, TOGETHER):
            some = taken[first : first + TOGETHER]
            store.submit(partial(write, some=some)).result()
        return started, time.monotonic()


def reminders(database: str, folder: Path) -> float:
    """Told a second."""
    with closing(open_store(database, folder, MASTER)) as store:
        store.submit(lambda conn: conn.execute(update(cases).values(next_reminder_at=datetime.now(UTC)))).result()
        late = datetime.now(UTC) + OVERDUE
        keeper = ClockKeeper(store, desk_of(store), Almanac(WorkCalendar()), lambda: late)
        began = time.monotonic()
        asyncio.run(keeper.round(asyncio.Event()))
        took = time.monotonic() - began
        told = store.read_now(lambda conn: conn.execute(select(func.count()).select_from(reminder)).scalar_one())
    return told / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    options = parser.parse_args()
    number = options.cases
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name, running_postgres(careful=True) as server:

        def note(what: str, rate: float) -> None:
            found.setdefault(what, []).append(rate)

        for _ in range(options.rounds):
            place = Path(name) / "round"
            note("new cases/s, SQLite", new_cases("sqlite", place / "sqlite", number, 1))
            for several in (1, PROCESSES):
                what = f"new cases/s, PostgreSQL, processes: {several}"
                note(what, new_cases(server.database(), place / f"postgresql-{several}", number, several))
            fill(place / "overdue" / "data", number)
            address = server.database()
            carry_over(place / "overdue", address)
            note("reminders told/s, PostgreSQL, one keeper", reminders(address, place / "overdue" / "data"))
            fill(place / "again" / "data", number)
            note("reminders told/s, SQLite, one keeper", reminders("sqlite", place / "again" / "data"))
            rmtree(place)
    print(f"{number} cases, by {TOGETHER}, middle of {options.rounds} rounds (lowest to highest)")
    for what, rates in found.items():
        print(f"{what:58}{middle(rates):8,.0f}  ({min(rates):,.0f} to {max(rates):,.0f})")


if __name__ == "__main__":
    main()

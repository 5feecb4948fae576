"""How much of the database's speed the store leaves, and what lies waiting costs: beside a bare script doing the same.

    python -m bench.store [--parked 0,55000,550000] [--sqlite | --postgres] [--rounds 5] [--folder FOLDER]

On both engines, unless told which; PostgreSQL is started for it from Debian's programs. Parked steps lie in the table
meanwhile: half of them postponed, each with another blocked behind it. All is measured in turns on one disk, and the
best round counts, as what else the machine does only slows it: the ratios mean more than the rates.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import TypeAlias

import psycopg
from sqlalchemy import Connection, insert

from bench import bare
from store import ledger
from store.engine import BATCH, Store, open_store
from store.ledger import Claim
from store.schema import ledger as rows
from tests.postgres import name_of, running_postgres

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEASE = timedelta(minutes=5)
KEY = bytes(32)
PAYLOAD = json.loads(bare.PAYLOAD)
SINGLE, MANY = 200, 2000
PROCESSES = 4


class Ours:
    """The store, as the daemon uses it: from an event loop."""

    def __init__(self, store: Store, others: Sequence[Pipe] = ()) -> None:
        self._store, self._others = store, others

    def add(self, lane: str, number: int) -> None:
        async def run() -> None:
            for _ in range(number):
                await self._store.write(lambda conn: ledger.enqueue(conn, lane, PAYLOAD, now=NOW))

        asyncio.run(run())

    def add_at_once(self, lane: str, number: int, *, keyed: bool) -> None:
        async def add(n: int) -> None:
            key = f"{lane} {n // 2}" if keyed else None
            await self._store.write(lambda conn: ledger.enqueue(conn, lane, PAYLOAD, now=NOW, key=key))

        async def run() -> None:
            await asyncio.gather(*(add(n) for n in range(number)))

        asyncio.run(run())

    def work_off(self, lane: str) -> None:
        async def end(claims: Sequence[Claim]) -> None:
            await self._store.write(lambda conn: ledger.done_many(conn, claims))

        asyncio.run(self._work_off(lane, end))

    def work_off_singly(self, lane: str) -> None:
        async def end_one(held: Claim) -> None:
            await self._store.write(lambda conn: ledger.done(conn, held))

        async def end(claims: Sequence[Claim]) -> None:
            await asyncio.gather(*(end_one(held) for held in claims))

        asyncio.run(self._work_off(lane, end))

    def work_off_together(self, lane: str) -> None:
        """By processes that share the lane."""
        for other in self._others:
            other.send(lane)
        for other in self._others:
            other.recv()

    async def _work_off(self, lane: str, end: Callable[[Sequence[Claim]], Awaitable[None]]) -> None:
        while claims := await self._store.write(
            lambda conn: ledger.claim(conn, lane, now=NOW, lease=LEASE, limit=BATCH)
        ):
            await end(claims)


Side: TypeAlias = Ours | bare.Bare
ADD, ADD_AT_ONCE, ADD_KEYED = "one write after another", "writes at once", "writes at once, two of a key"
CLAIM, CLAIM_KEYED = "claim and end by 50", "two of a key, claim and end by 50"
CLAIM_TOGETHER, CLAIM_SINGLY = f"the same, by {PROCESSES} processes", "claim 50, end each by itself"


def measure(side: Side, turn: int, *, shared: bool) -> dict[str, float]:
    """Steps a second, by what is done; each turn has lanes of its own."""
    plain, keyed = f"lane {turn}", f"keyed {turn}"
    found = {ADD: _rate(SINGLE, lambda: side.add(plain, SINGLE))}
    side.work_off(plain)
    found[ADD_AT_ONCE] = _rate(MANY, lambda: side.add_at_once(plain, MANY, keyed=False))
    found[CLAIM] = _rate(MANY, lambda: side.work_off(plain))
    found[ADD_KEYED] = _rate(MANY, lambda: side.add_at_once(keyed, MANY, keyed=True))
    found[CLAIM_KEYED] = _rate(MANY, lambda: side.work_off(keyed))
    if shared:
        side.add_at_once(keyed, MANY, keyed=True)
        found[CLAIM_TOGETHER] = _rate(MANY, lambda: side.work_off_together(keyed))
    side.add_at_once(plain, MANY, keyed=False)
    found[CLAIM_SINGLY] = _rate(MANY, lambda: side.work_off_singly(plain))
    return found


def _rate(number: int, act: Callable[[], None]) -> float:
    start = time.perf_counter()
    act()
    return number / (time.perf_counter() - start)


@dataclass(frozen=True)
class Place:
    """Two databases in which as many steps are parked."""

    parked: int
    ours: Ours
    bare: bare.Bare


@contextmanager
def on_sqlite(folder: Path, parked: Sequence[int]) -> Iterator[list[Place]]:
    with ExitStack() as opened:
        places = []
        for number in parked:
            here, there = folder / f"{number}", folder / f"{number} bare"
            _prepare("sqlite", here, number)
            shutil.copytree(here, there)
            store = open_store("sqlite", here, KEY)
            opened.callback(store.close)
            places.append(Place(number, Ours(store), bare.OnSqlite(there)))
        yield places


@contextmanager
def on_postgres(folder: Path, parked: Sequence[int]) -> Iterator[list[Place]]:
    with ExitStack() as opened:
        server = opened.enter_context(running_postgres(careful=True))
        places = []
        for number in parked:
            database, here = server.migrated(), folder / f"{number}"
            here.mkdir()
            _prepare(database, here, number)
            there = server.database(name_of(database))
            for one in (database, there):
                _tidy(one)
            store = open_store(database, here, KEY)
            opened.callback(store.close)
            others = opened.enter_context(_others(database, here))
            places.append(Place(number, Ours(store, others), bare.OnPostgres(there)))
        server.say("CHECKPOINT")
        yield places


def _prepare(database: str, folder: Path, parked: int) -> None:
    store = open_store(database, folder, KEY)
    store.submit(partial(_park, number=parked)).result()
    store.close()


def _park(conn: Connection, number: int) -> None:
    """A lane full of postponed and blocked steps, as after a day on which the OA was down."""
    later = NOW + timedelta(days=1)
    parked = [
        {"lane": "push:down", "key": f"case {n // 2}", "state": "blocked" if n % 2 else "ready", "due": later}
        | {"payload": PAYLOAD, "created_at": NOW}
        for n in range(number)
    ]
    if parked:
        conn.execute(insert(rows), parked)


def _tidy(database: str) -> None:
    """As it would be after a quiet minute: vacuumed, and known to the planner."""
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE ledger")


@contextmanager
def _others(database: str, folder: Path) -> Iterator[list[Pipe]]:
    """Processes that work off a lane when told its name, and say when nothing is left of it."""
    fresh = multiprocessing.get_context("spawn")
    pipes = [fresh.Pipe() for _ in range(PROCESSES)]
    processes = [fresh.Process(target=_take_part, args=(there, database, folder), daemon=True) for _, there in pipes]
    for process, (_, there) in zip(processes, pipes, strict=True):
        process.start()
        there.close()  # one that dies is heard of
    try:
        yield [here for here, _ in pipes]
    finally:
        for here, _ in pipes:
            here.send(None)
        for process in processes:
            process.join()


def _take_part(pipe: Pipe, database: str, folder: Path) -> None:
    store = open_store(database, folder, KEY)
    while lane := pipe.recv():
        Ours(store).work_off(lane)
        pipe.send(lane)
    store.close()


def compare(places: Sequence[Place], rounds: int, *, shared: bool) -> list[tuple[dict[str, float], dict[str, float]]]:
    """By place, the best rates of the store and of the bare script, measured in turns."""
    found: list[tuple[list[dict[str, float]], list[dict[str, float]]]] = [([], []) for _ in places]
    for turn in range(rounds):
        for place, (ours, theirs) in zip(places, found, strict=True):
            theirs.append(measure(place.bare, turn, shared=shared))
            ours.append(measure(place.ours, turn, shared=shared))
    return [(_best(ours), _best(theirs)) for ours, theirs in found]


def _best(turns: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: max(turn[name] for turn in turns) for name in turns[0]}


def show(
    engine: str, rounds: int, parked: Sequence[int], found: Sequence[tuple[dict[str, float], dict[str, float]]]
) -> None:
    print(f"{engine}: steps a second, best of {rounds} rounds (and by how much faster than the bare script)")
    last = f"{parked[-1]:,} : {parked[0]:,}" if len(parked) > 1 else ""
    print(f"{'steps parked':36}" + "".join(f"{number:>18,}" for number in parked) + f"{last:>16}")
    for name in found[0][0]:
        cells = "".join(f"{f'{ours[name]:,.0f} ({ours[name] / bare[name]:.2f})':>18}" for ours, bare in found)
        ratio = f"{found[-1][0][name] / found[0][0][name]:16.2f}" if last else ""
        print(f"{name:36}{cells}{ratio}")


ENGINES = {"sqlite": on_sqlite, "postgres": on_postgres}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parked", default="0,55000,550000", help="numbers of steps, between commas")
    one = parser.add_mutually_exclusive_group()
    for name in ENGINES:
        one.add_argument(f"--{name}", dest="engines", action="store_const", const=[name], default=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    options = parser.parse_args()
    parked = [int(number) for number in options.parked.split(",")]
    for name in options.engines:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder, ENGINES[name](Path(folder), parked) as places:
            os.sync()
            found = compare(places, options.rounds, shared=name == "postgres")
        show(name, options.rounds, parked, found)


if __name__ == "__main__":
    main()

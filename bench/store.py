"""How much of the database's own speed the store leaves: each measure beside a bare script doing the same work.

    python -m bench.store [--rounds 3] [--parked 50000] [--postgres]

Both run in turns on the same disk and the best round of each counts: the ratio means more than the rates. SQLite, or
with --postgres a PostgreSQL started for it from Debian's programs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, insert

from store import ledger
from store.engine import BATCH, open_store
from store.schema import ledger as rows
from store.sqlite import PRAGMAS
from tests.postgres import running_postgres

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEASE = timedelta(minutes=5)
SINGLE, MANY = 500, 5000
PAYLOAD = {"raw": 88213, "part": 1}
ADD = "INSERT INTO ledger (lane, key, state, due, attempts, fence, payload, created_at) VALUES (?, ?, ?, 1, 0, 0, ?, 1)"
PRECEDES = "SELECT 1 FROM ledger WHERE lane = ? AND key = ? LIMIT 1"
DUE = "SELECT id, fence, key FROM ledger WHERE lane = ? AND state = 'ready' AND due <= 1 ORDER BY due, id LIMIT 50"
TAKE = "UPDATE ledger SET due = 2, fence = fence + 1, attempts = attempts + 1 WHERE id = ?"
END = "DELETE FROM ledger WHERE id = ? AND fence = ? AND state = 'ready'"
PROMOTE = (
    "UPDATE ledger SET state = 'ready' WHERE state = 'blocked' "
    "AND id = (SELECT min(id) FROM ledger WHERE lane = ? AND key = ?)"
)


class Ours:
    """The store, as the daemon uses it: from an event loop."""

    def __init__(self, database: str, folder: Path) -> None:
        self.store = open_store(database, folder, bytes(32))

    def single(self, lane: str) -> int:
        async def run() -> None:
            for _ in range(SINGLE):
                await self.store.write(lambda conn: ledger.enqueue(conn, lane, PAYLOAD, now=NOW))

        asyncio.run(run())
        return SINGLE

    def batched(self, lane: str, *, keyed: bool = False) -> int:
        async def add(number: int) -> None:
            key = f"{lane} {number // 2}" if keyed else None
            await self.store.write(lambda conn: ledger.enqueue(conn, lane, PAYLOAD, now=NOW, key=key))

        async def run() -> None:
            await asyncio.gather(*(add(number) for number in range(MANY)))

        asyncio.run(run())
        return MANY

    def work_off(self, lane: str) -> int:
        async def run() -> int:
            ended = 0
            while claims := await self.store.write(
                lambda conn: ledger.claim(conn, lane, now=NOW, lease=LEASE, limit=BATCH)
            ):
                await self.store.write(lambda conn, claims=claims: ledger.done_many(conn, claims))  # type: ignore[misc]
                ended += len(claims)
            return ended

        return asyncio.run(run())

    def work_off_one_by_one(self, lane: str) -> int:
        async def run() -> int:
            ended = 0
            while claims := await self.store.write(
                lambda conn: ledger.claim(conn, lane, now=NOW, lease=LEASE, limit=BATCH)
            ):
                await asyncio.gather(
                    *(self.store.write(lambda conn, held=held: ledger.done(conn, held)) for held in claims)  # type: ignore[misc]
                )
                ended += len(claims)
            return ended

        return asyncio.run(run())


class Bare:
    """The same statements by hand on SQLite, with nothing around them."""

    begin = "BEGIN IMMEDIATE"
    lock = ""

    def __init__(self, execute: Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]]) -> None:
        self.execute = execute

    def single(self, lane: str) -> int:
        for _ in range(SINGLE):
            self.execute(self.begin, ())
            self.execute(ADD, (lane, None, "ready", json.dumps(PAYLOAD)))
            self.execute("COMMIT", ())
        return SINGLE

    def batched(self, lane: str, *, keyed: bool = False) -> int:
        for start in range(0, MANY, BATCH):
            self.execute(self.begin, ())
            for number in range(start, start + BATCH):
                self.execute("SAVEPOINT act", ())
                key = f"{lane} {number // 2}" if keyed else None
                blocked = keyed and self.execute(PRECEDES, (lane, key))
                self.execute(ADD, (lane, key, "blocked" if blocked else "ready", json.dumps(PAYLOAD)))
                self.execute("RELEASE act", ())
            self.execute("COMMIT", ())
        return MANY

    def work_off(self, lane: str) -> int:
        ended = 0
        while claims := self._claim(lane):
            self.execute(self.begin, ())
            for number, fence, key in claims:
                self.execute(END, (number, fence + 1))
                if key is not None:
                    self.execute(PROMOTE, (lane, key))
            self.execute("COMMIT", ())
            ended += len(claims)
        return ended

    work_off_one_by_one = work_off

    def _claim(self, lane: str) -> list[tuple[Any, ...]]:
        self.execute(self.begin, ())
        claims = self.execute(DUE + self.lock, (lane,))
        for number, _, _ in claims:
            self.execute(TAKE, (number,))
        self.execute("COMMIT", ())
        return claims


class BareOnPostgres(Bare):
    """On PostgreSQL, one connection."""

    begin = "BEGIN"
    lock = " FOR UPDATE SKIP LOCKED"


def bare_sqlite(folder: Path) -> Bare:
    conn = sqlite3.connect(folder / "xinqiao.db", isolation_level=None)
    for pragma in PRAGMAS:
        conn.execute(f"PRAGMA {pragma}")
    return Bare(lambda statement, values: conn.execute(statement, values).fetchall())


def bare_postgres(database: str) -> Bare:
    conn = psycopg.connect(database.replace("+psycopg", ""), autocommit=True)

    def execute(statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        cursor = conn.execute(statement.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []

    return BareOnPostgres(execute)


def prepare(database: str, folder: Path, parked: int) -> None:
    store = open_store(database, folder, bytes(32))
    store.submit(lambda conn: _park(conn, parked)).result()
    store.close()  # which empties the WAL: both begin alike


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


Side = Ours | Bare
MEASURES: dict[str, Callable[[Side, str], int]] = {
    "one write after another": lambda side, lane: side.single(lane),
    "writes at once": lambda side, lane: side.batched(lane),
    "claim and end, 50 a transaction": lambda side, lane: side.work_off(lane),
    "writes at once, two of a key": lambda side, lane: side.batched(f"keyed {lane}", keyed=True),
    "the same, claim and end": lambda side, lane: side.work_off(f"keyed {lane}"),
    "writes at once, again": lambda side, lane: side.batched(f"again {lane}"),
    "claim 50, end each by itself": lambda side, lane: side.work_off_one_by_one(f"again {lane}"),
}


def measure(side: Side, turn: int) -> dict[str, float]:
    """Acts a second, by measure; each turn has lanes of its own."""
    found = {}
    for name, run in MEASURES.items():
        start = time.perf_counter()
        number = run(side, f"lane {turn}")
        found[name] = number / (time.perf_counter() - start)
    return found


def best(results: list[dict[str, float]]) -> dict[str, float]:
    return {name: max(result[name] for result in results) for name in MEASURES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parked", type=int, default=0, help="steps of another lane lying in the ledger meanwhile")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    options = parser.parse_args()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        if options.postgres:
            server = opened.enter_context(running_postgres(careful=True))
            places = [server.migrated(), server.migrated()]
        else:
            places = ["sqlite", "sqlite"]
        for database, name in zip(places, ("ours", "bare"), strict=True):
            prepare(database, folder / name, options.parked)
        ours = Ours(places[0], folder / "ours")
        bare = bare_postgres(places[1]) if options.postgres else bare_sqlite(folder / "bare")
        os.sync()
        turns = [(measure(bare, turn), measure(ours, turn)) for turn in range(options.rounds)]
        engine = ours.store.read_now(_engine)
        ours.store.close()
    reference, found = best([turn[0] for turn in turns]), best([turn[1] for turn in turns])
    print(f"{engine}, {options.parked} steps parked, best of {options.rounds}")
    print(f"{'per second':34}{'store':>10}{'bare':>10}{'ratio':>8}")
    for name in MEASURES:
        print(f"{name:34}{found[name]:10,.0f}{reference[name]:10,.0f}{found[name] / reference[name]:8.2f}")


def _engine(conn: Connection) -> str:
    version = "SHOW server_version" if conn.dialect.name == "postgresql" else "SELECT sqlite_version()"
    return f"{conn.dialect.name} {conn.exec_driver_sql(version).scalar_one()}"


if __name__ == "__main__":
    main()

"""The ledger's work in plain SQL on one connection, with nothing around it: what the database itself can do."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from store.acts import BATCH
from store.sqlite import PRAGMAS

Row: TypeAlias = tuple[Any, ...]
"""Of a claimed step: id, fence and key."""
PAYLOAD = '{"raw": 88213, "part": 1}'
ADD = "INSERT INTO ledger (lane, key, state, due, attempts, fence, payload, created_at) VALUES (?, ?, ?, 1, 0, 0, ?, 1)"
PRECEDES = "SELECT 1 FROM ledger WHERE lane = ? AND key = ? LIMIT 1"
DUE = "SELECT id, fence, key FROM ledger WHERE lane = ? AND state = 'ready' AND due <= 1 ORDER BY due, id LIMIT 50"
TAKEN = "UPDATE ledger SET due = 2, fence = fence + 1, attempts = attempts + 1 WHERE"
OLDEST = "SELECT min(id) FROM ledger WHERE lane = ? AND key ="
OPENED = "UPDATE ledger SET state = 'ready' WHERE state = 'blocked' AND id"


class Bare:
    """What both engines share; the statements differ where lists are handed over."""

    begin: str

    def execute(self, statement: str, *values: object) -> list[Row]:
        raise NotImplementedError

    def claim(self, lane: str) -> list[Row]:
        raise NotImplementedError

    def end(self, lane: str, claims: Sequence[Row]) -> None:
        raise NotImplementedError

    def add(self, lane: str, number: int) -> None:
        for _ in range(number):
            self.execute(self.begin)
            self.execute(ADD, lane, None, "ready", PAYLOAD)
            self.execute("COMMIT")

    def add_at_once(self, lane: str, number: int, *, keyed: bool) -> None:
        for start in range(0, number, BATCH):
            self.execute(self.begin)
            for n in range(start, start + BATCH):
                self.execute("SAVEPOINT act")
                key = f"{lane} {n // 2}" if keyed else None
                blocked = keyed and self.execute(PRECEDES, lane, key)
                self.execute(ADD, lane, key, "blocked" if blocked else "ready", PAYLOAD)
                self.execute("RELEASE act")
            self.execute("COMMIT")

    def work_off(self, lane: str) -> None:
        while claims := self._claimed(lane):
            self.execute(self.begin)
            self.end(lane, claims)
            self.execute("COMMIT")

    def work_off_singly(self, lane: str) -> None:
        while claims := self._claimed(lane):
            self.execute(self.begin)
            for one in claims:
                self.execute("SAVEPOINT act")
                self.end(lane, [one])
                self.execute("RELEASE act")
            self.execute("COMMIT")

    def work_off_together(self, lane: str) -> None:
        self.work_off(lane)

    def _claimed(self, lane: str) -> list[Row]:
        self.execute(self.begin)
        claims = self.claim(lane)
        self.execute("COMMIT")
        return claims


class OnSqlite(Bare):
    """A statement a step, as a call costs little."""

    begin = "BEGIN IMMEDIATE"

    def __init__(self, folder: Path) -> None:
        self._conn = sqlite3.connect(folder / "xinqiao.db", isolation_level=None)
        for pragma in PRAGMAS:
            self._conn.execute(f"PRAGMA {pragma}")

    def execute(self, statement: str, *values: object) -> list[Row]:
        return self._conn.execute(statement, values).fetchall()

    def claim(self, lane: str) -> list[Row]:
        claims = self.execute(DUE, lane)
        for number, _, _ in claims:
            self.execute(f"{TAKEN} id = ?", number)
        return claims

    def end(self, lane: str, claims: Sequence[Row]) -> None:
        for number, fence, key in claims:
            self.execute("DELETE FROM ledger WHERE id = ? AND fence = ? AND state = 'ready'", number, fence + 1)
            if key is not None:
                self.execute(f"{OPENED} = ({OLDEST} ?)", lane, key)


class OnPostgres(Bare):
    """A statement a batch, as each is a round trip."""

    begin = "BEGIN"

    def __init__(self, database: str) -> None:
        self._conn = psycopg.connect(database.replace("+psycopg", ""), autocommit=True)

    def execute(self, statement: str, *values: object) -> list[Row]:
        cursor = self._conn.execute(statement.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description else []

    def claim(self, lane: str) -> list[Row]:
        claims = self.execute(f"{DUE} FOR UPDATE SKIP LOCKED", lane)
        self.execute(f"{TAKEN} id = ANY (?)", [number for number, _, _ in claims])
        return claims

    def end(self, lane: str, claims: Sequence[Row]) -> None:
        self.execute("DELETE FROM ledger WHERE id = ANY (?) RETURNING fence", [number for number, _, _ in claims])
        if keys := [key for _, _, key in claims if key is not None]:
            self.execute(f"{OPENED} = ANY (ARRAY(SELECT ({OLDEST} each) FROM unnest(?::text[]) each))", lane, keys)

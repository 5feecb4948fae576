"""Proves the register: no number of a year is missing, every case is told of in the history and is what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ingest.verifying.finding import Finding, Proof, pages
from store.looking import Look
from store.schema import case_number, cases, history, revision
from store.sealing import SealBroken

NAMED = 50
_ASK = "compare with a backup and the history (who had what to do with it?)"


def prove_register(proof: Proof) -> Iterator[Finding]:
    """Case by case; then which numbers were given and have no case."""
    last = _drawn(proof.look)
    seen = {year: bytearray(number // 8 + 1) for year, number in last.items()}
    beyond: list[str] = []

    def prove(conn: Connection, rows: list[Row[Any]]) -> list[Finding]:
        for row in rows:
            year, number = _read_number(row.case_no)
            if number <= last.get(year, 0):
                seen[year][number // 8] |= 1 << number % 8
            else:
                beyond.append(row.case_no)
        return [*_untold(conn, rows), *_unlike(proof, rows), *_incomplete(conn, rows)]

    for number, found in pages(proof.look, cases, prove):
        yield from found
        proof.counted("cases", number)
    yield from _gaps(last, seen)
    later = _drawn(proof.look)  # what came while we looked
    for case_no in beyond:
        year, number = _read_number(case_no)
        if number > later.get(year, 0):
            yield Finding("register", f"number {case_no} was never given", _ASK)


def _drawn(look: Look) -> dict[int, int]:
    """The last number of each year."""
    rows = look.read(lambda conn: conn.execute(select(case_number)).all())
    return {row.year: row.last for row in rows}


def _gaps(last: dict[int, int], seen: dict[int, bytearray]) -> Iterator[Finding]:
    for year, count in sorted(last.items()):
        missing = [number for number in range(1, count + 1) if not seen[year][number // 8] & 1 << number % 8]
        named = ", ".join(f"{year}-{number:06d}" for number in missing[:NAMED]) + (" …" if len(missing) > NAMED else "")
        if missing:
            yield Finding("register", f"{len(missing)} numbers of {year} have no case: {named}", _ASK)


def _read_number(case_no: str) -> tuple[int, int]:
    """Year and number; 0 for what is none of ours."""
    year, _, number = case_no.partition("-")
    return (int(year), int(number)) if year.isdecimal() and number.isdecimal() else (0, 0)


def _untold(conn: Connection, rows: list[Row[Any]]) -> Iterator[Finding]:
    ids = [row.case_id for row in rows]
    wanted = select(history.c.case_id).where(history.c.case_id.in_(ids), history.c.kind == "created")
    told = set(conn.execute(wanted).scalars())
    for row in rows:
        if row.case_id not in told:
            yield Finding("register", f"case {row.case_no} is not in the history", _ASK)


def _incomplete(conn: Connection, rows: list[Row[Any]]) -> Iterator[Finding]:
    """Every revision up to the last is there."""
    wanted = select(revision.c.case_id, func.count(), func.max(revision.c.revision)).group_by(revision.c.case_id)
    found = {
        case_id: (count, last)
        for case_id, count, last in conn.execute(wanted.where(revision.c.case_id.in_([row.case_id for row in rows])))
    }
    for row in rows:
        if found.get(row.case_id) != (row.revision, row.revision):
            what = f"case {row.case_no} stands at revision {row.revision}, but not all revisions up to it are there"
            yield Finding("register", what, _ASK)


def _unlike(proof: Proof, rows: list[Row[Any]]) -> Iterator[Finding]:
    """The row says the same as the case that is sealed in it; one that does not open is told of with its seal."""
    for row in rows:
        try:
            sealed = json.loads(proof.look.sealer.open(row.sealed, f"cases:{row.case_id}"))
        except SealBroken:
            continue
        for name in ("case_no", "revision", "restricted"):
            if sealed[name] != getattr(row, name):
                what = f"case {row.case_no}: its row says {name} {getattr(row, name)}, the sealed case {sealed[name]}"
                yield Finding("register", what, _ASK)

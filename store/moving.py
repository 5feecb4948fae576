"""Carries an embedded installation over to PostgreSQL, and its large blobs to another depot if asked.

Rows go as they are, sealed, with their numbers, table by table and batch by batch, each batch a transaction: whatever
interrupts it, the next run goes on where it stopped. A table counts when the hashes of all its rows are the same on
both sides. The source is only read; it is marked as moved when everything is proved, before the target's gate is
opened, so that at no moment two installations could run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Table

from store import moved
from store.acts import StoreRefused
from store.blob_claim import claimed, mark
from store.blobs import Depot, key_of, unsealed
from store.crashpoint import reach
from store.move_source import Source
from store.move_target import State, Target, numbered
from store.moved import Moved
from store.row_bytes import Row, batches, encoder
from store.schema import metadata
from store.sealing import SealBroken, Sealer

ROWS, BYTES = 10_000, 4 * 2**20
"""So many rows, or bytes of rows, make a batch."""
TABLES = metadata.sorted_tables
"""Each behind those it refers to."""
Tell = Callable[[str, bool], None]
"""Told how far it is, and whether that is the last word about it."""


@dataclass(frozen=True)
class MovedTable:
    name: str
    rows: int
    copied: int
    """In this run; the others were there from one before."""
    sha256: str


@dataclass(frozen=True)
class MovedBlobs:
    """What lay in the source's depot."""

    place: str
    found: int
    copied: int
    missing: tuple[str, ...]
    """Were missing or damaged before: nothing that opens could be carried."""


class NotTheSame(Exception):
    """A table that was copied reads differently on both sides; nothing was finished."""


def carry_rows(source: Source, target: Target, tell: Tell) -> list[MovedTable]:
    """Fill the tables, as far as they are not filled, and prove each. Raises NotTheSame, Unstorable."""
    return [_carry_table(source, target, table, tell) for table in TABLES]


def carry_blobs(source: Source, sealer: Sealer, here: Depot, there: Depot, tell: Tell) -> MovedBlobs:
    """Copy what opens into the other depot, as far as it is not there.

    Raises:
        StoreRefused: the depot is another installation's.
        OSError: a depot's trouble.
    """
    if not claimed(there, sealer):
        mark(there, sealer)
    found, copied, missing = 0, 0, []
    for sha256 in source.large_blobs():
        found += 1
        sealed = here.read(key_of(sha256))
        if sealed is None or not _opens(sealer, sha256, sealed):
            missing.append(sha256)
        elif there.read(key_of(sha256)) != sealed:
            there.write(key_of(sha256), sealed)
            if there.read(key_of(sha256)) != sealed:
                raise NotTheSame(f"{there.place}: blob {sha256} does not come back as it was written")
            copied += 1
            reach("move.blob")
        if found % 100 == 0:
            tell(f"large originals: {found}", False)
    tell(f"large originals: {found}, {copied} copied to {there.place}", True)
    return MovedBlobs(there.place, found, copied, tuple(missing))


def hand_over(source: Source, target: Target, sealer: Sealer, actor: str, tables: list[MovedTable]) -> None:
    """All is proved: shut the source, then open the target. What is killed in between is finished by the next run."""
    reach("move.verified")
    if source.moved is None:
        moved.write(source.folder, Moved(target.place, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"))
    reach("move.marked")
    detail = {"from": str(source.folder), "rows": {one.name: one.rows for one in tables}}
    counted = [table for table in TABLES if numbered(table)]
    target.finish(sealer, actor, detail, [(table, source.last_id(table)) for table in counted])
    reach("move.finished")


def expect_movable(source: Source, state: State, place: str) -> None:
    """Raises StoreRefused: one of the two has gone on by itself."""
    before = source.moved
    if before is not None and state is State.EMPTY:
        raise StoreRefused(
            f"{source.folder}: it was moved to {before.to} at {before.at} and goes on there; to move this old state "
            f"all the same remove {source.folder / moved.NAME}"
        )
    if before is None and state is State.COMPLETE:
        raise StoreRefused(
            f"{place}: this installation was moved there before and may have gone on there; {source.folder} was put "
            "back since. To move it again give an empty database"
        )


def _carry_table(source: Source, target: Target, table: Table, tell: Tell) -> MovedTable:
    total, wanted = source.count(table), source.digest(table)
    last = target.last_key(table)
    copied = 0
    if last is None or target.digest(table) != wanted:
        copied = _copy(source, target, table, tell, last)
        found = target.digest(table)
        if found != wanted and last is not None:  # the source went on since a run that was interrupted
            target.clear(table)
            copied = _copy(source, target, table, tell, None)
            found = target.digest(table)
        if found != wanted:
            raise NotTheSame(f"table {table.name}: {total} rows were copied, but they do not read the same there")
    tell(f"{table.name}: {total} rows, the same on both sides", True)
    reach("move.table")
    return MovedTable(table.name, total, copied, wanted)


def _copy(source: Source, target: Target, table: Table, tell: Tell, after: Row | None) -> int:
    copied = 0
    for number, part in batches(source.rows(table, after), encoder(table), ROWS, BYTES):
        target.append(table, part)
        copied += number
        tell(f"{table.name}: {copied} rows copied", False)
        reach("move.batch")
    return copied


def _opens(sealer: Sealer, sha256: str, sealed: bytes) -> bool:
    try:
        unsealed(sealer, sha256, sealed)
    except SealBroken:
        return False
    return True

"""Proves that everything sealed opens: every row's, and every original and attachment, whose hash is its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Row

from ingest.verifying.finding import Finding, Proof, pages
from store.blobs import Kept
from store.schema import attachment, attempt, blob, cases, correction, event, raw, reading, report, revision
from store.sealing import SealBroken

ORIGINALS = 50
"""So many rows of originals at a time: each may be 128 KB."""
ROWS = 100
"""Of the others: what was read of a long mail is long."""
Context = Callable[[Mapping[str, Any]], str]
SEALS: Mapping[tuple[str, str], Context] = {
    ("cases", "sealed"): "cases:{case_id}".format_map,
    ("cases", "sealed_title"): "cases.title:{case_id}".format_map,
    ("revision", "sealed"): "revision:{case_id}:{revision}".format_map,
    ("reading", "sealed"): "reading:{raw_id}:{part}".format_map,
    ("raw", "sealed_meta"): "raw:{channel}:{key}:{version}".format_map,
    ("raw", "sealed_note"): "raw.note:{id}".format_map,
    ("correction", "sealed"): "correction:{case_id}:{field}".format_map,
    ("attachment", "sealed_ref"): "attachment:{case_id}:{key}".format_map,
    ("report", "sealed"): "report:{target}:{webhook_id}".format_map,
    ("event", "sealed_full"): "event:{id}".format_map,
    ("event", "sealed_numbers"): "event.numbers:{id}".format_map,
    ("attempt", "sealed_answer"): lambda row: f"attempt:{row['delivery_id']}:{row['at'].astimezone(UTC).isoformat()}",
}
"""Each sealed column, and what its seals are bound to."""
_TABLES = (raw, reading, cases, revision, correction, attachment, report, event, attempt)
_RESTORE = "bring the row back from a backup"
_BRING = "bring it back from a backup, under this name"


def prove_seals(proof: Proof) -> Iterator[Finding]:
    columns: dict[str, dict[str, Context]] = defaultdict(dict)
    for (name, column), context in SEALS.items():
        columns[name][column] = context
    for table in _TABLES:

        def prove(_conn: Connection, rows: list[Row[Any]], name: str = table.name) -> list[Finding]:
            return [broken for row in rows for broken in _broken(proof, name, row, columns[name])]

        for number, found in pages(proof.look, table, prove, ROWS):
            yield from found
            proof.counted(f"rows of {table.name}", number)


def _broken(proof: Proof, table: str, row: Row[Any], columns: Mapping[str, Context]) -> Iterator[Finding]:
    for column, context in columns.items():
        sealed = row._mapping[column]
        if sealed is None:
            continue
        try:
            proof.look.sealer.open(sealed, context(row._asdict()))
        except SealBroken as error:
            yield Finding("seal", f"{table}.{column}: {error}", _RESTORE)


def prove_originals(proof: Proof) -> Iterator[Finding]:
    """Every one is where its row says, opens, and has the hash it is kept under."""
    kept: list[Kept] = []
    for number, found in pages(proof.look, blob, _collect(kept), ORIGINALS):
        yield from found
        for one in kept:
            yield from _amiss(proof, one)
        proof.counted("originals and attachments", number)


def _collect(into: list[Kept]) -> Callable[[Connection, list[Row[Any]]], list[Finding]]:
    def collect(_conn: Connection, rows: list[Row[Any]]) -> list[Finding]:
        into[:] = [Kept(row.sha256, row.sealed, row.removed_at) for row in rows]
        return []

    return collect


def _amiss(proof: Proof, one: Kept) -> Iterator[Finding]:
    """Raises OSError: where they lie does not answer."""
    try:
        if one.removed_at is None:
            proof.look.blobs.open(one)
        else:
            proof.look.blobs.expect_removed(one)
            proof.counted("removed by retention")
    except SealBroken as error:
        yield Finding("original", str(error), _BRING)

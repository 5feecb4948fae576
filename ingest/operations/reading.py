"""Reading again what lies in the inbox."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from ingest import inbox
from ingest.history import record_history
from ingest.office import Office
from ingest.operations.terms import Answer, OperationRefused, asked, case_id_of
from store.schema import blob, raw, receipt

SLICE = 200
"""So many are put in line in one transaction: a month of them must not stop the doors."""


async def replay_read(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Read again the Raws that meet every condition: in quarantine, of one case, taken in since, until.

    An event follows only a change. What a person has registered by hand or laid aside is left as he left it.
    """
    if not any(arguments.get(name) for name in ("quarantine", "case", "since")):
        raise OperationRefused("replay: expected quarantine, a case or a time")
    wanted = select(raw.c.id).join(blob, blob.c.sha256 == raw.c.blob).where(raw.c.closed_by.is_(None))
    if arguments.get("quarantine"):
        wanted = wanted.where(raw.c.state == "quarantined")
    if case_id := arguments.get("case"):
        known = await office.store.read(lambda conn: case_id_of(conn, case_id))
        wanted = wanted.join(receipt, receipt.c.raw_id == raw.c.id).where(receipt.c.case_id == known)
    if since := arguments.get("since"):
        wanted = wanted.where(raw.c.fetched_at >= datetime.fromisoformat(since))
    if until := arguments.get("until"):
        wanted = wanted.where(raw.c.fetched_at < datetime.fromisoformat(until))

    def look(conn: Connection) -> tuple[Sequence[int], list[datetime]]:
        missing = wanted.with_only_columns(blob.c.removed_at).where(blob.c.removed_at.is_not(None))
        there = wanted.where(raw.c.state != "waiting", blob.c.removed_at.is_(None))
        numbers = array("q", conn.execute(there.distinct().order_by(raw.c.id)).scalars())
        return numbers, list(conn.execute(missing).scalars())

    ids, removed = await office.store.read(look)
    if removed and not ids:
        last = max(removed).astimezone(office.config.service.zone)
        said = f"replay: original removed by retention on {last:%Y-%m-%d}; it cannot be read again"
        raise OperationRefused(said, code="removed")
    if not arguments.get("dry_run"):
        for start in range(0, len(ids), SLICE):
            await office.store.write(partial(_again, numbers=ids[start : start + SLICE], now=office.clock()))
        told = {"read": len(ids), **asked(arguments)}
        await office.store.write(lambda conn: record_history(conn, None, "replayed", actor, told, office.clock()))
    answer = {"read_again": len(ids), "raws": list(ids), "dry_run": bool(arguments.get("dry_run"))}
    return answer | ({"removed": len(removed)} if removed else {})


def _again(conn: Connection, numbers: Sequence[int], now: datetime) -> None:
    """What a person has settled meanwhile stays settled; what is in line already is not put there twice."""
    still = select(raw.c.id).where(raw.c.id.in_(numbers), raw.c.closed_by.is_(None), raw.c.state != "waiting")
    found = conn.execute(still.order_by(raw.c.id).with_for_update(key_share=True)).scalars().all()
    inbox.mark(conn, [inbox.End(number, "waiting", None) for number in found], now)
    for number in found:
        inbox.read_again(conn, number, now)

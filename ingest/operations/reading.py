"""Reading again what lies in the inbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ingest import inbox
from ingest.history import record_history
from ingest.office import Office
from ingest.operations.terms import Answer, OperationRefused, asked, case_id_of
from store.schema import blob, raw, receipt


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

    def again(conn: Connection) -> tuple[list[int], list[datetime]]:
        now = office.clock()
        missing = wanted.with_only_columns(blob.c.removed_at).where(blob.c.removed_at.is_not(None))
        gone = list(conn.execute(missing).scalars())
        there = wanted.where(raw.c.state != "waiting", blob.c.removed_at.is_(None))
        ids = [row.id for row in conn.execute(there.distinct().order_by(raw.c.id))]
        if not arguments.get("dry_run"):
            inbox.mark(conn, [inbox.End(number, "waiting", None) for number in ids], now)
            for number in ids:
                inbox.read_again(conn, number, now)
            record_history(conn, None, "replayed", actor, {"read": len(ids), **asked(arguments)}, now)
        return ids, gone

    ids, removed = await office.store.write(again)
    if removed and not ids:
        last = max(removed).astimezone(office.config.service.zone)
        raise OperationRefused(f"replay: original removed by retention on {last:%Y-%m-%d}; it cannot be read again")
    answer = {"read_again": len(ids), "raws": ids, "dry_run": bool(arguments.get("dry_run"))}
    return answer | ({"removed": len(removed)} if removed else {})

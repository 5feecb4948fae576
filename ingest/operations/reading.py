"""Reading again what lies in the inbox."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from adapters.base import RawKind
from ingest import inbox
from ingest.history import record_history
from ingest.office import Office
from ingest.operations.terms import Answer, OperationRefused, asked, case_id_of
from store.schema import blob, raw, receipt

RATE = 50
"""So many Raws a second are read again, unless asked otherwise."""
AS_MANY = {inbox.READ_LANE: 1, inbox.LETTER_LANE: 50}
"""A scan, of a second or two, counts as so many."""
SLICE = 200
"""So many are put in line in one transaction: a month of them must not stop the doors."""


async def replay_read(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Read again the Raws that meet every condition: in quarantine, of one case, taken in since, until.

    So many a second (`rate`) and behind what comes meanwhile, those of a named case at once. An event follows only a
    change. What a person has registered by hand or laid aside is left as he left it.
    """
    if not any(arguments.get(name) for name in ("quarantine", "case", "since")):
        raise OperationRefused("replay: expected quarantine, a case or a time")
    ids, removed = await office.store.read(partial(_asked_for, arguments=arguments))
    if removed and not ids:
        last = max(removed).astimezone(office.config.service.zone)
        said = f"replay: original removed by retention on {last:%Y-%m-%d}; it cannot be read again"
        raise OperationRefused(said, code="removed")
    if not arguments.get("dry_run"):
        pace = timedelta(seconds=1 / float(arguments.get("rate") or RATE))
        turns = dict.fromkeys(AS_MANY, office.clock())
        for start in range(0, len(ids), SLICE):
            some, now = ids[start : start + SLICE], office.clock()
            if arguments.get("case"):
                await office.store.write(partial(_at_once, numbers=some, now=now))
            else:
                turns = await office.store.write(partial(_again, numbers=some, turns=turns, pace=pace, now=now))
        told = {"read": len(ids), **asked(arguments)}
        await office.store.write(lambda conn: record_history(conn, None, "replayed", actor, told, office.clock()))
    answer = {"read_again": len(ids), "raws": list(ids), "dry_run": bool(arguments.get("dry_run"))}
    return answer | ({"removed": len(removed)} if removed else {})


def _asked_for(conn: Connection, arguments: Mapping[str, Any]) -> tuple[Sequence[int], list[datetime]]:
    """The Raws, and of those that would be among them if their originals were there, when these were removed."""
    wanted = select(raw.c.id).join(blob, blob.c.sha256 == raw.c.blob).where(raw.c.closed_by.is_(None))
    if arguments.get("quarantine"):
        wanted = wanted.where(raw.c.state == "quarantined")
    if case_id := arguments.get("case"):
        of_case = receipt.c.case_id == case_id_of(conn, case_id)
        wanted = wanted.join(receipt, receipt.c.raw_id == raw.c.id).where(of_case)
    if since := arguments.get("since"):
        wanted = wanted.where(raw.c.fetched_at >= datetime.fromisoformat(since))
    if until := arguments.get("until"):
        wanted = wanted.where(raw.c.fetched_at < datetime.fromisoformat(until))
    missing = wanted.with_only_columns(blob.c.removed_at).where(blob.c.removed_at.is_not(None))
    there = wanted.where(blob.c.removed_at.is_(None))
    if not case_id:  # of a named one also what waits for its turn
        there = there.where(raw.c.state != "waiting")
    numbers = array("q", conn.execute(there.distinct().order_by(raw.c.id)).scalars())
    return numbers, list(conn.execute(missing).scalars())


def _at_once(conn: Connection, numbers: Sequence[int], now: datetime) -> None:
    """As if they came now, also those that wait for their turn."""
    for row in _held(conn, numbers):
        if row.state != "waiting":
            inbox.reopen(conn, row.id, now)
        else:
            inbox.hurry(conn, row.id, inbox.read_lane(RawKind(row.kind)), now)


def _again(
    conn: Connection, numbers: Sequence[int], turns: Mapping[str, datetime], pace: timedelta, now: datetime
) -> dict[str, datetime]:
    """What a person has settled meanwhile stays settled; what is in line already is not put there twice.

    Returns when each lane goes on after them.
    """
    found = [row for row in _held(conn, numbers) if row.state != "waiting"]
    inbox.mark(conn, [inbox.End(row.id, "waiting", None) for row in found], now)
    after = dict(turns)
    for row in found:
        lane = inbox.read_lane(RawKind(row.kind))
        inbox.read_again(conn, row.id, lane, now, after[lane])
        after[lane] += AS_MANY[lane] * pace
    return after


def _held(conn: Connection, numbers: Sequence[int]) -> Sequence[Row[Any, Any, Any]]:
    """Those that no person has settled meanwhile, as they stand."""
    open_ = raw.c.id.in_(numbers) & raw.c.closed_by.is_(None)
    wanted = select(raw.c.id, raw.c.kind, raw.c.state).where(open_).order_by(raw.c.id)
    return conn.execute(wanted.with_for_update(key_share=True)).all()

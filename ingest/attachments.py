"""Attachments that a record only refers to: fetched in a step of their own, so that a slow host holds up nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from ingest.compute import StoredAttachment
from ingest.readings import KeptPart
from normalize.case import AttachmentState
from store import ledger
from store.blobs import Blobs, Prepared
from store.schema import attachment
from store.schema import ledger as ledger_rows
from store.sealing import Sealer
from store.upsert import insert_into


@dataclass(frozen=True)
class Wanted:
    """An attachment that is to be fetched."""

    id: int
    case_id: str
    ref: str


def fetch_lane(channel: str) -> str:
    return f"fetch:{channel}"


@dataclass(frozen=True)
class Listed:
    """The attachments that a case's reading names."""

    case_id: str
    channel: str
    parts: Sequence[KeptPart]


def register(conn: Connection, sealer: Sealer, lists: Sequence[Listed], now: datetime) -> None:
    """Make a row for every attachment seen for the first time, and a step for each that must be fetched.

    One that was refused is asked for once more: a record is read again because it changed or a person wants it.
    """
    adding = insert_into(conn, attachment).on_conflict_do_nothing()
    named = [(one, part) for one in lists for part in one.parts]
    if here := [_row(one, part, sealer) for one, part in named if part.state is not AttachmentState.PENDING]:
        conn.execute(adding, here)
    for one, part in named:
        if part.state is AttachmentState.PENDING:
            added = adding.values(_row(one, part, sealer)).returning(attachment.c.id)
            number = conn.execute(added).scalar_one_or_none() or _given_up(conn, one.case_id, part.key)
            if number is not None:
                ledger.enqueue(conn, fetch_lane(one.channel), {"attachment": number}, now=now)


def of_case(conn: Connection, case_id: str) -> dict[str, StoredAttachment]:
    """What became of a case's attachments, by key."""
    rows = conn.execute(select(attachment).where(attachment.c.case_id == case_id)).all()
    return {row.key: StoredAttachment(AttachmentState(row.state), row.sha256, row.size, row.media_type) for row in rows}


def wanted(conn: Connection, sealer: Sealer, number: int) -> Wanted | None:
    """What to fetch; None when it has come."""
    row = conn.execute(select(attachment).where(attachment.c.id == number)).one()
    if row.state == AttachmentState.STORED.value:
        return None
    ref = sealer.open(row.sealed_ref, f"attachment:{row.case_id}:{row.key}").decode()
    return Wanted(row.id, row.case_id, ref)


def stored(
    conn: Connection, blobs: Blobs, number: int, prepared: Prepared, media_type: str | None, now: datetime
) -> None:
    """The bytes have come."""
    blobs.keep(conn, prepared, now)
    values = {
        "state": AttachmentState.STORED.value,
        "sha256": prepared.sha256,
        "size": prepared.size,
        "media_type": func.coalesce(attachment.c.media_type, media_type),
        "reason": None,
    }
    conn.execute(update(attachment).where(attachment.c.id == number).values(values))


def refused(conn: Connection, number: int, reason: str) -> None:
    """It will not come: the source refuses it, or it is not ours to fetch."""
    values = {"state": AttachmentState.REFUSED.value, "reason": reason}
    conn.execute(update(attachment).where(attachment.c.id == number).values(values))


def delayed(conn: Connection, number: int, reason: str) -> None:
    """It did not come this time."""
    conn.execute(update(attachment).where(attachment.c.id == number).values(reason=reason))


def all_tried(conn: Connection, case_id: str) -> bool:
    """No attachment of the case still waits for its first attempt: the case may be shown anew."""
    waiting = (attachment.c.state == AttachmentState.PENDING.value) & attachment.c.reason.is_(None)
    rows = select(attachment.c.id).where(attachment.c.case_id == case_id, waiting).limit(1)
    return conn.execute(rows).first() is None


def _row(listed: Listed, part: KeptPart, sealer: Sealer) -> dict[str, object]:
    context = f"attachment:{listed.case_id}:{part.key}"
    return {
        "case_id": listed.case_id,
        "key": part.key,
        "channel": listed.channel,
        "state": part.state.value,
        "sha256": part.sha256,
        "size": part.size,
        "media_type": part.media_type,
        "sealed_ref": sealer.seal(part.ref.encode(), context) if part.ref else None,
    }


def _given_up(conn: Connection, case_id: str, key: str) -> int | None:
    """The attachment if it was refused and nobody asks for it; it stays refused until it has come."""
    row = conn.execute(select(attachment).where(attachment.c.case_id == case_id, attachment.c.key == key)).one()
    step = (ledger_rows.c.lane == fetch_lane(row.channel)) & (
        ledger_rows.c.payload["attachment"].as_integer() == row.id
    )
    asked = conn.execute(select(ledger_rows.c.id).where(step).limit(1)).first()
    return row.id if row.state == AttachmentState.REFUSED.value and asked is None else None

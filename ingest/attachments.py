"""Attachments that a record only refers to: fetched in a step of their own, so that a slow host holds up nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, func, select, update

from ingest.compute import StoredAttachment
from ingest.readings import KeptPart
from normalize.case import AttachmentState
from store import ledger
from store.blobs import Blobs, Kept, Prepared, find
from store.ledger_statements import IS_READY
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


VET_LANE = "vet"
"""Attachments whose bytes are here and wait for a verdict."""
_INFECTED = "infected: "


@dataclass(frozen=True)
class Unvetted:
    """An attachment whose bytes are here and may not be handed on yet."""

    id: int
    case_id: str
    kept: Kept


def fetch_lane(channel: str) -> str:
    return f"fetch:{channel}"


@dataclass(frozen=True)
class Listed:
    """The attachments that a case's reading names."""

    case_id: str
    channel: str
    parts: Sequence[KeptPart]


def register(conn: Connection, sealer: Sealer, lists: Sequence[Listed], now: datetime, *, vet: bool = False) -> None:
    """Make a row for every attachment seen for the first time, and a step for each that must be fetched, or vetted.

    One that was refused, or was only linked to, is asked for once more: a record is read again because it changed, a
    person wants it, or the office has it fetched from now on. One in which something was found is not.
    """
    adding = insert_into(conn, attachment).on_conflict_do_nothing()
    named = [(one, part) for one in lists for part in one.parts]
    here = [(one, part) for one, part in named if part.state is not AttachmentState.PENDING]
    if vet:
        _register_unvetted(conn, sealer, [(one, part) for one, part in here if waits(part)], now)
    if rows := [_row(one, part, sealer) for one, part in here]:
        conn.execute(adding, rows)
    for one, part in named:
        if part.state is AttachmentState.PENDING:
            _known_by_its_signature(conn, one, part, sealer)
            added = adding.values(_row(one, part, sealer)).returning(attachment.c.id)
            number = conn.execute(added).scalar_one_or_none() or _given_up(conn, one, part, sealer)
            if number is not None:
                ledger.enqueue(conn, fetch_lane(one.channel), {"attachment": number}, now=now)


def _register_unvetted(
    conn: Connection, sealer: Sealer, named: Sequence[tuple[Listed, KeptPart]], now: datetime
) -> None:
    for one, part in named:
        row = {**_row(one, part, sealer), "state": AttachmentState.PENDING.value}
        added = insert_into(conn, attachment).on_conflict_do_nothing().values(row).returning(attachment.c.id)
        if (number := conn.execute(added).scalar_one_or_none()) is not None:
            ledger.enqueue(conn, VET_LANE, {"attachment": number}, now=now)


def waits(part: KeptPart) -> bool:
    """Whether a part is bytes that a verdict is wanted of."""
    return part.state is AttachmentState.STORED and part.sha256 is not None


def unvetted(conn: Connection, number: int) -> Unvetted | None:
    """What to vet; None when there is a verdict, or the bytes' time had come."""
    row = conn.execute(select(attachment).where(attachment.c.id == number)).one()
    if row.state != AttachmentState.PENDING.value or row.sha256 is None:
        return None
    kept = find(conn, row.sha256)
    return None if kept.removed_at is not None else Unvetted(row.id, row.case_id, kept)


def vetted(conn: Connection, number: int, harmful: str | None) -> None:
    """The verdict: it may be handed on, or stays sealed for what was found in it."""
    state = AttachmentState.STORED if harmful is None else AttachmentState.REFUSED
    reason = None if harmful is None else f"{_INFECTED}{harmful}"
    conn.execute(update(attachment).where(attachment.c.id == number).values(state=state.value, reason=reason))


def is_infected(conn: Connection, sha256: str) -> bool:
    """Whether these very bytes are an attachment in which something was found."""
    here = exists().where(
        attachment.c.sha256 == sha256,
        attachment.c.state == AttachmentState.REFUSED.value,
        attachment.c.reason.startswith(_INFECTED),
    )
    return bool(conn.execute(select(here)).scalar_one())


def of_case(conn: Connection, case_id: str) -> dict[str, StoredAttachment]:
    """What became of a case's attachments, by key."""
    rows = conn.execute(select(attachment).where(attachment.c.case_id == case_id)).all()
    return {
        row.key: StoredAttachment(
            AttachmentState(row.state), row.sha256, row.size, row.media_type, _harmful(row.state, row.reason)
        )
        for row in rows
    }


def _harmful(state: str, reason: str | None) -> str | None:
    refused = state == AttachmentState.REFUSED.value and reason is not None
    return reason.removeprefix(_INFECTED) if refused and reason and reason.startswith(_INFECTED) else None


def wanted(conn: Connection, sealer: Sealer, number: int) -> Wanted | None:
    """What to fetch; None when it has come."""
    row = conn.execute(select(attachment).where(attachment.c.id == number)).one()
    if row.state == AttachmentState.STORED.value or (row.state == AttachmentState.PENDING.value and row.sha256):
        return None
    ref = sealer.open(row.sealed_ref, f"attachment:{row.case_id}:{row.key}").decode()
    return Wanted(row.id, row.case_id, ref)


def stored(
    conn: Connection,
    blobs: Blobs,
    number: int,
    prepared: Prepared,
    media_type: str | None,
    now: datetime,
    *,
    vet: bool = False,
) -> None:
    """The bytes have come; with `vet` they wait for a verdict."""
    blobs.keep(conn, prepared, now)
    if vet:
        ledger.enqueue(conn, VET_LANE, {"attachment": number}, now=now)
    values = {
        "state": AttachmentState.PENDING.value if vet else AttachmentState.STORED.value,
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


def delayed(conn: Connection, number: int, reason: str) -> bool:
    """It did not come this time; whether that was not known before."""
    here = attachment.c.id == number
    first = conn.execute(select(attachment.c.reason).where(here)).scalar_one() is None
    conn.execute(update(attachment).where(here).values(reason=reason))
    return first


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


def _known_by_its_signature(conn: Connection, listed: Listed, part: KeptPart, sealer: Sealer) -> None:
    """One that an earlier version entered by its whole address, signature and all, is the same."""
    before = f"ref:{sealer.lookup('attachment', part.ref or '').hex()}"
    here = attachment.c.case_id == listed.case_id
    known = exists().where(here, attachment.c.key == part.key)
    if before != part.key and not conn.execute(select(known)).scalar_one():
        values = {"key": part.key, "sealed_ref": _row(listed, part, sealer)["sealed_ref"]}
        conn.execute(update(attachment).where(here, attachment.c.key == before).values(values))


def _given_up(conn: Connection, listed: Listed, part: KeptPart, sealer: Sealer) -> int | None:
    """The attachment if it was refused, or not ours to fetch until now, and nobody asks for it; it stays refused until
    it has come. What has not come is asked for at the address that is good now.
    """
    here = (attachment.c.case_id == listed.case_id) & (attachment.c.key == part.key)
    row = conn.execute(select(attachment).where(here)).one()
    if row.sha256 is None and part.ref:
        conn.execute(update(attachment).where(here).values(sealed_ref=_row(listed, part, sealer)["sealed_ref"]))
    if row.state == AttachmentState.EXTERNAL.value:
        conn.execute(update(attachment).where(here).values(state=AttachmentState.PENDING.value))
    elif row.state != AttachmentState.REFUSED.value or _harmful(row.state, row.reason) is not None:
        return None
    step = ledger_rows.c.payload["attachment"].as_integer() == row.id
    # A fetch waits for none before it and is never laid aside: by the index of what is ready.
    asked = select(ledger_rows.c.id).where(ledger_rows.c.lane == fetch_lane(row.channel), IS_READY, step)
    return row.id if conn.execute(asked.limit(1)).first() is None else None

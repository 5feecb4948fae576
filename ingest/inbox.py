"""The raw inbox: what a channel handed over, byte for byte, in one transaction with the channel's cursor."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, exists, insert, select, tuple_, update

from adapters.base import Batch, Json, Raw, RawKind
from ingest import channels
from normalize.case import Receipt
from store import ledger
from store.blobs import Blobs, Prepared
from store.schema import ledger as ledger_rows
from store.schema import raw
from store.sealing import Sealer
from store.wakes import note

READ_LANE = "read"
LETTER_LANE = "read:letter"
AGAIN = {READ_LANE: "again", LETTER_LANE: "again:letter"}
"""What many are read again in, by the lane of what comes: behind it, however slow the reading is."""
"""Scans are read apart: minutes of OCR must not hold up mails and records."""


@dataclass(frozen=True)
class RawRow:
    """A Raw as it lies in the inbox."""

    id: int
    channel: str
    kind: RawKind
    key: str
    version: str
    sha256: str
    pointer: str
    received_at: datetime | None
    fetched_at: datetime
    locator: str
    meta: Mapping[str, Json]
    closed: bool = False
    """A person has registered it by hand or laid it aside."""


@dataclass(frozen=True)
class End:
    """What reading a Raw came to: read, auto or quarantined, with the reason; or that it waits again."""

    raw_id: int
    state: str
    reason: str | None


_newer = raw.alias("newer")
_MARK = (
    update(raw)
    .where(raw.c.id == bindparam("marked"), raw.c.closed_by.is_(None))
    .values(state=bindparam("to"), reason=bindparam("why"), read_at=bindparam("at", type_=raw.c.read_at.type))
)


def settle_lane(channel: str) -> str:
    return f"settle:{channel}"


def read_lane(kind: RawKind) -> str:
    return LETTER_LANE if kind is RawKind.LETTER else READ_LANE


def unknown(conn: Connection, channel: str, raws: Sequence[Raw]) -> tuple[Raw, ...]:
    """Those of the batch that are not in the inbox yet, each once."""
    wanted = {(one.key, one.version): one for one in raws}
    known = conn.execute(
        select(raw.c.key, raw.c.version).where(
            raw.c.channel == channel, tuple_(raw.c.key, raw.c.version).in_(list(wanted))
        )
    ).all()
    for row in known:
        wanted.pop((row.key, row.version), None)
    return tuple(wanted.values())


def store_batch(
    conn: Connection, channel: str, batch: Batch, new: Sequence[Raw], kept: Mapping[int, Prepared],
    *, blobs: Blobs, sealer: Sealer, now: datetime,
) -> list[int]:  # fmt: skip
    """Write the new Raws of a batch, their next steps, the cursor and what is to be settled; the new rows' ids.

    `kept` holds the prepared blob of each index that a new Raw points into.
    """
    blobs.keep_all(conn, list(kept.values()), now)
    ids = _store(conn, channel, new, kept, sealer, now)
    channels.moved(conn, channel, batch.cursor, batch.skipped, new=bool(ids), now=now)
    if batch.settle is not None:
        _have_settled(conn, channel, batch.settle, sealer, now)
    return ids


def settle_token(sealer: Sealer, channel: str, payload: Mapping[str, Json]) -> Json:
    """What the adapter is to settle, out of a row of its lane."""
    token: Json = json.loads(sealer.open(base64.b64decode(str(payload["sealed"])), settle_lane(channel)))
    return token


def load(conn: Connection, sealer: Sealer, raw_id: int) -> RawRow:
    """A row of the inbox, opened."""
    return opened(conn.execute(select(raw).where(raw.c.id == raw_id)).one(), sealer)


def find(conn: Connection, raw_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Rows of the inbox, as they are kept."""
    return {row.id: row for row in conn.execute(select(raw).where(raw.c.id.in_(raw_ids)))}


def unopened(row: Row[Any]) -> RawRow:
    """As `opened`, of a row whose seal is broken: without what lies under it."""
    return _row(row, "", {})


def opened(row: Row[Any], sealer: Sealer) -> RawRow:
    meta = json.loads(sealer.open(row.sealed_meta, f"raw:{row.channel}:{row.key}:{row.version}"))
    return _row(row, meta["locator"], meta["meta"])


def receipt_of(row: RawRow, zone: tzinfo) -> Receipt:
    """The arrival that this Raw is, in local time."""
    return Receipt(
        channel=row.channel,
        locator=row.locator,
        received_at=row.received_at and row.received_at.astimezone(zone),
        fetched_at=row.fetched_at.astimezone(zone),
    )


def mark(conn: Connection, ends: Sequence[End], now: datetime) -> None:
    """Write down what reading Raws came to; what a person has closed stays as he left it.

    An earlier version of a record, read late, is not kept aside where what came after it was read.
    """
    if ends:
        conn.execute(_MARK, [{"marked": end.raw_id, "to": end.state, "why": end.reason, "at": now} for end in ends])
    if aside := [end.raw_id for end in ends if end.state == "quarantined"]:
        _need_nobody(conn, raw.c.id.in_(aside) & _later(_WAS_READ), now)


def overtake(conn: Connection, raw_ids: Sequence[int], now: datetime) -> None:
    """Earlier versions of these records, which were kept aside, need nobody any more: what came later was read."""
    if raw_ids:
        _need_nobody(conn, _later(_newer.c.id.in_(raw_ids)), now)


def overtake_unseen(conn: Connection, now: datetime) -> None:
    """Sweep: as `overtake`, where two processes read versions at the same moment and neither saw the other's end."""
    _need_nobody(conn, _later(_WAS_READ), now)


def _later(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """There is such a later version of the record."""
    same = (_newer.c.channel == raw.c.channel) & (_newer.c.key == raw.c.key)
    return exists().where(_newer.c.id > raw.c.id, same, which)


_WAS_READ = _newer.c.state.concat("") == "read"
"""Not by the index of states: of a record there are few versions, and millions of others were read."""


def _need_nobody(conn: Connection, which: ColumnElement[bool], now: datetime) -> None:
    aside = (raw.c.state == "quarantined") & (raw.c.kind == RawKind.RECORD.value) & raw.c.closed_by.is_(None)
    conn.execute(update(raw).where(aside, which).values(state="read", read_at=now))


def close(
    conn: Connection, raw_id: int, state: str, by: str, now: datetime,
    *, reason: str | None = None, sealed_note: bytes | None = None,
) -> None:  # fmt: skip
    """A person has registered it by hand, or laid it aside: from now on he decides what becomes of it."""
    values = {"state": state, "closed_by": by, "read_at": now, "sealed_note": sealed_note}
    conn.execute(update(raw).where(raw.c.id == raw_id).values(**values, reason=reason))


def reopen(conn: Connection, raw_id: int, now: datetime) -> None:
    """Put a Raw back before its reader, also one that was laid aside."""
    values = {"state": "waiting", "reason": None, "closed_by": None, "sealed_note": None}
    put = update(raw).where(raw.c.id == raw_id).values(values).returning(raw.c.kind)
    ledger.enqueue(conn, read_lane(RawKind(conn.execute(put).scalar_one())), {"raw": raw_id}, now=now)


def note_of(conn: Connection, sealer: Sealer, raw_id: int) -> str | None:
    """What the person wrote who laid it aside."""
    sealed = conn.execute(select(raw.c.sealed_note).where(raw.c.id == raw_id)).scalar_one()
    return None if sealed is None else sealer.open(sealed, note_seal(raw_id)).decode()


def note_seal(raw_id: int) -> str:
    return f"raw.note:{raw_id}"


def read_again(conn: Connection, raw_id: int, lane: str, now: datetime, due: datetime) -> None:
    """Put a Raw back before its reader, behind what comes, when its turn is due."""
    ledger.enqueue(conn, AGAIN[lane], {"raw": raw_id}, key=str(raw_id), now=now, due=due)
    note(conn, lane)


def hurry(conn: Connection, raw_id: int, lane: str, now: datetime) -> bool:
    """Have one that waits to be read again read with what comes. False: it does not wait, or is being read."""
    key, aside = str(raw_id), AGAIN[lane]
    steps = [one for one in ledger.of_key(conn, aside, key) if one.state == ledger.READY and not one.is_held(now)]
    if steps:
        ledger.of_key(conn, lane, key)
        ledger.carry_over(conn, [one.id for one in steps], aside, lane, key, now=now)
    return bool(steps)


def _row(row: Row[Any], locator: str, meta: Mapping[str, Json]) -> RawRow:
    return RawRow(
        row.id, row.channel, RawKind(row.kind), row.key, row.version, row.blob, row.pointer,
        row.received_at, row.fetched_at, locator, meta, row.closed_by is not None,
    )  # fmt: skip


def _have_settled(conn: Connection, channel: str, token: Json, sealer: Sealer, now: datetime) -> None:
    """A step for the batch, unless one waits already: what cannot be acknowledged is handed over again and again.

    Sealed: a scan's token names its file, and a file's name may name a person.
    """
    lane, written = settle_lane(channel), json.dumps(token, sort_keys=True)
    key = sealer.lookup("settle", written).hex()
    waits = select(ledger_rows.c.id).where(ledger_rows.c.lane == lane, ledger_rows.c.key == key)
    if conn.execute(waits.limit(1)).first() is None:
        sealed = sealer.seal(written.encode(), lane)
        ledger.enqueue(conn, lane, {"sealed": base64.b64encode(sealed).decode()}, key=key, now=now)


def _store(
    conn: Connection, channel: str, new: Sequence[Raw], kept: Mapping[int, Prepared], sealer: Sealer, now: datetime
) -> list[int]:
    if not new:
        return []
    rows = [_new_row(channel, one, kept[one.blob].sha256, sealer, now) for one in new]
    added = insert(raw).returning(raw.c.id, sort_by_parameter_order=True)
    ids = [int(number) for number in conn.execute(added, rows).scalars()]
    for lane in (READ_LANE, LETTER_LANE):
        steps = [(None, {"raw": number}) for number, one in zip(ids, new, strict=True) if read_lane(one.kind) == lane]
        ledger.enqueue_many(conn, lane, steps, now=now)
    return ids


def _new_row(channel: str, one: Raw, sha256: str, sealer: Sealer, now: datetime) -> dict[str, object]:
    meta = json.dumps({"locator": one.locator, "meta": dict(one.meta)})
    return {
        "channel": channel,
        "kind": one.kind.value,
        "key": one.key,
        "version": one.version,
        "blob": sha256,
        "pointer": one.pointer,
        "received_at": one.received_at,
        "fetched_at": now,
        "sealed_meta": sealer.seal(meta.encode(), f"raw:{channel}:{one.key}:{one.version}"),
        "state": "waiting",
    }

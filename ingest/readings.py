"""What a reader made of a Raw, kept sealed, so that a case can be computed again without reading again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, select

from adapters.signed import unsigned
from ingest.inbox import RawRow
from normalize.case import AttachmentRole, AttachmentState, Draft
from normalize.reading import Disposition, Reading, Signal, SignalKind
from store.blobs import Blobs, Prepared
from store.schema import cases, raw, reading
from store.sealing import Sealer
from store.upsert import insert_into


@dataclass(frozen=True)
class KeptPart:
    """An attachment of a reading, its bytes replaced by where they are kept."""

    key: str
    """`sha256:…` of its bytes, or `ref:…`, the keyed hash of the reference they are fetched by."""
    name: str
    role: AttachmentRole
    state: AttachmentState
    media_type: str | None
    size: int | None
    pages: int | None
    sha256: str | None
    ref: str | None


@dataclass(frozen=True)
class PreparedReading:
    """A reading ready to be written: its attachments' bytes sealed and, where large, on disk already."""

    reading: Reading
    parts: tuple[KeptPart, ...]
    blobs: tuple[Prepared, ...]


@dataclass(frozen=True)
class Found:
    """What was read of a part of a Raw (a batch of scans has several)."""

    row: RawRow
    part: int
    prepared: PreparedReading

    @property
    def reading(self) -> Reading:
        return self.prepared.reading


@dataclass(frozen=True)
class KeptReading:
    id: int
    raw_id: int
    part: int
    channel: str
    raw_key: str
    disposition: Disposition
    reason: str | None
    identity: str
    modified_at: datetime | None
    draft: Draft | None
    parts: tuple[KeptPart, ...]
    signals: tuple[Signal, ...]


def prepare(found: Reading, raw_sha256: str, blobs: Blobs, sealer: Sealer) -> PreparedReading:
    """Hash, seal and, where large, store the attachments' bytes. Slow: off the event loop, outside a transaction."""
    parts, kept = [], []
    for part in found.parts:
        sha = raw_sha256 if part.whole else None
        size = part.size
        if part.content is not None:
            kept.append(blobs.prepare(part.content))
            sha, size = kept[-1].sha256, kept[-1].size
        if sha is None and part.ref is None:
            key = "name:" + sealer.lookup("attachment", part.name).hex()
        else:
            # by the address without what signs it, which is another at every visit
            key = f"sha256:{sha}" if sha else "ref:" + sealer.lookup("attachment", str(unsigned(part.ref or ""))).hex()
        parts.append(KeptPart(key, part.name, part.role, part.state, part.media_type, size, part.pages, sha, part.ref))
    return PreparedReading(found, tuple(parts), tuple(kept))


def keep(
    conn: Connection, sealer: Sealer, found: Sequence[Found], now: datetime, *, typed_by: str | None = None
) -> list[KeptReading]:
    """Write readings, each over an earlier one of the same Raw and part; as `load` gives them, in their order.

    One that opens no case is not written over one that a case is computed from: the Raw is kept aside, the case stands.
    Nor is the program's (`typed_by` is None) over one that a person typed: what he typed is given back.
    """
    ids = _of_cases(conn, [one.row.id for one in found if one.reading.disposition is not Disposition.CASE])
    rows = [{**_row(one, sealer, now), "typed_by": typed_by} for one in found if (one.row.id, one.part) not in ids]
    if rows:
        adding = insert_into(conn, reading)
        changes = {name: adding.excluded[name] for name in rows[0] if name not in ("raw_id", "part")}
        program = None if typed_by else reading.c.typed_by.is_(None)
        adding = adding.on_conflict_do_update(index_elements=["raw_id", "part"], set_=changes, where=program)
        added = conn.execute(adding.returning(reading.c.raw_id, reading.c.part, reading.c.id), rows)
        ids |= {(row.raw_id, row.part): row.id for row in added}
    typed = [one for one in found if (one.row.id, one.part) not in ids]
    stand = {(one.row.id, one.part): _at(conn, sealer, one.row.id, one.part) for one in typed}
    return [stand.get((one.row.id, one.part)) or _kept(one, ids[one.row.id, one.part]) for one in found]


def load(conn: Connection, sealer: Sealer, reading_id: int) -> KeptReading:
    """A kept reading by its id."""
    rows = select(reading, raw.c.channel, raw.c.key).join(raw, raw.c.id == reading.c.raw_id)
    return _opened(conn.execute(rows.where(reading.c.id == reading_id)).one(), sealer)


def of_raw(conn: Connection, sealer: Sealer, raw_id: int) -> list[KeptReading]:
    """The readings of a Raw, by part."""
    rows = select(reading, raw.c.channel, raw.c.key).join(raw, raw.c.id == reading.c.raw_id)
    found = conn.execute(rows.where(reading.c.raw_id == raw_id).order_by(reading.c.part)).all()
    return [_opened(row, sealer) for row in found]


def _at(conn: Connection, sealer: Sealer, raw_id: int, part: int) -> KeptReading:
    return next(one for one in of_raw(conn, sealer, raw_id) if one.part == part)


def _of_cases(conn: Connection, raw_ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """The readings of these Raws that cases are computed from, by Raw and part."""
    if not raw_ids:
        return {}
    rows = select(reading.c.raw_id, reading.c.part, reading.c.id).join(cases, cases.c.reading_id == reading.c.id)
    return {(row.raw_id, row.part): row.id for row in conn.execute(rows.where(reading.c.raw_id.in_(raw_ids)))}


def _row(found: Found, sealer: Sealer, now: datetime) -> dict[str, object]:
    return {
        "raw_id": found.row.id,
        "part": found.part,
        "identity": found.reading.identity,
        "disposition": found.reading.disposition.value,
        "reason": found.reading.reason,
        "modified_at": found.reading.modified_at,
        "sealed": sealer.seal(_to_json(found.prepared), f"reading:{found.row.id}:{found.part}"),
        "read_at": now,
    }


def _kept(found: Found, id_: int) -> KeptReading:
    one = found.reading
    return KeptReading(
        id=id_,
        raw_id=found.row.id,
        part=found.part,
        channel=found.row.channel,
        raw_key=found.row.key,
        disposition=one.disposition,
        reason=one.reason,
        identity=one.identity,
        modified_at=one.modified_at,
        draft=one.draft,
        parts=found.prepared.parts,
        signals=one.signals,
    )


def _opened(row: Row[tuple[object, ...]], sealer: Sealer) -> KeptReading:
    kept = json.loads(sealer.open(row.sealed, f"reading:{row.raw_id}:{row.part}"))
    return KeptReading(
        id=row.id,
        raw_id=row.raw_id,
        part=row.part,
        channel=row.channel,
        raw_key=row.key,
        disposition=Disposition(row.disposition),
        reason=row.reason,
        identity=row.identity,
        modified_at=row.modified_at,
        draft=None if kept["draft"] is None else Draft.model_validate(kept["draft"]),
        parts=tuple(_part(part) for part in kept["parts"]),
        signals=tuple(_signal(one) for one in kept["signals"]),
    )


def _to_json(prepared: PreparedReading) -> bytes:
    found = prepared.reading
    draft = "null" if found.draft is None else found.draft.model_dump_json()
    beside = {
        "parts": [vars(part) for part in prepared.parts],
        "signals": [{**vars(one), "at": one.at and one.at.isoformat()} for one in found.signals],
        "follows": found.follows,
    }
    return f'{{"draft": {draft}, {json.dumps(beside)[1:]}'.encode()


def _part(kept: dict[str, str]) -> KeptPart:
    fields = {**kept, "role": AttachmentRole(kept["role"]), "state": AttachmentState(kept["state"])}
    return KeptPart(**fields)  # type: ignore[arg-type]  # written by _to_json from the same class


def _signal(kept: dict[str, str | None]) -> Signal:
    at = kept["at"]
    return Signal(
        SignalKind(str(kept["kind"])), str(kept["id"]), datetime.fromisoformat(at) if at else None, kept["text"]
    )

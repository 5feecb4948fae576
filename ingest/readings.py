"""What a reader made of a Raw, kept sealed, so that a case can be computed again without reading again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, select

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
class KeptReading:
    id: int
    raw_id: int
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
            key = f"sha256:{sha}" if sha else "ref:" + sealer.lookup("attachment", part.ref or "").hex()
        parts.append(KeptPart(key, part.name, part.role, part.state, part.media_type, size, part.pages, sha, part.ref))
    return PreparedReading(found, tuple(parts), tuple(kept))


def keep(conn: Connection, sealer: Sealer, raw_id: int, part: int, prepared: PreparedReading, now: datetime) -> int:
    """Write the reading, over an earlier one of the same Raw and part; its id.

    One that opens no case is not written over one that a case is computed from: the Raw is kept aside, the case stands.
    """
    found = prepared.reading
    if found.disposition is not Disposition.CASE and (used := _of_a_case(conn, raw_id, part)) is not None:
        return used
    row = {
        "raw_id": raw_id,
        "part": part,
        "identity": found.identity,
        "disposition": found.disposition.value,
        "reason": found.reason,
        "modified_at": found.modified_at,
        "sealed": sealer.seal(_to_json(prepared), f"reading:{raw_id}:{part}"),
        "read_at": now,
    }
    changes = {name: value for name, value in row.items() if name not in ("raw_id", "part")}
    statement = (
        insert_into(conn, reading).values(row).on_conflict_do_update(index_elements=["raw_id", "part"], set_=changes)
    )
    return int(conn.execute(statement.returning(reading.c.id)).scalar_one())


def load(conn: Connection, sealer: Sealer, reading_id: int) -> KeptReading:
    """A kept reading by its id."""
    rows = select(reading, raw.c.channel, raw.c.key).join(raw, raw.c.id == reading.c.raw_id)
    return _opened(conn.execute(rows.where(reading.c.id == reading_id)).one(), sealer)


def _of_a_case(conn: Connection, raw_id: int, part: int) -> int | None:
    rows = select(reading.c.id).join(cases, cases.c.reading_id == reading.c.id)
    return conn.execute(rows.where(reading.c.raw_id == raw_id, reading.c.part == part)).scalar_one_or_none()


def _opened(row: Row[tuple[object, ...]], sealer: Sealer) -> KeptReading:
    kept = json.loads(sealer.open(row.sealed, f"reading:{row.raw_id}:{row.part}"))
    return KeptReading(
        id=row.id,
        raw_id=row.raw_id,
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
    return json.dumps(
        {
            "draft": None if found.draft is None else found.draft.model_dump(mode="json"),
            "parts": [vars(part) for part in prepared.parts],
            "signals": [{**vars(one), "at": one.at and one.at.isoformat()} for one in found.signals],
            "follows": found.follows,
        },
        ensure_ascii=False,
    ).encode("utf-8", "backslashreplace")


def _part(kept: dict[str, str]) -> KeptPart:
    fields = {**kept, "role": AttachmentRole(kept["role"]), "state": AttachmentState(kept["state"])}
    return KeptPart(**fields)  # type: ignore[arg-type]  # written by _to_json from the same class


def _signal(kept: dict[str, str | None]) -> Signal:
    at = kept["at"]
    return Signal(
        SignalKind(str(kept["kind"])), str(kept["id"]), datetime.fromisoformat(at) if at else None, kept["text"]
    )

"""The original beside the case: what a channel handed over, shaped for a page without trusting a byte of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, exists, select

from adapters.base import RawKind
from adapters.document import decoded
from ingest import attachments, inbox
from ingest.accounts import Role
from ingest.console.roles import may_read
from ingest.console.viewing import ShownMail, Viewer
from ingest.inbox import RawRow
from ingest.workers import WorkerFailed
from store.blobs import Blobs, Kept, find
from store.schema import cases, raw, reading, receipt
from store.sealing import Sealer

SHOWN = 200_000
"""Characters of a record that a page shows; the whole is a click away."""
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
VIEWABLE = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""What every browser shows as a picture."""


@dataclass(frozen=True)
class Original:
    """One Raw, as far as it may and can be shown."""

    raw_id: int
    channel: str
    kind: str
    locator: str
    received_at: datetime | None
    fetched_at: datetime
    sha256: str
    withheld: bool = False
    """It also holds a restricted matter that this role must not see."""
    infected: bool = False
    """A scan in which clamd found something: its bytes are an attachment's."""
    out_of_reach: bool = False
    """Where large originals are kept does not answer now."""
    removed_at: datetime | None = None
    """Its time had come."""
    size: int = 0
    media_type: str = "application/octet-stream"
    mail: ShownMail | None = None
    record: str | None = None

    @property
    def picture(self) -> bool:
        return self.media_type in VIEWABLE


@dataclass(frozen=True)
class Lying:
    """A Raw as its row tells; its bytes, if this role may see them, are still where they are kept."""

    row: RawRow
    kept: Kept | None
    infected: bool


def lying_of(conn: Connection, sealer: Sealer, role: Role, case_id: str) -> list[Lying]:
    """Every arrival of a case, in order."""
    wanted = select(raw).join(receipt, receipt.c.raw_id == raw.c.id).where(receipt.c.case_id == case_id)
    rows = conn.execute(wanted.distinct().order_by(raw.c.id)).all()
    return [lying(conn, sealer, role, inbox.opened(row, sealer)) for row in rows]


def lying(conn: Connection, sealer: Sealer, role: Role, row: RawRow) -> Lying:
    kept = find(conn, row.sha256) if may_see_raw(conn, sealer, role, row.id) else None
    return Lying(row, kept, attachments.is_infected(conn, row.sha256))


async def shown(viewer: Viewer, blobs: Blobs, found: Lying) -> Original:
    """The Raw shaped for a page, or withheld; one that cannot be shown is there to be downloaded."""
    row = found.row
    plain = Original(row.id, row.channel, row.kind.value, row.locator, row.received_at, row.fetched_at, row.sha256)
    if found.kept is None:
        return replace(plain, withheld=True)
    if found.infected:
        return replace(plain, infected=True)
    if found.kept.removed_at is not None:
        return replace(plain, removed_at=found.kept.removed_at)
    try:
        content = await blobs.opened(found.kept)
    except OSError:
        return replace(plain, out_of_reach=True)
    return await _made(viewer, plain, row, content)


async def _made(viewer: Viewer, plain: Original, row: RawRow, content: bytes) -> Original:
    if row.kind is RawKind.MAIL:
        return replace(plain, size=len(content), media_type="message/rfc822", mail=await viewer.mail(content))
    if row.kind is RawKind.RECORD:
        try:
            written = await viewer.record(content, row.pointer)
        except WorkerFailed:
            return replace(plain, size=len(content))
        return replace(plain, size=len(written), media_type="application/json", record=decoded(written)[:SHOWN])
    return replace(plain, size=len(content), media_type=media_type_of(content))


def may_see_raw(conn: Connection, sealer: Sealer, role: Role, raw_id: int) -> bool:
    """Whether this role may see content, and no matter read from this Raw is one it must not see."""
    if not may_read(role, restricted=False):
        return False
    return may_read(role, restricted=True) or not holds_restricted(conn, sealer, raw_id)


def holds_restricted(conn: Connection, sealer: Sealer, raw_id: int) -> bool:
    """Whether a restricted matter was read from this Raw, perhaps among others: a scan may hold several letters.

    Also one that is so no longer: what a case was while restricted stays closed, except where the very same reading
    still makes the case, which a person has opened.
    """
    joined = receipt.join(cases, cases.c.case_id == receipt.c.case_id)
    closed = exists().select_from(joined).where(receipt.c.raw_id == raw_id, cases.c.restricted)
    return bool(conn.execute(select(closed)).scalar_one()) or suspected(conn, sealer, raw_id)


def suspected(conn: Connection, sealer: Sealer, raw_id: int) -> bool:
    """Whether a reader saw a restricted matter in this Raw of which no case is made, or not any more."""
    unused = ~exists().where(cases.c.reading_id == reading.c.id)
    for row in conn.execute(select(reading).where(reading.c.raw_id == raw_id, unused)):
        draft = json.loads(sealer.open(row.sealed, f"reading:{row.raw_id}:{row.part}"))["draft"]
        if draft is not None and draft["restricted"]:
            return True
    return False


def media_type_of(content: bytes) -> str:
    """By the first bytes: a file's name proves nothing."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((media for magic, media in _MAGIC if content.startswith(magic)), "application/octet-stream")


async def as_sent(viewer: Viewer, content: bytes, row: RawRow) -> tuple[bytes, str, str]:
    """The Raw to download: bytes, media type and a file name that says nothing of a person.

    Raises WorkerFailed: the record cannot be taken out of its page, which may hold others' records.
    """
    if row.kind is RawKind.MAIL:
        return content, "message/rfc822", f"original-{row.id}.eml"
    if row.kind is RawKind.RECORD:
        return await viewer.record(content, row.pointer), "application/json", f"original-{row.id}.json"
    media = media_type_of(content)
    return content, media, f"original-{row.id}.{media.rpartition('/')[2] if '/octet' not in media else 'bin'}"

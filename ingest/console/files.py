"""Attachments and originals as downloads: to a target with its token, to a person with his session."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import Connection, select

from dispatch.holdings import may_fetch
from ingest import inbox
from ingest.attachments import is_infected
from ingest.console.case_page import readable, record_fetch, record_view
from ingest.console.context import CONSOLE, Console, visitor_of
from ingest.console.guard import needs
from ingest.console.interface import target_of, unknown
from ingest.console.originals import as_sent, holds_restricted, may_see_raw
from ingest.console.roles import Right
from ingest.inbox import RawRow
from ingest.register import load_case
from ingest.unexpected import PASSING
from ingest.workers import WorkerFailed
from store.blobs import Blobs, Kept, find
from store.schema import attachment, raw, receipt
from store.sealing import Sealer

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_ACTIVE = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml"})
"""Types a browser would run something of; they go out as plain bytes."""


async def send_file(request: web.Request) -> web.StreamResponse:
    """An attachment by its hash. 401 without token or session, 404 for whatever the asker may not see."""
    console = request.app[CONSOLE]
    case_id, sha256 = request.match_info["case_id"], request.match_info["sha256"]
    if "Authorization" in request.headers:
        everything = await _admit_target(console, request, case_id)
    else:
        everything = await _admit_person(console, request, case_id)
    store = console.store
    found = await store.read(lambda conn: _load(conn, store.sealer, case_id, sha256, everything))
    if found is None:
        raise web.HTTPNotFound
    if "Authorization" in request.headers:
        await record_fetch(console, target_of(console, request), case_id, file=sha256[:12])
    else:
        await record_view(console, visitor_of(request), case_id, file=sha256[:12])
    kept, media_type, name = found
    return download(await opened(store.blobs, kept), media_type, name)


@needs(Right.CONTENT)
async def send_original(request: web.Request) -> web.StreamResponse:
    """A Raw the case was read from."""
    console, visitor = request.app[CONSOLE], visitor_of(request)
    case_id, raw_id = request.match_info["case_id"], int(request.match_info["raw_id"])
    if not await readable(console, visitor, case_id):
        raise web.HTTPNotFound
    store, role = console.store, visitor.role

    def load(conn: Connection) -> tuple[Kept, RawRow] | None:
        wanted = select(raw).join(receipt, receipt.c.raw_id == raw.c.id)
        row = conn.execute(wanted.where(raw.c.id == raw_id, receipt.c.case_id == case_id).limit(1)).one_or_none()
        if row is None or not may_see_raw(conn, store.sealer, role, raw_id) or is_infected(conn, row.blob):
            return None
        return find(conn, row.blob), inbox.opened(row, store.sealer)

    found = await store.read(load)
    if found is None:
        raise web.HTTPNotFound
    await record_view(console, visitor, case_id, original=raw_id)
    kept, row = found
    return await send(console, await opened(store.blobs, kept), row)


async def opened(blobs: Blobs, kept: Kept) -> bytes:
    """The bytes. Raises HTTPGone: their time had come."""
    if kept.removed_at is not None:
        raise web.HTTPGone(text=f"removed by retention on {kept.removed_at:%Y-%m-%d}")
    return await blobs.opened(kept)


async def send(console: Console, content: bytes, row: RawRow) -> web.Response:
    """A Raw as a download."""
    try:
        return download(*await as_sent(console.viewer, content, row))
    except WorkerFailed as error:
        raise web.HTTPServiceUnavailable(text=PASSING) from error


def download(content: bytes, media_type: str | None, name: str) -> web.Response:
    """Bytes that a browser saves, or shows as a picture in our page, and never runs."""
    known = (media_type or "").lower()
    safe = known if _MEDIA_TYPE.fullmatch(known) and known not in _ACTIVE else "application/octet-stream"
    plain = "file" + re.sub(r"[^.a-zA-Z0-9]", "", PurePosixPath(name).suffix)[:10]
    headers = {
        "Content-Type": safe,
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        "Cache-Control": "no-store",
    }
    return web.Response(body=content, headers=headers)


async def _admit_target(console: Console, request: web.Request, case_id: str) -> bool:
    """Whether the target that asks takes restricted cases in full. 404: the case is not for it."""
    name = target_of(console, request)
    target = console.settings.targets[name].target
    if not await console.store.read(lambda conn: may_fetch(conn, case_id, name, target)):
        raise web.HTTPNotFound
    return target.takes_restricted


async def _admit_person(console: Console, request: web.Request, case_id: str) -> bool:
    """Whether the person who asks may see restricted cases."""
    visitor = visitor_of(request)
    if visitor.session is None:
        raise unknown()
    if not await readable(console, visitor, case_id):
        raise web.HTTPNotFound
    return visitor.may_read(restricted=True)


def _load(
    conn: Connection, sealer: Sealer, case_id: str, sha256: str, everything: bool
) -> tuple[Kept, str | None, str] | None:
    """A case's attachment, its media type and name; None: it has none like this that the asker may see."""
    wanted = select(attachment).where(
        attachment.c.case_id == case_id, attachment.c.sha256 == sha256, attachment.c.state == "stored"
    )
    row = conn.execute(wanted.limit(1)).one_or_none()
    if row is None or not (everything or _alone(conn, sealer, case_id, sha256)):
        return None
    case = load_case(conn, sealer, case_id)
    names = [one.name for one in case.attachments if one.sha256 == sha256]
    if not everything and (case.restricted or not names):  # now, in this very snapshot, or in an earlier revision
        return None
    return find(conn, sha256), row.media_type, names[0] if names else "attachment"


def _alone(conn: Connection, sealer: Sealer, case_id: str, sha256: str) -> bool:
    """Whether the bytes, if they are a whole scan the case was read from, hold no restricted matter besides."""
    wanted = select(raw.c.id).join(receipt, receipt.c.raw_id == raw.c.id)
    rows = conn.execute(wanted.where(receipt.c.case_id == case_id, raw.c.blob == sha256)).scalars()
    return not any(holds_restricted(conn, sealer, raw_id) for raw_id in rows)

"""What was kept aside: why, and for those who may read it, the thing itself."""

from __future__ import annotations

import asyncio

from aiohttp import web
from sqlalchemy import Connection, select

from adapters.base import RawKind
from ingest import inbox, listings
from ingest.accounts import Role
from ingest.console.case_page import record_view
from ingest.console.context import CONSOLE, page, visitor_of
from ingest.console.files import download
from ingest.console.guard import needs
from ingest.console.originals import as_sent, lying, may_see_raw, shown
from ingest.console.paging import before_of, chosen, named, span_of
from ingest.console.roles import Right
from ingest.inbox import RawRow
from store.blobs import find
from store.schema import raw
from store.sealing import Sealer

KINDS = tuple(RawKind)
STATES = ("quarantined", "dismissed")


@needs(Right.QUARANTINE)
async def show(request: web.Request) -> web.StreamResponse:
    console, before, span = request.app[CONSOLE], before_of(request), span_of(request)
    channels = [door.name for door in await console.store.read(listings.doors)]
    channel, kind = named(request, "channel"), chosen(request, "kind", KINDS)
    state = chosen(request, "state", STATES) or STATES[0]
    found = await console.store.read(
        lambda conn: listings.quarantine(conn, before=before, channel=channel, kind=kind, state=state, span=span)
    )
    return page(
        request,
        "quarantine.html",
        rows=found[: listings.PAGE],
        older=found[listings.PAGE - 1].raw_id if len(found) > listings.PAGE else None,
        channels=channels,
        channel=channel,
        kinds=KINDS,
        kind=kind,
        states=STATES,
        state=state,
    )


@needs(Right.QUARANTINED_ORIGINALS)
async def show_one(request: web.Request) -> web.StreamResponse:
    console, visitor, raw_id = request.app[CONSOLE], visitor_of(request), int(request.match_info["raw_id"])
    store, role = console.store, visitor.role
    row = await store.read(lambda conn: _quarantined(conn, store.sealer, role, raw_id))
    await record_view(console, visitor, None, raw=raw_id)
    reason = await store.read(lambda conn: conn.execute(select(raw.c.reason).where(raw.c.id == raw_id)).scalar_one())
    found = await store.read(lambda conn: lying(conn, store.sealer, role, row))
    original = await asyncio.to_thread(shown, store.blobs, found)
    return page(request, "quarantined.html", original=original, reason=reason)


@needs(Right.QUARANTINED_ORIGINALS)
async def send_one(request: web.Request) -> web.StreamResponse:
    console, visitor, raw_id = request.app[CONSOLE], visitor_of(request), int(request.match_info["raw_id"])
    store, role = console.store, visitor.role
    row = await store.read(lambda conn: _quarantined(conn, store.sealer, role, raw_id))
    await record_view(console, visitor, None, raw=raw_id)
    kept = await store.read(lambda conn: find(conn, row.sha256))
    content = await asyncio.to_thread(store.blobs.open, kept)
    return download(*as_sent(content, row))


def _quarantined(conn: Connection, sealer: Sealer, role: Role, raw_id: int) -> RawRow:
    """The Raw kept aside under this id. Raises HTTPNotFound, also when it is not for this role."""
    row = conn.execute(select(raw).where(raw.c.id == raw_id, raw.c.state == "quarantined")).one_or_none()
    if row is None or not may_see_raw(conn, sealer, role, raw_id):
        raise web.HTTPNotFound
    return inbox.opened(row, sealer)

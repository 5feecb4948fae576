"""What went to the OA, what waits and what was refused, attempt by attempt."""

from __future__ import annotations

from aiohttp import web

from dispatch.recording import State
from ingest import listings
from ingest.console.context import CONSOLE, page
from ingest.console.guard import needs
from ingest.console.paging import before_of
from ingest.console.roles import Right

STATES = tuple(State)


@needs(Right.DELIVERIES)
async def show(request: web.Request) -> web.StreamResponse:
    console = request.app[CONSOLE]
    target = request.query.get("target") or None
    state = request.query.get("state") if request.query.get("state") in STATES else None
    before = before_of(request)
    found = await console.store.read(lambda conn: listings.deliveries(conn, target=target, state=state, before=before))
    targets = await console.store.read(listings.targets)
    return page(
        request,
        "deliveries.html",
        rows=found[: listings.PAGE],
        older=found[listings.PAGE - 1].id if len(found) > listings.PAGE else None,
        targets=targets,
        states=STATES,
        target=target,
        state=state,
    )

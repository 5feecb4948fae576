"""One case in full; whoever opens it is written down first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from sqlalchemy import select

from ingest.console.case_view import full_view, numbers_view
from ingest.console.context import CONSOLE, Console, Visitor, page, visitor_of
from ingest.console.guard import needs
from ingest.console.originals import shown
from ingest.console.roles import Right
from ingest.history import record_history
from store.schema import cases


@needs(Right.CASES)
async def show(request: web.Request) -> web.StreamResponse:
    """Everything, for those who may read it; for others the number, channel kind and deadlines."""
    console, visitor, case_id = request.app[CONSOLE], visitor_of(request), request.match_info["case_id"]
    if not await readable(console, visitor, case_id):
        numbers = await console.store.read(lambda conn: numbers_view(conn, console.store.sealer, case_id))
        return page(request, "case_numbers.html", seen=numbers)
    await record_view(console, visitor, case_id)
    store, role, calendar = console.store, visitor.role, console.desk.clockwork.calendar
    seen = await store.read(lambda conn: full_view(conn, store.sealer, role, case_id, calendar))
    if seen is None:  # it became restricted just now
        raise web.HTTPNotFound
    originals = [await shown(console.viewer, store.blobs, one) for one in seen.originals]
    return page(request, "case.html", seen=seen, case=seen.case, originals=originals)


async def readable(console: Console, visitor: Visitor, case_id: str) -> bool:
    """Whether this visitor may read this case. Raises HTTPNotFound when there is none."""
    wanted = select(cases.c.restricted).where(cases.c.case_id == case_id)
    restricted = await console.store.read(lambda conn: conn.execute(wanted).scalar_one_or_none())
    if restricted is None:
        raise web.HTTPNotFound
    return visitor.may_read(restricted=restricted)


async def record_view(console: Console, visitor: Visitor, case_id: str | None, **what: object) -> None:
    """Write down who looks at personal data; it is on disk before anything is shown."""
    await _record(console, "viewed", visitor.name, case_id, {"role": visitor.role.value, **what})


async def record_search(console: Console, visitor: Visitor, found: Sequence[str]) -> None:
    """Write down who looked for something among cases, never what for, and which he was shown."""
    await _record(console, "searched", visitor.name, None, {"role": visitor.role.value, "found": list(found)})


async def record_fetch(console: Console, target: str, case_id: str, **what: object) -> None:
    """Write down what a target fetches itself; what is sent to it stands with its deliveries."""
    await _record(console, "viewed", f"{target}@target", case_id, {"target": target, **what})


async def _record(console: Console, kind: str, actor: str, case_id: str | None, detail: dict[str, Any]) -> None:
    now = console.now()
    await console.write(lambda conn: record_history(conn, case_id, kind, actor, detail, now))

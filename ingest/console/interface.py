"""What an OA may ask: a case as it now is, and which cases it should have. With a target's token, what that may see."""

from __future__ import annotations

import hmac
import json
from datetime import datetime
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from dispatch.outbox import numbers_of
from dispatch.reckoning import PAGE, Cursor, Meant, is_meant, meant_for
from dispatch.rights import right_of
from dispatch.settings import TargetSettings
from ingest.console.case_page import record_fetch
from ingest.console.context import CONSOLE, Console
from ingest.register import load_case
from store.sealing import Sealer

NO_STORE = {"Cache-Control": "no-store"}


def target_of(console: Console, request: web.Request) -> str:
    """Whose token this is; every token is compared, in a time that tells nothing. Raises HTTPUnauthorized."""
    scheme, _, said = request.headers.get("Authorization", "").partition(" ")
    given = said.strip().encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""
    tokens = [(name, token) for name, access in console.settings.targets.items() for token in access.tokens]
    matches = [name for name, token in tokens if hmac.compare_digest(token.encode(), given)]
    if not matches:
        raise unknown()
    return matches[0]


async def show_case(request: web.Request) -> web.Response:
    """The case in its last revision, or its numbers. 401: no such token; 404: it is not for this target."""
    console, case_id = request.app[CONSOLE], request.match_info["case_id"]
    name = target_of(console, request)
    target, sealer = console.settings.targets[name].target, console.store.sealer
    found = await console.store.read(lambda conn: _case(conn, sealer, name, target, case_id))
    if found is None:
        return refused(404, f"case {case_id}: there is none for this target")
    text, view = found
    if view == "full":
        await record_fetch(console, name, case_id)
    return web.Response(text=text, content_type="application/json", headers=NO_STORE)


async def list_cases(request: web.Request) -> web.Response:
    """`?since=TIME&cursor=…&limit=N`: what this target should have, oldest change first. 400: not understood."""
    console = request.app[CONSOLE]
    name = target_of(console, request)
    target = console.settings.targets[name].target
    if not target.enabled:
        return refused(404, f"target {name} is disabled")
    try:
        since, after, limit = _asked(request)
    except ValueError as error:
        return refused(400, str(error))
    found, last = await console.store.read(
        lambda conn: meant_for(conn, name, target, since=since, after=after, limit=limit)
    )
    body = {"cases": [_shown(one) for one in found], "next": None if last is None else str(last)}
    return web.json_response(body, headers=NO_STORE)


def _case(conn: Connection, sealer: Sealer, name: str, target: TargetSettings, case_id: str) -> tuple[str, str] | None:
    """What the target is shown, and whether that is all or the numbers."""
    try:
        case = load_case(conn, sealer, case_id)
    except KeyError:
        return None
    view = right_of(target, case.channel, restricted=case.restricted)
    if view is None or not target.enabled or not is_meant(conn, name, case_id):
        return None
    return case.model_dump_json() if view == "full" else json.dumps(numbers_of(case), ensure_ascii=False), view


def _asked(request: web.Request) -> tuple[datetime | None, Cursor | None, int]:
    """Raises ValueError."""
    query = request.query
    since = _moment(query["since"]) if query.get("since") else None
    after = Cursor.parse(query["cursor"]) if query.get("cursor") else None
    limit = query.get("limit", str(PAGE))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= PAGE:
        raise ValueError(f"limit: expected a number from 1 to {PAGE}")
    return since, after, int(limit)


def _moment(text: str) -> datetime:
    expected = "since: expected a time with its zone such as 2026-03-02T09:00:00+08:00 (a + is written %2B)"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(expected) from error
    if moment.tzinfo is None:
        raise ValueError(expected)
    return moment


def _shown(one: Meant) -> dict[str, Any]:
    return {
        "case_id": one.case_id,
        "case_no": one.case_no,
        "revision": one.revision if one.view == "full" else None,
        "delivered_revision": one.delivered if one.view == "full" else None,
        "pending": one.pending,
        "withdrawn": one.withdrawn,
        "restricted": one.restricted,
        "updated_at": one.updated_at.isoformat(),
    }


def unknown() -> web.HTTPUnauthorized:
    """To whoever asks without a token that is known, where no person has logged in."""
    said = json.dumps({"error": "expected the header Authorization: Bearer TOKEN, with a target's token"})
    headers = {"WWW-Authenticate": "Bearer", **NO_STORE}
    return web.HTTPUnauthorized(text=said, content_type="application/json", headers=headers)


def refused(status: int, said: str) -> web.Response:
    return web.json_response({"error": said}, status=status, headers=NO_STORE)

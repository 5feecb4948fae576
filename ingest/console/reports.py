"""Takes what an OA reports of a case, signed with the secret its target has for reports."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web

from dispatch.reports import NotAReport, NotGenuine, NotJson, read_report, verify_any
from ingest.console.context import CONSOLE, Console
from ingest.console.interface import NO_STORE, refused
from ingest.reported import Arrived, NoSuchCase, OtherWords, OutOfOrder, take

REFUSALS: dict[type[Exception], int] = {
    NotJson: 400,
    NotGenuine: 401,
    NoSuchCase: 404,
    OtherWords: 409,
    OutOfOrder: 409,
    NotAReport: 422,
}
LARGEST = 256 * 1024
"""Two texts of 20,000 characters, each written as six bytes, and what stands around them."""


async def take_report(request: web.Request) -> web.Response:
    """200: taken, now or before under this id; 413: too large; else one of `REFUSALS`, with what was expected."""
    console = request.app[CONSOLE]
    body = await _body(request)
    if body is None:
        return refused(413, f"a report has at most {LARGEST} bytes")
    try:
        arrived = _arrived(console, request, body)
        settings, desk, now = console.settings.reporters[arrived.target], console.desk, console.now()
        taken = await console.write(lambda conn: take(conn, desk.sealer, desk.clockwork, settings, arrived, now))
    except tuple(REFUSALS) as error:
        return refused(REFUSALS[type(error)], str(error))
    return web.json_response(taken.told(desk.zone), headers=NO_STORE)


async def _body(request: web.Request) -> bytes | None:
    """None: it is too large."""
    if (request.content_length or 0) > LARGEST:
        return None
    with suppress(web.HTTPRequestEntityTooLarge):
        found = await request.read()
        return found if len(found) <= LARGEST else None
    return None


def _arrived(console: Console, request: web.Request, body: bytes) -> Arrived:
    """Raises NotGenuine, NotAReport."""
    now = console.now()
    secrets = {name: one.reports.secret for name, one in console.settings.reporters.items() if one.reports}
    target, report_id = verify_any(secrets, request.headers, body, now)
    return Arrived(target, report_id, body, read_report(body, now))

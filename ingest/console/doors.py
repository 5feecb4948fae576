"""One door or one target: how it is, what became of it, and pausing or resuming it."""

from __future__ import annotations

from aiohttp import web

from ingest import listings
from ingest.console.acting import act_and_say, field_of
from ingest.console.context import CONSOLE, page
from ingest.console.guard import needs
from ingest.console.roles import Right


@needs(Right.OVERVIEW)
async def show_door(request: web.Request) -> web.StreamResponse:
    console, name = request.app[CONSOLE], request.match_info["name"]
    settings = console.settings
    seen = await console.store.read(lambda conn: listings.doors(conn, settings.polled))
    doors = {one.name: one for one in seen}
    if name not in doors:
        raise web.HTTPNotFound
    return page(
        request, "door.html", door=doors[name], kind=settings.channels.get(name), title=settings.titles.get(name)
    )


@needs(Right.OVERVIEW)
async def show_target(request: web.Request) -> web.StreamResponse:
    console, name = request.app[CONSOLE], request.match_info["name"]
    configured = console.desk.outbox.targets
    seen = await console.store.browse(lambda conn: listings.targets(conn, configured))
    targets = {one.name: one for one in seen}
    if name not in targets:
        raise web.HTTPNotFound
    return page(request, "target.html", target=targets[name])


@needs(Right.PAUSE)
async def pause_door(request: web.Request) -> web.StreamResponse:
    return await _act(request, "pause", "door", "/doors")


@needs(Right.PAUSE)
async def resume_door(request: web.Request) -> web.StreamResponse:
    return await _act(request, "resume", "door", "/doors")


@needs(Right.PAUSE)
async def pause_target(request: web.Request) -> web.StreamResponse:
    return await _act(request, "pause", "target", "/targets")


@needs(Right.PAUSE)
async def resume_target(request: web.Request) -> web.StreamResponse:
    return await _act(request, "resume", "target", "/targets")


async def _act(request: web.Request, operation: str, what: str, folder: str) -> web.Response:
    name = request.match_info["name"]
    asked = {"what": what, "name": name, "reason": await field_of(request, "reason")}
    return await act_and_say(request, operation, asked, f"{folder}/{name}", f"{operation}d")

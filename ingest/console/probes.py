"""What machines ask: is the process alive, are its doors open, its numbers, its style sheet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import PurePath

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ingest.console.context import CONSOLE, MEDIA
from ingest.console.settings import is_within
from ingest.health import Readiness


async def healthz(_request: web.Request) -> web.Response:
    """The process answers: no more is promised."""
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """200 when doors, targets, database and depot can be used, else 503; each one's state, never an error's words."""
    health = request.app[CONSOLE].health()
    stores = _shown({"database": health.database, "blobs": health.blobs})
    body = {"ready": health.ready, "doors": _shown(health.doors), "targets": _shown(health.targets), **stores}
    return web.json_response(body, status=200 if health.ready else 503, headers={"Cache-Control": "no-store"})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus' numbers, for the configured addresses; never through a proxy, which makes everybody local."""
    console = request.app[CONSOLE]
    proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if proxied or not is_within(request.remote, console.settings.metrics_from):
        raise web.HTTPForbidden(text="metrics are for the addresses in metrics_from\n")
    body = await asyncio.to_thread(generate_latest, console.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def static(request: web.Request) -> web.Response:
    """Our own files; their address carries their hash, so browsers may keep them."""
    console, name = request.app[CONSOLE], request.match_info["name"]
    if name not in console.static:
        raise web.HTTPNotFound
    return web.Response(
        body=console.static[name],
        content_type=MEDIA[PurePath(name).suffix],
        charset="utf-8",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


def _shown(parts: Mapping[str, Readiness]) -> dict[str, dict[str, bool | str]]:
    return {name: {"ready": part.ready, "state": part.state} for name, part in parts.items()}

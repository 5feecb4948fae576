"""What machines ask: is the process alive, are its doors open, its numbers, its style sheet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from ingest.console.context import CONSOLE, MEDIA
from ingest.console.settings import is_within
from ingest.health import Health, Readiness
from ingest.unexpected import log_by_place


@dataclass(frozen=True)
class Probed:
    """What a process tells the machines that watch it."""

    health: Callable[[], Health]
    registry: CollectorRegistry
    metrics_from: Callable[[], tuple[str, ...]]
    """Whom its numbers are for, by the configuration in force."""


PROBED = web.AppKey("probed", Probed)


def create_probes(probed: Probed) -> web.Application:
    """The probes and nothing else: for a process without the console."""
    app = web.Application(middlewares=[log_by_place])
    app[PROBED] = probed
    app.on_response_prepare.append(_name_nobody)
    app.add_routes(probe_routes())
    return app


def probe_routes() -> list[web.RouteDef]:
    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


async def healthz(_request: web.Request) -> web.Response:
    """The process answers: no more is promised."""
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """200 when doors, targets, database and depot can be used, else 503; each one's state, never an error's words."""
    health = request.app[PROBED].health()
    stores = _shown({"database": health.database, "blobs": health.blobs})
    body = {"ready": health.ready, "doors": _shown(health.doors), "targets": _shown(health.targets), **stores}
    return web.json_response(body, status=200 if health.ready else 503, headers={"Cache-Control": "no-store"})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus' numbers, for the configured addresses; never through a proxy, which makes everybody local."""
    probed = request.app[PROBED]
    proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if proxied or not is_within(request.remote, probed.metrics_from()):
        raise web.HTTPForbidden(text="metrics are for the addresses in metrics_from\n")
    body = await asyncio.to_thread(generate_latest, probed.registry)
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


async def _name_nobody(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "xinqiao"
    response.headers["X-Content-Type-Options"] = "nosniff"


def _shown(parts: Mapping[str, Readiness]) -> dict[str, dict[str, bool | str]]:
    return {name: {"ready": part.ready, "state": part.state} for name, part in parts.items()}

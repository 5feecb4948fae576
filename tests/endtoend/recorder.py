"""Stands between the daemon and the OA: verifies every attempt independently and keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True)
class Attempt:
    """One POST of the daemon."""

    route: str
    event_id: str
    body: bytes
    forged: str | None
    """What the independent verifier objects to."""


@dataclass
class Recorder:
    """Hands every request on to the OA as it is and its answer back."""

    secrets: dict[str, str]
    oa: str
    url: str = ""
    refuse: int | None = None
    """Answer with this status and hand nothing on."""
    thinks: float = 0.0
    """So many seconds over each."""
    attempts: list[Attempt] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        route = request.match_info.get("route", "")
        self.attempts.append(self._attempt(route, request, body))
        await asyncio.sleep(self.thinks)
        if self.refuse is not None:
            return web.Response(status=self.refuse, body=b"not like this: " + body)  # as receivers do
        return await self._hand_on(request, body)

    def _attempt(self, route: str, request: web.Request, body: bytes) -> Attempt:
        headers = {name.lower(): value for name, value in request.headers.items()}
        forged = None
        try:
            Webhook(self.secrets[route]).verify(body, headers)
        except WebhookVerificationError as error:
            forged = str(error)
        return Attempt(route, headers["webhook-id"], body, forged)

    async def _hand_on(self, request: web.Request, body: bytes) -> web.Response:
        ours = {"host", "content-length", "connection"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ours}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.oa}{request.path}", data=body, headers=headers) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)


@asynccontextmanager
async def recording(secrets: dict[str, str], oa: str) -> AsyncIterator[Recorder]:
    """`secrets` by route: "" is /webhook, "discipline" is /webhook/discipline."""
    recorder = Recorder(secrets, oa)
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/webhook", recorder.handle)
    app.router.add_post("/webhook/{route}", recorder.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    recorder.url = f"http://{host}:{port}"
    try:
        yield recorder
    finally:
        await runner.cleanup()

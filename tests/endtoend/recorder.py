"""Stands between the daemon and the OA: verifies every attempt independently, keeps it, holds it back on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


class Hold(StrEnum):
    """Where a request is kept waiting until its sender is gone."""

    NOWHERE = "nowhere"
    BEFORE = "before the OA has seen it"
    AFTER = "after the OA has taken it"


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
    """Hands every request on to the OA as it is and its answer back, after `delay` seconds."""

    secrets: dict[str, str]
    oa: str
    delay: float = 0.0
    url: str = ""
    hold: Hold = Hold.NOWHERE
    refuse: int | None = None
    """Answer with this status and hand nothing on."""
    attempts: list[Attempt] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    """A request is being held: its sender waits for the answer."""
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def keep_waiting(self, where: Hold) -> None:
        self.hold = where
        self.held.clear()
        self.released.clear()

    def let_go(self) -> None:
        """To be called when the sender is dead: nobody hears the answers any more."""
        self.hold = Hold.NOWHERE
        self.released.set()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        route = request.match_info.get("route", "")
        self.attempts.append(self._attempt(route, request, body))
        if self.refuse is not None:
            return web.Response(status=self.refuse, text="not like this")
        if self.hold is Hold.BEFORE:
            await self._keep()
            return web.Response(status=502)
        answer = await self._hand_on(request, body)
        if self.hold is Hold.AFTER:
            await self._keep()
        return answer

    async def _keep(self) -> None:
        self.held.set()
        await self.released.wait()

    def _attempt(self, route: str, request: web.Request, body: bytes) -> Attempt:
        headers = {name.lower(): value for name, value in request.headers.items()}
        forged = None
        try:
            Webhook(self.secrets[route]).verify(body, headers)
        except WebhookVerificationError as error:
            forged = str(error)
        return Attempt(route, headers["webhook-id"], body, forged)

    async def _hand_on(self, request: web.Request, body: bytes) -> web.Response:
        await asyncio.sleep(self.delay)  # as long as an OA thinks
        ours = {"host", "content-length", "connection"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ours}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.oa}{request.path}", data=body, headers=headers) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)


@asynccontextmanager
async def recording(secrets: dict[str, str], oa: str, delay: float = 0.0) -> AsyncIterator[Recorder]:
    """`secrets` by route: "" is /webhook, "discipline" is /webhook/discipline."""
    recorder = Recorder(secrets, oa, delay)
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
        recorder.let_go()
        await runner.cleanup()

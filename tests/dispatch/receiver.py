"""A small OA over a real socket: answers as it is told, and remembers every request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.patience import PATIENCE

Reply = Callable[[], web.Response]


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`judge` is asked first, then `replies` are given in turn, then `default`."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    default: Reply = field(default=lambda: web.json_response({"code": 0, "id": "OA-1"}))
    judge: Callable[[bytes], web.Response | None] = field(default=lambda _body: None)
    received: list[Received] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received.append(Received({name.lower(): value for name, value in request.headers.items()}, body))
        async with self._arrived:
            self._arrived.notify_all()
        await self.gate.wait()
        judged = self.judge(body)
        return judged or (self.replies.pop(0) if self.replies else self.default)()

    async def count(self, number: int) -> None:
        """Wait until so many requests have come."""
        async with self._arrived, asyncio.timeout(PATIENCE):
            await self._arrived.wait_for(lambda: len(self.received) >= number)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    receiver.gate.set()
    app = web.Application()
    app.router.add_post("/webhook", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/webhook"
    try:
        yield receiver
    finally:
        receiver.gate.set()
        await runner.cleanup()

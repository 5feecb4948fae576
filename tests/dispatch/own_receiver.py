"""A receiver with an interface of its own, over a real socket: answers as it is told, path by path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from dispatch.parcel import Parcel
from dispatch.settings import TargetSettings
from store.ledger import Claim

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
Answering = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    """With its query, as it came over the wire."""
    headers: dict[str, str]
    body: bytes


@dataclass
class OwnReceiver:
    """`answers` by path, the last one again and again; what has none is answered 404."""

    url: str = ""
    answers: dict[str, list[Answering]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def answer(self, path: str, *answers: Answering | object) -> None:
        """What comes at a path, in turn: functions of the request, or what is sent as JSON."""
        self.answers[path] = [one if callable(one) else saying(one) for one in answers]

    def at(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.path.partition("?")[0] == path]

    async def count(self, path: str, number: int) -> None:
        """Wait until so many requests have come to a path."""
        async with self._arrived, asyncio.timeout(20):
            await self._arrived.wait_for(lambda: len(self.at(path)) >= number)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.method, request.raw_path, headers, await request.read()))
        async with self._arrived:
            self._arrived.notify_all()
        answers = self.answers.get(request.path)
        if not answers:
            return web.Response(status=404)
        found = (answers.pop(0) if len(answers) > 1 else answers[0])(request)
        return await found if isinstance(found, Awaitable) else found


def saying(document: object, status: int = 200) -> Answering:
    return lambda _request: web.json_response(document, status=status)


def answering(status: int, text: str = "", **headers: str) -> Answering:
    return lambda _request: web.Response(status=status, text=text, headers=headers)


def cut_off(request: web.Request) -> web.StreamResponse:
    """The connection is reset, without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def ended_early(begun: bytes) -> Answering:
    """Of a longer answer this arrives, then the connection is reset."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "4000"})
        await response.prepare(request)
        await response.write(begun)
        return cut_off(request)

    return answer


@asynccontextmanager
async def own_receiving() -> AsyncIterator[OwnReceiver]:
    receiver = OwnReceiver()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def own_settings(url: str, **more: Any) -> TargetSettings:
    """A target whose new cases are posted to /create."""
    calls = {"case.created": {"path": "/create", "body": {"no": "{{ case.case_no }}"}}}
    return TargetSettings.model_validate({"url": url, "calls": calls, **more})


def parcel(body: bytes, type_: str = "case.created", **more: Any) -> Parcel:
    return Parcel(Claim(1, "push:oa", "01J", {}, 1, 1, NOW), 1, "evt_1", type_, "01J", NOW, body=body, **more)

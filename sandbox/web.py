"""An aiohttp application on its own port, with a fault switch before it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from os import strerror

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.faults import Fault, Switch

HOST = "127.0.0.1"
FAULT = web.RequestKey("fault", Fault)
"""What struck this request, for handlers that take part in it (duplicate pages)."""


class PortTaken(Exception):
    """A port cannot be listened on; the message names it."""


class Listener:
    """Serves an application; closes and reopens its port as the switch says."""

    def __init__(self, app: web.Application, port: int, switch: Switch | None = None, host: str = HOST) -> None:
        self._runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
        self._host, self.port, self._switch = host, port, switch
        self._site: web.TCPSite | None = None
        self._turning = asyncio.Lock()
        self._turns: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}"

    async def start(self) -> None:
        """Listen; with port 0 on a free one, kept from then on. Raises PortTaken."""
        await self._runner.setup()
        try:
            await self._open()
        except OSError as error:
            await self._runner.cleanup()
            raise PortTaken(f"port {self.port} on {self._host} cannot be used: {strerror(error.errno or 0)}") from error
        if self._switch:
            self._switch.watchers.append(self._turn_later)
            await self._turn()

    async def stop(self) -> None:
        for turn in self._turns:
            turn.cancel()
        await self._runner.cleanup()

    async def turned(self) -> None:
        """Returns when the last change of the switch has taken effect."""
        await asyncio.gather(*self._turns)

    async def _open(self) -> None:
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self._site = site
        self.port = self._runner.addresses[0][1]

    def _turn_later(self) -> None:
        turn = asyncio.get_running_loop().create_task(self._turn())
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    async def _turn(self) -> None:
        async with self._turning:
            silent = self._switch is not None and self._switch.silent
            if silent and self._site:
                await self._site.stop()
                self._site = None
            elif not silent and not self._site:
                await self._open()


def faulty(switch: Switch, busy: Callable[[], object], prefix: str = "/", after: bool = False) -> Middleware:
    """Let the switch strike requests under `prefix`. `busy` makes the platform's own error body.

    A cut or lost answer, and with `after` a slow one, comes after the request has had its effect, which is what makes
    its outcome unknown to the caller.
    """

    @web.middleware
    async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(prefix):
            return await handler(request)
        fault = request[FAULT] = switch.draw()
        refusal = await _refusal(request, fault, busy)
        if refusal is not None:
            return refusal
        if fault is Fault.SLOW and not after:
            await asyncio.sleep(switch.delay.total_seconds())
        response = await handler(request)
        return await _spoil(request, response, fault, switch if after else None)

    return strike


async def _refusal(request: web.Request, fault: Fault, busy: Callable[[], object]) -> web.StreamResponse | None:
    """The answer of a fault that strikes before anything happened."""
    match fault:
        case Fault.DOWN:
            return _abort(request)
        case Fault.INTERNAL:
            return web.Response(status=500, text="Internal Server Error")
        case Fault.BUSY:
            return web.Response(status=429, headers={"Retry-After": "2"}, text="Too Many Requests")
        case Fault.ERROR:
            return web.json_response(busy())
        case _:
            return None


async def _spoil(
    request: web.Request, response: web.StreamResponse, fault: Fault, late: Switch | None
) -> web.StreamResponse:
    if fault is Fault.SLOW and late:
        await asyncio.sleep(late.delay.total_seconds())
    if fault is Fault.LOST:
        return _abort(request)
    if fault is Fault.DONE:
        return web.Response(status=500, text="Internal Server Error")
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    half = response.body[: len(response.body) // 2]
    if fault is Fault.TRUNCATED:
        return web.Response(body=half, status=response.status, content_type=response.content_type)
    if fault is Fault.CUT:
        cut = web.StreamResponse(status=response.status)
        cut.content_type, cut.content_length = response.content_type, len(response.body)
        await cut.prepare(request)
        await cut.write(half)
        return _abort(request)
    return response


def _abort(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)

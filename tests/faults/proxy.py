"""A small TCP proxy that does wrong what it is told, and knows whether that hit anything under way."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, cast

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CHUNK = 16 * 1024
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes closing a reset."""


class Trouble(StrEnum):
    LATENCY = "latency"
    """Every piece is late."""
    RESET = "reset amid the request"
    """After so many bytes of what the client says."""
    UNANSWERED = "reset before the answer"
    """The server has heard all of it; its answer is lost, the client sees a reset."""
    HALF_CLOSE = "half-close"
    """The client sees the end of the stream instead of the answer; its own half stays open."""
    BLACK_HOLE = "black hole"
    """Connections stay open, nothing comes through; when the trouble ends they are cut."""


@dataclass(eq=False)
class _Link:
    """One client's connection and ours to the server behind."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    asked: bool = False
    """The client has said something that is not answered yet."""
    swallowed: bool = False
    struck: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    said: int = 0
    """Bytes of the client since the trouble began."""

    def cut(self) -> None:
        for writer in (self.client, self.server):
            if writer is not None:
                _reset(writer)

    def end(self) -> None:
        """As both sides expect it, unless it was struck."""
        if self.struck or self.swallowed:
            self.cut()
            return
        for writer in (self.client, self.server):
            if writer is not None:
                writer.close()


@dataclass
class Proxy:
    """Made by `proxying`."""

    connect: Callable[[], Awaitable[Streams]]
    port: int = 0
    trouble: Trouble | None = None
    after: int = 0
    delay: float = 0.0
    hits: int = 0
    """How often the present trouble met bytes on their way."""
    _hit: asyncio.Event = field(default_factory=asyncio.Event)
    _links: set[_Link] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @property
    def unanswered(self) -> int:
        """Connections on which a request, command or statement is under way."""
        return sum(link.asked for link in self._links)

    @asynccontextmanager
    async def troubled(self, trouble: Trouble, *, after: int = 0, delay: float = 0.0) -> AsyncIterator[None]:
        """Do this wrong meanwhile: `after` so many bytes, late by `delay` seconds."""
        self.trouble, self.after, self.delay, self.hits = trouble, after, delay, 0
        self._hit.clear()
        for link in self._links:
            link.said = 0
        try:
            yield
        finally:
            self.trouble = None
            for link in [one for one in self._links if one.swallowed]:
                link.cut()

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Nobody listens meanwhile; what was open is cut, and counts as hit if something was under way on it."""
        self.hits = self.unanswered
        await self._close()
        try:
            yield
        finally:
            await self.open()

    async def was_hit(self, patience: float) -> bool:
        """Wait until the trouble has met something."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hit.wait(), patience)
        return self.hits > 0

    def cut(self) -> int:
        """Reset every connection; on how many something was under way."""
        met = self.unanswered
        for link in list(self._links):
            link.cut()
        return met

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    async def end(self) -> None:
        await self._close()
        await asyncio.gather(*(link.over.wait() for link in self._links))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        try:
            if self.trouble is Trouble.BLACK_HOLE:
                await self._swallow(link, reader)
            else:
                await self._pass(link, reader)
        except OSError:
            pass  # whoever was there is gone
        finally:
            link.end()
            self._links.discard(link)
            link.over.set()

    async def _swallow(self, link: _Link, reader: asyncio.StreamReader) -> None:
        link.swallowed = True
        while await reader.read(CHUNK):
            self._strike(link)

    async def _pass(self, link: _Link, reader: asyncio.StreamReader) -> None:
        server, link.server = await self.connect()
        pumps = [asyncio.ensure_future(self._up(link, reader)), asyncio.ensure_future(self._down(link, server))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _up(self, link: _Link, reader: asyncio.StreamReader) -> None:
        assert link.server is not None
        while piece := await reader.read(CHUNK):
            link.asked = True
            match self.trouble:
                case Trouble.LATENCY:
                    self._note()
                    await asyncio.sleep(self.delay)
                case Trouble.RESET if link.said + len(piece) > self.after:
                    self._strike(link)
                    link.server.write(piece[: self.after - link.said])
                    await link.server.drain()
                    return
                case Trouble.BLACK_HOLE:
                    self._strike(link)
                    await self._swallow(link, reader)
                    return
            link.said += len(piece)
            link.server.write(piece)
            await link.server.drain()

    async def _down(self, link: _Link, server: asyncio.StreamReader) -> None:
        while piece := await server.read(CHUNK):
            match self.trouble if link.asked else None:
                case Trouble.LATENCY:
                    self._note()
                    await asyncio.sleep(self.delay)
                case Trouble.UNANSWERED:
                    self._strike(link)
                    return
                case Trouble.HALF_CLOSE:
                    self._strike(link)
                    link.client.write_eof()
                    await asyncio.sleep(self.delay)
                    return
                case Trouble.BLACK_HOLE:
                    self._strike(link)
                    link.swallowed = True
                    while await server.read(CHUNK):
                        continue
                    await asyncio.Event().wait()  # until it is cut
            link.asked = False
            link.client.write(piece)
            await link.client.drain()

    def _strike(self, link: _Link) -> None:
        link.struck = True
        self._note()

    def _note(self) -> None:
        self.hits += 1
        self._hit.set()


def to_port(port: int) -> Callable[[], Awaitable[Streams]]:
    return lambda: asyncio.open_connection("127.0.0.1", port)


def to_socket(path: str) -> Callable[[], Awaitable[Streams]]:
    return lambda: asyncio.open_unix_connection(path)


@asynccontextmanager
async def proxying(connect: Callable[[], Awaitable[Streams]]) -> AsyncIterator[Proxy]:
    proxy = Proxy(connect)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.end()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once; what the other side was told stays told, but it hears no orderly end."""
    transport = cast("asyncio.Transport", writer.transport)
    found = transport.get_extra_info("socket")
    if found is not None and found.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()

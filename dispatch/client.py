"""One request to a receiver: bounded in time and size, no redirects; and whether any of it was sent."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from adapters.wire import AddressForbidden, BrokenOff, open_session
from dispatch.answer import Response
from dispatch.blotting import Blotter
from dispatch.settings import TargetSettings
from store.database_clock import uninterrupted

ANSWER_LIMIT = 64 * 1024
PAGE_LIMIT = 4 * 1024 * 1024
"""For a page of what a receiver has."""
CONNECT_TIMEOUT = timedelta(seconds=10)


class Silence(Exception):
    """No answer came; the message repeats nothing that was received."""

    def __init__(self, kind: str, *, sent: bool, words: str | None = None) -> None:
        """`sent`: some of the request may have reached the receiver. `words`: what the error said, to be sealed."""
        super().__init__(kind)
        self.sent, self.words = sent, words


class StoodStill(Exception):
    """Nothing was sent: it was too late for that."""


@dataclass
class _Trace:
    latest: float
    sent: bool = False

    def check_time(self) -> None:
        """Raises StoodStill."""
        if uninterrupted() > self.latest:
            raise StoodStill


class Client:
    """The connections to one receiver; use within a running loop, close at the end."""

    def __init__(self, settings: TargetSettings) -> None:
        """Raises TrustBroken."""
        self._timeout = settings.timeout
        self._session = open_session(
            settings,
            timeout=settings.timeout,
            connect_timeout=min(CONNECT_TIMEOUT, settings.timeout * 2 / 3),  # first: then surely nothing was sent
            connections=settings.concurrency,
            reuse=settings.idempotent,
            trace=_tracing(),
        )
        self._blotter = Blotter(settings)

    def hide(self, secrets: Iterable[str]) -> None:
        """Blot what a login gave out of whatever the receiver says from now on."""
        self._blotter.add(secrets)

    async def exchange(
        self,
        url: URL | str,
        body: bytes | None,
        headers: Mapping[str, str],
        method: str = "POST",
        *,
        limit: int = ANSWER_LIMIT,
        latest: float = math.inf,
    ) -> Response:
        """Send, not after `latest` by `uninterrupted`, and read the answer, up to `limit`.

        Raises Silence, StoodStill.
        """
        trace = _Trace(latest)
        trace.check_time()
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=trace
            ) as response:
                content, whole = await _read(response.content, limit)
                return Response(response.status, response.headers, content, whole, self._blotter.blot(content))
        except aiohttp.ConnectionTimeoutError as error:
            raise Silence("no connection in time", sent=False) from error
        except TimeoutError as error:
            raise Silence(f"no answer within {self._timeout.total_seconds():g} s", sent=trace.sent) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            words = self._blotter.blot(_words(error).encode("utf-8", "backslashreplace")).decode()
            raise Silence(_kind(error), sent=trace.sent, words=words or None) from error

    async def close(self) -> None:
        await self._session.close()


def merged(*blocks: Mapping[str, str]) -> CIMultiDict[str]:
    """Headers, each once whatever its case; what a later block says counts."""
    headers: CIMultiDict[str] = CIMultiDict()
    for block in blocks:
        headers.update(block)
    return headers


async def _read(stream: aiohttp.StreamReader, limit: int) -> tuple[bytes, bool]:
    """The answer's body as far as it comes: the status is known, a body cut off takes nothing from it."""
    content = bytearray()
    try:
        async for piece in stream.iter_any():
            content += piece
            if len(content) >= limit:
                return bytes(content[:limit]), False
    except (TimeoutError, aiohttp.ClientError, OSError):
        return bytes(content), False
    return bytes(content), True


def _tracing() -> aiohttp.TraceConfig:
    """Looks at the time once more when a connection is there to send on, and notes that: from then on the receiver may
    have got the request.
    """

    async def note(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:  # noqa: ANN401
        context.trace_request_ctx.check_time()
        context.trace_request_ctx.sent = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(note)
    trace.on_connection_reuseconn.append(note)
    return trace


def _words(error: Exception) -> str:
    """What the error says, without the address that was asked: the proxy's holds its password."""
    return f"{error.status} {error.message}" if isinstance(error, aiohttp.ClientResponseError) else str(error)


def _kind(error: Exception) -> str:
    """The error without its message, which may quote what was received; the system's own words are harmless."""
    if isinstance(error, BrokenOff) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        cause = error.os_error
        return str(cause) if isinstance(cause, AddressForbidden) else "its name is not known"
    number = error.errno if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {os.strerror(number)}" if number and number > 0 else type(error).__name__

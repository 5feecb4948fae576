"""One HTTP exchange with a platform: bounded in time and size, no redirects, errors in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from adapters.base import ChannelRefused, ChannelUnavailable
from adapters.feed.dialect import Dialect
from adapters.tls_words import tls_trouble
from adapters.wire import AddressForbidden, TrustBroken, open_session

_CHUNK = 64 * 1024


class TooLarge(Exception):
    """The answer is larger than we are willing to read."""


class Forbidden(ChannelRefused):
    """The host's name leads where we do not go."""


@dataclass(frozen=True)
class Ask:
    """A request, ready to be sent. `what` names it in messages, without secrets or citizens' names."""

    what: str
    url: URL
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    json: bytes | None = None
    form: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    media_type: str
    headers: Mapping[str, str]
    content: bytes


class Connection:
    """Keeps the connections to one platform open, and its cookies."""

    def __init__(self, channel: str, dialect: Dialect) -> None:
        self._channel = channel
        self._dialect = dialect
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, ask: Ask, limit: int) -> Answer:
        """Send and read up to `limit` bytes of the answer. Raises ChannelUnavailable, ChannelRefused, TooLarge."""
        where = f"{self._channel}: {ask.what}"
        try:
            return await self._exchange(ask, limit)
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, AddressForbidden):
                raise Forbidden(f"{where}: {error.os_error}") from error
            raise ChannelUnavailable(f"{where}: the host's name is not known; expected an answer") from error
        except TimeoutError as error:
            raise ChannelUnavailable(f"{where}: no whole answer within {self._dialect.timeout}") from error
        except (aiohttp.ClientError, OSError) as error:
            if said := tls_trouble(error, "tls.ca_file", "tls.client_cert"):
                raise ChannelRefused(f"{where}: {said}") from error
            raise ChannelUnavailable(
                f"{where}: the connection failed ({type(error).__name__}); expected an answer"
            ) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(self, ask: Ask, limit: int) -> Answer:
        headers = dict(ask.headers)
        if ask.json is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        data = ask.json if ask.json is not None else ask.form
        async with self._opened().request(
            ask.method, ask.url, headers=headers, data=data, allow_redirects=False
        ) as response:
            return Answer(response.status, response.content_type, response.headers, await _bounded(response, limit))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            dialect = self._dialect
            try:
                self._session = open_session(
                    dialect.wire,
                    timeout=dialect.timeout,
                    connect_timeout=dialect.connect_timeout,
                    verify=dialect.tls.verify,
                    cookies=True,
                )
            except TrustBroken as error:
                raise ChannelRefused(f"{self._channel}: tls: {error}") from error
        return self._session


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(_CHUNK):
        size += len(part)
        if size > limit:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)

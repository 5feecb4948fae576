"""One HTTP exchange with a platform: bounded in time and size, no redirects, errors in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
from yarl import URL

from adapters.base import ChannelRefused, ChannelUnavailable
from adapters.feed.dialect import Dialect
from adapters.tls_words import tls_trouble
from adapters.wire import AddressForbidden, TrustBroken, open_session

_CHUNK = 64 * 1024
_SLOWEST = 256 * 1024
"""Bytes in a second that a file is waited for at."""
_LONGEST = timedelta(minutes=20)
"""A file that takes longer is fetched anew: so long is the step that fetches it held."""


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
            return await self._exchange(ask, limit, self._dialect.timeout)
        except TimeoutError as error:
            raise ChannelUnavailable(f"{where}: no whole answer within {self._dialect.timeout}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._told(error, where) from error

    async def download(self, ask: Ask, limit: int) -> Answer:
        """The same for a file, which may take its time as long as it comes."""
        where, patience = f"{self._channel}: {ask.what}", self._dialect.timeout
        whole = patience + min(timedelta(seconds=limit // _SLOWEST), _LONGEST)
        try:
            return await self._exchange(ask, limit, whole)
        except TimeoutError as error:
            raise ChannelUnavailable(
                f"{where}: nothing of it came for {patience}, or not all within {whole}; expected the file: set timeout"
                " longer if the line is slow"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._told(error, where) from error

    def _told(self, error: Exception, where: str) -> ChannelUnavailable | ChannelRefused:
        """What went wrong with the connection, in our words."""
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            if isinstance(error.os_error, AddressForbidden):
                return Forbidden(f"{where}: {error.os_error}")
            return ChannelUnavailable(f"{where}: the host's name is not known; expected an answer")
        if said := tls_trouble(error, "tls.ca_file", "tls.client_cert"):
            return ChannelRefused(f"{where}: {said}")
        return ChannelUnavailable(f"{where}: the connection failed ({type(error).__name__}); expected an answer")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(self, ask: Ask, limit: int, within: timedelta) -> Answer:
        headers = dict(ask.headers)
        if ask.json is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        data = ask.json if ask.json is not None else ask.form
        timeout = aiohttp.ClientTimeout(
            total=within.total_seconds(),
            sock_connect=self._dialect.connect_timeout.total_seconds(),
            sock_read=self._dialect.timeout.total_seconds(),
        )
        async with self._opened().request(
            ask.method, ask.url, headers=headers, data=data, allow_redirects=False, timeout=timeout
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

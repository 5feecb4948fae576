"""Asking a platform as who we are: logging in, and once more when the session has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from yarl import URL

from adapters.base import ChannelRefused, ChannelUnavailable, Json, Unobtainable
from adapters.document import NotJson, at_path, looks_like_html, parse
from adapters.feed.asking import composed, named, signed
from adapters.feed.attachments import address
from adapters.feed.connection import Answer, Ask, Connection, Forbidden, TooLarge
from adapters.feed.dialect import Dialect, Request, TokenAuth
from adapters.feed.verdict import AskAgain, check_status, check_success, read_document

_MARGIN = timedelta(seconds=30)
"""A token is renewed this long before it runs out, for it must outlive the request it is sent with."""

_LONGEST_REFUSAL = 64 * 1024
"""Bytes; what is longer is a file, though it be JSON."""

Proof = Mapping[str, str]
T = TypeVar("T")


class Access:
    """Raises ChannelUnavailable and ChannelRefused, naming channel and call, never a secret."""

    def __init__(self, channel: str, dialect: Dialect, clock: Callable[[], datetime]) -> None:
        self._channel = channel
        self._dialect = dialect
        self._clock = clock
        self._connection = Connection(channel, dialect)
        self._logging_in = asyncio.Lock()
        self._proof: Proof | None = None
        self._proof_ends: datetime | None = None

    async def call(self, request: Request, values: Mapping[str, str | int]) -> tuple[bytes, Json]:
        """Make a call; its answer as received, and what it says when all is well by the success rule."""

        async def once(proof: Proof) -> tuple[bytes, Json]:
            answer = await self._ask(composed(self._dialect, request, values, proof, self._clock()))
            return answer.content, read_document(answer, self._where(request), self._dialect)

        return await self._with_proof(once)

    async def download(self, url: URL, limit: int) -> Answer:
        """Bring a file. Who we are is told to the platform's own host only, not to others that keep files for it.

        One redirect to such a host is followed. Raises Unobtainable: this file will not come.
        """
        own = self._is_own(url)

        async def once(proof: Proof) -> Answer:
            answer = await self._file(url, proof if own else {}, limit)
            away = _leads_to(answer, url)
            if away is None or self._is_own(away):  # how the platform says that the session is over
                return self._judged(answer, url)
            return await _no_second_try(lambda _: self._redirected(away, limit))

        return await (self._with_proof(once) if own else _no_second_try(once))

    async def close(self) -> None:
        await self._connection.close()

    async def _with_proof(self, once: Callable[[Proof], Awaitable[T]]) -> T:
        proof = await self._logged_in()
        try:
            return await once(proof)
        except AskAgain:
            if self._proof is proof:  # else another task has logged in meanwhile
                self._proof = None
        proof = await self._logged_in()
        try:
            return await once(proof)
        except AskAgain as again:
            raise again.final from again

    async def _logged_in(self) -> Proof:
        auth = self._dialect.auth
        if not isinstance(auth, TokenAuth):
            return {}
        async with self._logging_in:
            if self._proof is None or (self._proof_ends is not None and self._clock() >= self._proof_ends):
                self._proof = await self._log_in(auth)
            return self._proof

    async def _log_in(self, auth: TokenAuth) -> Proof:
        where = self._where(auth.login)
        try:
            answer = await self._ask(composed(self._dialect, auth.login, {}, {}, self._clock()))
            document = read_document(answer, where, self._dialect)
        except AskAgain as again:
            raise again.final from again
        life = at_path(document, auth.expires_in) if auth.expires_in else None
        self._proof_ends = _end_of(life, self._clock())
        if auth.token is None:
            return {}
        token = at_path(document, auth.token)
        if not isinstance(token, str | int) or not str(token).isprintable() or not token:
            raise ChannelRefused(f"{where}: no token in the answer; expected one at {auth.token}")
        return {auth.header: f"{auth.prefix}{token}"}

    async def _ask(self, ask: Ask) -> Answer:
        where = f"{self._channel}: {ask.what}"
        limit = self._dialect.max_page_bytes
        try:
            answer = await self._connection.exchange(ask, limit)
        except TooLarge as error:
            raise ChannelUnavailable(
                f"{where}: the answer is larger than max_page_bytes {limit}; ask for less"
            ) from error
        check_status(answer, where, self._clock())
        return answer

    async def _file(self, url: URL, proof: Proof, limit: int) -> Answer:
        where = self._attachment_on(url)
        target = signed(self._dialect, url, self._clock()) if self._is_own(url) else url
        try:
            answer = await self._connection.download(Ask(f"attachment on {url.host}", target, headers=proof), limit)
        except TooLarge as error:
            raise Unobtainable(f"{where}: larger than attachments.max_bytes {limit}") from error
        except Forbidden as error:
            raise Unobtainable(str(error)) from error
        if answer.status in {400, 404, 405, 410, 414}:
            raise Unobtainable(f"{where}: HTTP {answer.status}, it is not there; expected a file")
        return answer

    async def _redirected(self, away: URL, limit: int) -> Answer:
        """The file from where another host keeps it. Raises ChannelRefused for one that is not to be asked."""
        try:
            url = address(str(away), self._dialect.base_url, self._dialect.attachments.hosts, self._channel)
        except Unobtainable as error:
            raise ChannelRefused(
                f"{self._channel}: an attachment is redirected to {away.host}:{away.port}; expected a file, or that"
                " host in attachments.hosts"
            ) from error
        return self._judged(await self._file(url, {}, limit), url)

    def _judged(self, answer: Answer, url: URL) -> Answer:
        where = self._attachment_on(url)
        if (away := _leads_to(answer, url)) is not None and not self._is_own(away):
            raise ChannelRefused(f"{where}: redirects to {away.host}; expected a file")
        check_status(answer, where, self._clock())
        self._check_file(answer, url, where)
        return answer

    def _is_own(self, url: URL) -> bool:
        return url.origin() == URL(self._dialect.base_url).origin()

    def _attachment_on(self, url: URL) -> str:
        return f"{self._channel}: attachment on {url.host}"

    def _check_file(self, answer: Answer, url: URL, where: str) -> None:
        """A platform says "no" with HTTP 200 to files too: as JSON by its success rule, with its login page, or with
        nothing at all; whatever it calls that.
        """
        if not answer.content:
            raise ChannelUnavailable(f"{where}: answered nothing; expected a file")
        if looks_like_html(answer.content) and not url.name.lower().endswith((".htm", ".html", ".mht")):
            raise AskAgain(ChannelUnavailable(f"{where}: answered a web page (a login page?); expected a file"))
        success = self._dialect.success
        if success is None or len(answer.content) > _LONGEST_REFUSAL or url.name.lower().endswith(".json"):
            return
        try:
            document = parse(answer.content)
        except NotJson:
            return  # a file after all
        if at_path(document, success.path) is not None:
            check_success(document, where, self._dialect)

    def _where(self, request: Request) -> str:
        return f"{self._channel}: {named(self._dialect, request)}"


def _leads_to(answer: Answer, url: URL) -> URL | None:
    """Where an answer redirects to; None: nowhere that can be gone to."""
    if answer.status not in {301, 302, 303, 307, 308}:
        return None
    try:
        away = url.join(URL(answer.headers.get("Location", "")))
    except ValueError:
        return None
    return away if away.host and away.scheme in {"http", "https"} else None


def _end_of(life: Json, now: datetime) -> datetime | None:
    """When a proof of so many seconds is to be renewed; None: that is no life a token has (Long.MAX, an epoch)."""
    if not isinstance(life, int | float):
        return None
    try:
        return now + timedelta(seconds=life) - _MARGIN
    except (OverflowError, ValueError):
        return None


async def _no_second_try(once: Callable[[Proof], Awaitable[T]]) -> T:
    try:
        return await once({})
    except AskAgain as again:
        raise again.final from again

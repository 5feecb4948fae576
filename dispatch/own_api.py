"""An OA with an interface of its own, described in YAML: log in, send what templates make of a case, look it up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from dispatch.answer import Answer, Response, Verdict, document_of, excerpt_of, id_of, judge, judge_silence, wait_of
from dispatch.client import Client, Silence, merged
from dispatch.expressions import At, TemplateFailed, as_text, fill, fill_path, fill_text, holds, look_up
from dispatch.parcel import Parcel
from dispatch.retry import Stopwatch
from dispatch.settings import Call, LoginSettings, LookupSettings, TargetSettings
from dispatch.webhook import sign


class Found(StrEnum):
    """What looking an event up came to."""

    FOUND = "found"
    ABSENT = "absent"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Finding:
    """What a receiver said to the question whether it has an event."""

    found: Found
    detail: str | None = None
    """Kept in the clear."""
    status: int | None = None
    excerpt: str | None = None
    receiver_id: str | None = None
    reached: bool = True
    """False: it did not answer, or logging in failed."""
    let_in: bool = True
    """False: it refused us although logging in went well."""
    wait: timedelta | None = None
    """The receiver's own Retry-After."""


class LoginFailed(Exception):
    """The receiver did not let us in; the message is ours."""

    def __init__(
        self, detail: str, *, status: int | None = None, words: str | None = None, wait: timedelta | None = None
    ) -> None:
        """`wait`: the receiver's own Retry-After."""
        super().__init__(detail)
        self.status, self.words, self.wait = status, words, wait

    def again(self) -> LoginFailed:
        """The same for another who waited for this login."""
        return LoginFailed(str(self), status=self.status, words=self.words, wait=self.wait)


@dataclass(frozen=True)
class _Ready:
    """A request with nothing left to fill in."""

    url: URL
    method: str
    headers: Mapping[str, str]
    body: bytes | None


class OwnApi:
    """Speaks a receiver's own language."""

    def __init__(self, settings: TargetSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._login = settings.login
        self._rules = {
            type_: settings.model_copy(update={"idempotent": settings.repeatable(type_)}) for type_ in settings.calls
        }
        """By which the answers to each type's call are judged."""
        self._logging_in = asyncio.Lock()
        self._failure: LoginFailed | None = None
        """Of the last login, if it failed."""
        self._given: dict[str, Any] | None = None
        self._ends: datetime | None = None

    async def send(self, parcel: Parcel, now: datetime) -> Answer:
        """Send once; never raises for anything the network or the receiver does."""
        call = self._settings.calls.get(parcel.type)
        if call is None:
            said = f"calls: there is none for {parcel.type}; it must be told by hand"
            return Answer(Verdict.REJECTED, None, said)
        watch = Stopwatch(now)
        try:
            response = await self._asked(call, ("calls", parcel.type), parcel, watch)
        except TemplateFailed as error:
            return Answer(Verdict.REJECTED, None, str(error)[:200])
        except LoginFailed as error:
            return Answer(Verdict.AGAIN, error.status, str(error), error.words, wait=error.wait, reached=False)
        except Silence as silence:
            return judge_silence(str(silence), self._rules[parcel.type], sent=silence.sent, words=silence.words)
        if self._is_refused(response):
            return Answer(
                Verdict.AGAIN,
                response.status,
                "not let in, also after logging in anew",
                excerpt_of(response, self._settings),
                wait=wait_of(response, watch.now),
            )
        return judge(response, self._rules[parcel.type], watch.now)

    async def find(self, lookup: LookupSettings, parcel: Parcel, now: datetime) -> Finding:
        """Ask whether the case has arrived."""
        watch = Stopwatch(now)
        try:
            response = await self._asked(lookup, ("lookup",), parcel, watch)
        except TemplateFailed as error:
            return Finding(Found.UNSURE, f"lookup: {error}"[:200])
        except LoginFailed as error:
            said = f"lookup: {error}"[:200]
            return Finding(Found.UNSURE, said, error.status, error.words, reached=False, wait=error.wait)
        except Silence as silence:
            return Finding(Found.UNSURE, f"lookup: {silence}", excerpt=silence.words, reached=False)
        return self._found_in(response, lookup, watch.now)

    def _found_in(self, response: Response, lookup: LookupSettings, now: datetime) -> Finding:
        document, words = _told(response), excerpt_of(response, self._settings)
        refused = self._is_refused(response)
        if refused or not 200 <= response.status < 300:
            said = f"lookup: HTTP {response.status}"
            wait = wait_of(response, now)
            return Finding(Found.UNSURE, said, response.status, words, let_in=not refused, wait=wait)
        if holds(lookup.found, document):
            number = look_up(lookup.receiver_id, document) if lookup.receiver_id else None
            return Finding(Found.FOUND, None, response.status, words, id_of(number))
        if holds(lookup.absent, document):
            return Finding(Found.ABSENT, "lookup: it has not arrived", response.status, words)
        return Finding(Found.UNSURE, "lookup: neither found nor absent", response.status, words)

    async def let_in(self, now: datetime) -> Mapping[str, Any]:
        """What logging in gave; who waits while another logs in gets what he gets. Raises LoginFailed.

        So nobody waits for more than one login, however many wait for an OA that lets nobody in.
        """
        return await self._let_in(Stopwatch(now))

    async def _let_in(self, watch: Stopwatch) -> Mapping[str, Any]:
        if self._login is None:
            return {}
        before = self._failure
        async with self._logging_in:
            if self._failure is not None and self._failure is not before:  # of him for whom we waited
                raise self._failure.again()
            if self._given is None or (self._ends is not None and watch.now >= self._ends):
                try:
                    self._given = await self._log_in(self._login, watch)
                except LoginFailed as error:
                    self._failure = error
                    raise
                self._ends = watch.started + self._login.lasts
            return self._given

    async def _asked(self, call: Call, where: At, parcel: Parcel, watch: Stopwatch) -> Response:
        """Make a call; where its answer says that we are not let in, log in anew and make it once more."""
        given = await self._let_in(watch)
        response = await self._exchange(call, where, parcel, given, watch.now)
        if self._login is None or not self._is_refused(response):
            return response
        if self._given is given:  # else another task has logged in meanwhile
            self._given = None
        given = await self._let_in(watch)
        return await self._exchange(call, where, parcel, given, watch.now)

    def _is_refused(self, response: Response) -> bool:
        if self._login is None:
            return False
        if response.status == 401:
            return True
        return self._login.refused is not None and holds(self._login.refused, _told(response))

    async def _exchange(
        self, call: Call, where: At, parcel: Parcel, given: Mapping[str, Any], now: datetime
    ) -> Response:
        ready = await asyncio.to_thread(
            lambda: self._composed(call, where, {**parcel.values(), **given}, self._settings.headers)
        )
        headers = merged({"webhook-id": parcel.event_id}, ready.headers)
        if self._settings.secret:
            headers.update(sign(self._settings.secret, parcel.event_id, now, ready.body or b""))
        return await self._client.exchange(ready.url, ready.body, headers, ready.method, latest=parcel.latest)

    def _composed(self, call: Call, where: At, values: Mapping[str, Any], always: Mapping[str, str]) -> _Ready:
        def texts(block: Mapping[str, str], at: At) -> dict[str, str]:
            return {name: fill_text(text, values, (*at, name)) for name, text in block.items()}

        path = fill_path(call.path, values, (*where, "path"))
        url = URL(f"{self._settings.url.rstrip('/')}/{path.lstrip('/')}")
        params = texts(call.params, (*where, "params"))
        headers = merged(texts(always, ("headers",)), texts(call.headers, (*where, "headers")))
        _check_headers(headers, (*where, "headers"))
        body = None
        if call.body is not None:
            at = (*where, "body")
            body, media_type = _written(fill(call.body, values, at), call.body_as, at)
            headers.setdefault("content-type", media_type)
        return _Ready(url.update_query(params) if params else url, call.method, headers, body)

    async def _log_in(self, login: LoginSettings, watch: Stopwatch) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for number, call in enumerate(login.calls):
            where = f"login.calls.{number}"
            try:
                ready = self._composed(call, ("login", "calls", number), given, {})
                response = await self._client.exchange(ready.url, ready.body, ready.headers, ready.method)
            except TemplateFailed as error:
                raise LoginFailed(str(error)) from error
            except Silence as silence:
                raise LoginFailed(f"{where}: {silence}", words=silence.words) from silence
            given |= _taken(call.take, response, where, watch.now)
            self._client.hide(as_text(one) for one in given.values())
        return given


def _told(response: Response) -> Any:  # noqa: ANN401 - JSON
    """The JSON of an answer that came whole; None, of which no `Tell` is true: it is a page, or was cut off."""
    return document_of(response) if response.whole else None


def _taken(take: Mapping[str, str], response: Response, where: str, now: datetime) -> dict[str, Any]:
    if not 200 <= response.status < 300:
        said = f"{where}: HTTP {response.status}, expected 200"
        raise LoginFailed(said, status=response.status, wait=wait_of(response, now))
    document = document_of(response)
    if document is None:  # some answer with the bare token
        document = response.text.strip()
    found = {name: look_up(expression, document) for name, expression in take.items()}
    missing = [take[name] for name, value in found.items() if value is False or value in (None, "")]
    if missing:
        raise LoginFailed(f"{where}: no {missing[0]} in the answer", status=response.status)
    return found


def _check_headers(headers: Mapping[str, str], at: At) -> None:
    """A citizen's words must not end a header and begin another. Raises TemplateFailed."""
    for name, value in headers.items():
        if not {"\r", "\n", "\0"}.isdisjoint(value):
            raise TemplateFailed((*at, name), "has a line break or NUL, which no header can hold")


def _written(body: Any, body_as: str, at: At) -> tuple[bytes, str]:  # noqa: ANN401 - JSON
    """Raises TemplateFailed."""
    if body_as == "form":
        if not isinstance(body, dict):
            raise TemplateFailed(at, "is no block of fields")
        fields = {name: as_text(value) for name, value in body.items()}
        return urlencode(fields, errors="replace").encode(), "application/x-www-form-urlencoded; charset=utf-8"
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace"), "application/json; charset=utf-8"

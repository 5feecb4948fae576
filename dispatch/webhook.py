"""One POST to a target, signed after Standard Webhooks, and what its answer means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import aiohttp
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from dispatch.retry import RetrySettings, parse_retry_after

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix
ANSWER_LIMIT = 64 * 1024
EXCERPT_LIMIT = 300


def _check_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    return url


def _check_secret(secret: SecretStr) -> SecretStr:
    try:
        key = _key(secret.get_secret_value())
    except ValueError as error:
        raise ValueError("expected whsec_ followed by base64") from error
    if not 16 <= len(key) <= 64:
        raise ValueError(f"expected a key of 24 to 64 bytes after whsec_, in base64; this one has {len(key)}")
    return secret


class SuccessRule(BaseModel):
    """What the answer's JSON must say for a 2xx to count, for receivers that answer 200 to everything.

    Where it says something else the event is sent again later: such receivers say "busy" the same way as "wrong".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="dotted path into the answer, such as `code` or `data.status`")
    equals: str | int | bool = Field(description="the value that means success")


def _as_list(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


class TargetSettings(BaseModel):
    """A receiver of cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_check_url)] = Field(description="where events are posted")
    secret: Annotated[tuple[Annotated[SecretStr, AfterValidator(_check_secret)], ...], BeforeValidator(_as_list)] = (
        Field(
            min_length=1, description="signing key, `whsec_` and base64; two while one is being replaced by the other"
        )
    )
    token: SecretStr | None = Field(default=None, description="bearer token with which the target fetches attachments")
    enabled: bool = Field(default=True, description="false: events are kept for it, nothing is sent")
    restricted: bool | Literal["only", "numbers"] = Field(
        default=False,
        description="true: takes restricted cases as well; only: takes nothing else; numbers: of restricted cases only "
        "their number and deadlines; false: nothing of them",
    )
    channels: tuple[str, ...] = Field(default=(), description="only cases of these channels; empty: all")
    types: tuple[str, ...] = Field(default=(), description="only these event types; empty: all")
    success: SuccessRule | None = Field(default=None, description="what a 2xx answer's body must say to count")
    receiver_id: str | None = Field(default=None, description="dotted path of the receiver's own number in its answer")
    headers: dict[str, str] = Field(default_factory=dict, description="further headers, such as a gateway's key")
    ca_file: Path | None = Field(default=None, description="certificates that vouch for the target, PEM")
    timeout: timedelta = Field(default=timedelta(seconds=15), gt=timedelta(0), description="limit of one attempt")
    concurrency: int = Field(default=8, ge=1, le=64, description="deliveries under way at once")
    retry: RetrySettings = Field(default=RetrySettings(), description="when to try again")

    @property
    def takes_restricted(self) -> bool:
        """It is handed restricted cases in full."""
        return self.restricted in (True, "only")


class Verdict(StrEnum):
    """What to do next with the delivery."""

    DELIVERED = "delivered"
    AGAIN = "again"  # later, by the schedule or when the receiver asked
    REJECTED = "rejected"  # never again by itself; a person looks
    GONE = "gone"  # 410: the target is paused


@dataclass(frozen=True)
class Answer:
    verdict: Verdict
    status: int | None
    detail: str | None
    """What went wrong, in our words: fit for logs and lists."""
    excerpt: str | None = None
    """The beginning of what the receiver said, which may repeat the case: to be sealed."""
    receiver_id: str | None = None
    wait: timedelta | None = None
    """The receiver's own Retry-After: honoured, and the attempt is not counted."""


def sign(secrets: Sequence[SecretStr], event_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The Standard Webhooks headers of one attempt; one signature a secret, so that a receiver can change its own."""
    timestamp = str(int(at.timestamp()))
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = (hmac.digest(_key(secret.get_secret_value()), signed, hashlib.sha256) for secret in secrets)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
    }


class Webhook:
    """The connection to one target; use within a running loop, close at the end."""

    def __init__(self, settings: TargetSettings) -> None:
        self._settings = settings
        context = ssl.create_default_context(cafile=str(settings.ca_file)) if settings.ca_file else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.concurrency, ssl=context),
            timeout=aiohttp.ClientTimeout(total=settings.timeout.total_seconds()),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(self, event_id: str, body: bytes, now: datetime) -> Answer:
        """Send once; never raises for anything the network or the receiver does."""
        settings = self._settings
        headers = {
            "content-type": "application/json; charset=utf-8",
            **settings.headers,
            **sign(settings.secret, event_id, now, body),
        }
        try:
            async with self._session.post(settings.url, data=body, headers=headers, allow_redirects=False) as response:
                content = await _read(response.content)
                return judge(response.status, content, response.headers.get("Retry-After"), settings, now)
        except TimeoutError:
            return Answer(Verdict.AGAIN, None, f"no answer within {settings.timeout.total_seconds():g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Answer(Verdict.AGAIN, None, _kind(error), excerpt=str(error)[:EXCERPT_LIMIT] or None)

    async def close(self) -> None:
        await self._session.close()


def judge(status: int, content: bytes, retry_after: str | None, settings: TargetSettings, now: datetime) -> Answer:
    """What an answer means: pure, decided once."""
    if 200 <= status < 300:
        return _judge_body(status, content, settings)
    verdict, wait = Verdict.AGAIN, None
    if status == 410:
        verdict = Verdict.GONE
    elif status in (429, 503):
        wait = parse_retry_after(retry_after, now)
    elif 400 <= status < 500 and status not in (408, 425):
        verdict = Verdict.REJECTED
    return Answer(verdict, status, f"HTTP {status}", excerpt=_excerpt(content), wait=wait)


def _judge_body(status: int, content: bytes, settings: TargetSettings) -> Answer:
    rule = settings.success
    if rule is None and settings.receiver_id is None:
        return Answer(Verdict.DELIVERED, status, None)
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if rule is not None and _at(document, rule.path) != rule.equals:
        said = f"HTTP {status}, but {rule.path} is not {rule.equals!r}"
        return Answer(Verdict.AGAIN, status, said, excerpt=_excerpt(content))
    number = _at(document, settings.receiver_id) if settings.receiver_id else None
    return Answer(Verdict.DELIVERED, status, None, receiver_id=None if number is None else str(number))


async def _read(stream: aiohttp.StreamReader) -> bytes:
    """The answer's body as far as it comes: the status is known, a body cut off takes nothing from it."""
    content = bytearray()
    try:
        async for piece in stream.iter_any():
            content += piece
            if len(content) >= ANSWER_LIMIT:
                break
    except (TimeoutError, aiohttp.ClientError, OSError):
        return bytes(content)
    return bytes(content[:ANSWER_LIMIT])


def _kind(error: aiohttp.ClientError | OSError) -> str:
    """The error without its message, which may quote what was received; the system's own words are harmless."""
    number = error.errno if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {os.strerror(number)}" if number and number > 0 else type(error).__name__


def _at(document: object, path: str) -> object:
    for step in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(step)
    return document


def _excerpt(content: bytes) -> str | None:
    return content[:EXCERPT_LIMIT].decode("utf-8", "ignore").replace("\n", " ").strip() or None


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)

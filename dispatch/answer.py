"""What a receiver's answer means, decided once: pure functions of status, headers and body."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dispatch.expressions import as_text, holds, look_up
from dispatch.retry import parse_retry_after
from dispatch.settings import SuccessRule, TargetSettings
from normalize.charsets import canonical, decode

_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What a database or a page cannot hold: control characters and halves of surrogate pairs."""
_CHARSET = re.compile("charset *= *([^;,]+)", re.IGNORECASE)
GB = "gb18030"
"""However it is called: GB 2312 and GBK are parts of it."""
BUSY = (429, 503)
"""Whose `Retry-After` counts (RFC 6585 §4, RFC 9110 §15.6.4)."""
EXCERPT_LIMIT = 300
ID_LIMIT = 200


class Verdict(StrEnum):
    """What to do next with a delivery."""

    DELIVERED = "delivered"
    AGAIN = "again"
    REJECTED = "rejected"
    """Never like this: kept for a person."""
    UNKNOWN = "unknown"
    """It may have arrived, and the receiver would not know it again: looked up, or a person is asked."""
    GONE = "gone"
    """410: the target is paused."""


@dataclass(frozen=True)
class Response:
    """What came back over the wire."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    whole: bool = True
    """False: the body was cut off, by the line or by our limit."""
    kept: bytes | None = None
    """The body as it may be kept, without secrets; None: as it came."""

    @property
    def charset(self) -> str | None:
        """What it says it is written in."""
        found = _CHARSET.search(self.headers.get("Content-Type", ""))
        return found and found[1]

    @property
    def text(self) -> str:
        return _text_of(self.content, self.charset)


@dataclass(frozen=True)
class Answer:
    """What one attempt came to."""

    verdict: Verdict
    status: int | None
    detail: str | None
    """Kept in the clear and shown to operators: repeats nothing of what the receiver said."""
    excerpt: str | None = None
    """The beginning of what the receiver said, which may repeat the case: to be sealed."""
    receiver_id: str | None = None
    wait: timedelta | None = None
    """The receiver's own Retry-After: nothing is sent to it before, and the attempt is not counted."""
    reached: bool = True
    """False: nobody took the request, which says nothing of this event."""


def judge(response: Response, settings: TargetSettings, now: datetime) -> Answer:
    """What the answer to an event means that has come `now`."""
    status = response.status
    if 200 <= status < 300:
        return _judge_body(response, settings)
    verdict, wait, reached = Verdict.AGAIN, None, not _by_the_proxy(status, settings)
    if status == 410:
        verdict = Verdict.GONE
    elif status in BUSY:
        wait = wait_of(response, now)
    elif 400 <= status < 500 and status not in (408, 425) and reached:
        verdict = Verdict.REJECTED
    if not settings.idempotent and (status == 408 or 300 <= status < 400 or status >= 500):
        verdict = Verdict.UNKNOWN
    return Answer(verdict, status, f"HTTP {status}", excerpt_of(response, settings), wait=wait, reached=reached)


def wait_of(response: Response, now: datetime) -> timedelta | None:
    """How long a receiver that answers so `now` wants to be left alone."""
    return parse_retry_after(response.headers.get("Retry-After"), now) if response.status in BUSY else None


def _by_the_proxy(status: int, settings: TargetSettings) -> bool:
    """Whether it is a proxy on the way that refuses us; without TLS to the receiver a 401 may be either's."""
    return status == 407 or (status == 401 and settings.proxy is not None and settings.url.startswith("http://"))


def judge_silence(kind: str, settings: TargetSettings, *, sent: bool, words: str | None = None) -> Answer:
    """What it means that no answer came; `sent`: something of the request was on its way."""
    verdict = Verdict.UNKNOWN if sent and not settings.idempotent else Verdict.AGAIN
    return Answer(verdict, None, kind, excerpt=words and words[:EXCERPT_LIMIT], reached=sent)


def document_of(response: Response) -> Any:  # noqa: ANN401 - JSON
    """The JSON in an answer; None: there is none."""
    return _parsed(response.content, response.charset)


def _parsed(content: bytes, charset: str | None) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(content if _is_unicode(content, charset) else _text_of(content, charset))
    except (ValueError, RecursionError):
        return None


def _is_unicode(content: bytes, charset: str | None) -> bool:
    """Whether it is what JSON should be."""
    if canonical(charset) == GB:
        return False
    try:
        content.decode(json.detect_encoding(content), "surrogatepass")  # as json.loads does
    except UnicodeDecodeError:
        return False
    return True


def _text_of(content: bytes, charset: str | None) -> str:
    """What was said, in whatever charset; a character that was cut in half at the end is left out."""
    if canonical(charset) in ("", "utf-8"):
        with suppress(UnicodeDecodeError):
            return codecs.getincrementaldecoder("utf-8-sig")().decode(content)
    return decode(content, charset).text


def excerpt_of(response: Response, settings: TargetSettings) -> str | None:
    """The receiver's words: those about what is wrong where configured, else the beginning of its answer."""
    content = response.content if response.kept is None else response.kept
    said = look_up(settings.error, _parsed(content, response.charset)) if settings.error else None
    text = _text_of(content[: 4 * EXCERPT_LIMIT], response.charset) if said is None else as_text(said)
    return " ".join(text.split())[:EXCERPT_LIMIT] or None


def _judge_body(response: Response, settings: TargetSettings) -> Answer:
    status = response.status
    if settings.success is None and settings.receiver_id is None:
        return Answer(Verdict.DELIVERED, status, None)
    document = document_of(response)
    words = excerpt_of(response, settings)
    if not _succeeded(document, settings):
        return Answer(_without_success(document, settings), status, _missed(status, settings), words)
    number = look_up(settings.receiver_id, document) if settings.receiver_id else None
    if settings.receiver_id and number in (None, "") and not settings.idempotent:
        said = f"HTTP {status}, but {settings.receiver_id} names no number"
        return Answer(Verdict.UNKNOWN, status, said, words)
    return Answer(Verdict.DELIVERED, status, None, receiver_id=id_of(number))


def id_of(value: object) -> str | None:
    """A receiver's number as we keep it."""
    return _UNSPEAKABLE.sub("\ufffd", as_text(value))[:ID_LIMIT] or None


def _succeeded(document: object, settings: TargetSettings) -> bool:
    """A page, or an answer cut off, holds nothing that a rule could be true of: `!error` is of every login page."""
    if settings.success is None:
        return True
    if document is None:
        return False
    match settings.success:
        case SuccessRule(path=path, equals=wanted):
            found = look_up(path, document)
            return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)  # 1 is not true
        case expression:
            return holds(expression, document)


def _without_success(document: object, settings: TargetSettings) -> Verdict:
    """A 2xx that says no. Such receivers say "busy" the same way as "wrong": who knows which is which says so."""
    if document is None:
        return Verdict.AGAIN if settings.idempotent else Verdict.UNKNOWN
    if settings.rejected is not None and holds(settings.rejected, document):
        return Verdict.REJECTED
    if settings.idempotent or (settings.again is not None and holds(settings.again, document)):
        return Verdict.AGAIN
    return Verdict.UNKNOWN if settings.rejected is not None else Verdict.REJECTED


def _missed(status: int, settings: TargetSettings) -> str:
    match settings.success:
        case SuccessRule(path=path, equals=wanted):
            return f"HTTP {status}, but {path} is not {wanted!r}"
        case expression:
            return f"HTTP {status}, but not {expression}"

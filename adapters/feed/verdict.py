"""What a platform's answer means for us: all well, ask again, ask later, or a person must look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from adapters.base import ChannelRefused, ChannelUnavailable, Json
from adapters.document import NotJson, at_path, looks_like_html, parse
from adapters.feed.connection import Answer
from adapters.feed.dialect import Dialect, Value

LONGEST_RETRY_AFTER = timedelta(hours=6)
"""A platform may ask for patience, not for oblivion."""


class AskAgain(Exception):
    """Log in anew if there is a way to, and ask once more; `final` is the error if that does not help."""

    def __init__(self, final: ChannelRefused | ChannelUnavailable) -> None:
        super().__init__(str(final))
        self.final = final


def check_status(answer: Answer, where: str, now: datetime) -> None:
    """Judge by the HTTP status alone."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status == 401 or 300 <= status < 400:
        # a redirect is how many consoles say that the session is over; we never follow it
        raise AskAgain(ChannelRefused(f"{where}: HTTP {status}, also after logging in; expected 200"))
    if status == 403:
        raise ChannelRefused(f"{where}: HTTP 403, we are not permitted; expected 200")
    raise ChannelUnavailable(f"{where}: HTTP {status}; expected 200", retry_after(answer.headers, now))


def read_document(answer: Answer, where: str, dialect: Dialect) -> Json:
    """What an answer with a good status says, judged by the success rule and the error verbs."""
    try:
        document = parse(answer.content)
    except NotJson as error:
        later = ChannelUnavailable(f"{where}: answered {error}; expected JSON")
        if looks_like_html(answer.content):
            raise AskAgain(later) from error
        raise later from error
    check_success(document, where, dialect)
    return document


def check_success(document: Json, where: str, dialect: Dialect) -> None:
    """Judge by the platform's own words."""
    success, errors = dialect.success, dialect.errors
    if success is None or _is_one_of(at_path(document, success.path), success.values):
        return
    code = at_path(document, errors.path if errors else success.path)
    problem = f"{where}: answered {_said(document, code, dialect)}; expected {success.path} to be {success.values[0]!r}"
    if errors and _is_one_of(code, errors.refuse):
        raise ChannelRefused(problem)
    if errors and _is_one_of(code, errors.login):
        raise AskAgain(ChannelRefused(problem + ", also after logging in"))
    if errors and _is_one_of(code, errors.again):
        raise AskAgain(ChannelUnavailable(problem))
    raise ChannelUnavailable(problem)


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the Retry-After header asks us to wait, given in seconds or as a date (RFC 9110); capped."""
    text = headers.get("Retry-After", "").strip()
    try:
        if text.isascii() and text.isdigit():
            return min(timedelta(seconds=min(int(text), 10**9)), LONGEST_RETRY_AFTER)
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    asked = until.replace(tzinfo=until.tzinfo or UTC) - now
    return min(max(asked, timedelta()), LONGEST_RETRY_AFTER)


def _is_one_of(value: Json, expected: tuple[Value, ...]) -> bool:
    """Platforms write 0 and "0", true and "true"."""
    return not isinstance(value, dict | list) and str(value).lower() in {str(one).lower() for one in expected}


def _said(document: Json, code: Json, dialect: Dialect) -> str:
    words = at_path(document, dialect.errors.message) if dialect.errors and dialect.errors.message else None
    code_said = "no code" if isinstance(code, dict | list) or code is None else str(code)[:40]
    if not isinstance(words, str):
        return code_said
    if dialect.app_secret is not None:
        words = words.replace(dialect.app_secret.get_secret_value(), "***")
    return f"{code_said} {words[:80]!r}"

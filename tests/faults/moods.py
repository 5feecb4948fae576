"""The ways in which an OA answers what it should not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web


@dataclass(frozen=True)
class Mood:
    """How it answers instead of as it should; `takes`: what came is kept all the same."""

    answer: Callable[[web.Request], web.StreamResponse]
    takes: bool = False
    endless: bool = False
    lasts: bool = False
    route: str | None = None
    """Only there."""


def status(
    number: int, headers: Callable[[], Mapping[str, str]] = dict, *, takes: bool = False, route: str | None = None
) -> Mood:
    return Mood(lambda _request: web.Response(status=number, headers=headers(), text="not now"), takes, route=route)


def in_seconds(seconds: int) -> Callable[[], Mapping[str, str]]:
    return lambda: {"Retry-After": str(seconds)}


def at_a_time(seconds: int) -> Callable[[], Mapping[str, str]]:
    """The other form: a date."""
    return lambda: {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)}


def html(*, takes: bool) -> Mood:
    page = "<html><body><h1>统一身份认证</h1></body></html>"
    return Mood(lambda _request: web.Response(text=page, content_type="text/html"), takes)


def half_json(*, takes: bool) -> Mood:
    return Mood(lambda _request: web.Response(text='{"code": 0, "id": "OA-', content_type="application/json"), takes)


def endless(*, takes: bool) -> Mood:
    return Mood(lambda _request: web.StreamResponse(), takes, endless=True)


def silent(*, takes: bool) -> Mood:
    """No answer as long as the mood lasts."""
    return Mood(lambda _request: web.Response(status=502), takes, lasts=True)

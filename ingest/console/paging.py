"""Lists a page at a time, by the last row seen, and by the days they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from ingest.console.context import CONSOLE
from ingest.spans import Span

LONGEST = 100
"""Characters of a filter."""


def before_of(request: web.Request) -> int | None:
    """The id below which this page begins; None: at the newest."""
    written = request.query.get("before", "")
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 19 else None


def span_of(request: web.Request) -> Span:
    """From the beginning of the day `since` to the end of the day `until`, by the office's clock."""
    zone = ZoneInfo(request.app[CONSOLE].settings.time_zone)
    since, until = (_day(request.query.get(name, "")) for name in ("since", "until"))
    return Span(
        None if since is None else datetime.combine(since, time(), zone),
        None if until is None else datetime.combine(until + timedelta(days=1), time(), zone),
    )


def named(request: web.Request, name: str) -> str | None:
    """What a filter asks for by name; one there is none of finds nothing."""
    return request.query.get(name, "").strip()[:LONGEST] or None


def chosen(request: web.Request, name: str, among: Sequence[str]) -> str | None:
    """What a filter asks for, if it is one of these."""
    asked = request.query.get(name)
    return asked if asked in among else None


def _day(written: str) -> date | None:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return day if 1970 <= day.year < 9000 else None

"""Pages of fifty by the last row seen."""

from __future__ import annotations

from aiohttp import web


def before_of(request: web.Request) -> int | None:
    """The id below which this page begins; None: at the newest."""
    written = request.query.get("before", "")
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 19 else None

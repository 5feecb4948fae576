"""The list of cases as a file for a spreadsheet: what the page shows of each, and nothing it would compute."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy import Connection

from ingest.catalogue import Words
from ingest.console.case_list import Line, line_of, wanted_by
from ingest.console.case_page import record_search, record_view
from ingest.console.context import CONSOLE, visitor_of, words_of
from ingest.console.guard import needs
from ingest.console.looks import Look
from ingest.console.roles import Right
from ingest.console.search import Place, asked_for, page_of

MOST = 10_000
"""Lines of one file; the newest. A filter by day finds the others."""
_COLUMNS = ("case_no", "channel", "subject", "type", "person", "phone", "source_no", "received", "deadline")
_COMPUTED = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""With these, after blanks or not, spreadsheets begin a formula."""


@needs(Right.CASES)
async def send(request: web.Request) -> web.StreamResponse:
    """The whole list as the page would show it to this person, filtered alike, masked alike, and written down."""
    console, visitor, words = request.app[CONSOLE], visitor_of(request), words_of(request)
    lines, more = await _lines(request)
    await record_view(console, visitor, None, exported=len(lines))
    seen = [line.case_no for line in lines if line.facts is not None]
    if wanted_by(request).words is not None and seen:
        await record_search(console, visitor, seen)
    look = Look(words, ZoneInfo(console.settings.time_zone), console.now())
    rows = [[words(f"export.{column}") for column in _COLUMNS], *(_cells(line, words, look) for line in lines)]
    if more:
        rows.append([words("export.more", count=MOST)])
    return web.Response(
        body=written(rows),
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="cases-{look.now:%Y%m%d}.csv"',
            "Cache-Control": "no-store",
        },
    )


def written(rows: Sequence[Sequence[str]]) -> bytes:
    """CSV as spreadsheets in China open it (UTF-8 with its mark); every cell is text, none a formula."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([[as_text(cell) for cell in row] for row in rows])
    return buffer.getvalue().encode("utf-8-sig", "replace")


def as_text(cell: str) -> str:
    """The words on one line; before what a spreadsheet would compute stands the apostrophe that forbids it."""
    line = " ".join(cell.replace("\0", "").split())
    return f"'{line}" if line.startswith(_COMPUTED) else line


async def _lines(request: web.Request) -> tuple[list[Line], bool]:
    """The newest cases, and whether there are more."""
    console, role = request.app[CONSOLE], visitor_of(request).role
    wanted, now, sealer = wanted_by(request), console.now(), console.store.sealer
    asked = await console.store.browse(lambda conn: asked_for(conn, sealer, role, wanted, now))
    lines: list[Line] = []
    before: Place | None = None

    def find(conn: Connection) -> tuple[list[Line], Place | None]:
        found = page_of(conn, asked, before=before)
        return [line_of(row, sealer, role) for row in found.rows], found.older

    while len(lines) < MOST:
        some, before = await console.store.browse(find)
        lines += some
        if before is None:
            break
    return lines[:MOST], before is not None


def _cells(line: Line, words: Words, look: Look) -> list[str]:
    facts = line.facts
    shown = ("", "", "", "", "")
    if facts is not None:
        kind = words.label("request_type", facts.request_type)
        shown = (facts.title, kind, facts.person or "", facts.phone or "", facts.source_no or "")
    due = "" if line.next_due_at is None else look.moment(line.next_due_at)
    return [
        line.case_no,
        words.label("channel_kind", line.channel_kind),
        *shown,
        look.moment(line.received_at),
        due,
    ]

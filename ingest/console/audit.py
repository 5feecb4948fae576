"""For the auditor: who did what, and who has an account; ids and roles, never a citizen's data."""

from __future__ import annotations

from aiohttp import web

from ingest import listings
from ingest.accounts import list_accounts
from ingest.console.context import CONSOLE, page
from ingest.console.guard import needs
from ingest.console.paging import before_of
from ingest.console.roles import Right


@needs(Right.HISTORY)
async def show_history(request: web.Request) -> web.StreamResponse:
    before = before_of(request)
    found = await request.app[CONSOLE].store.read(lambda conn: listings.history_page(conn, before=before))
    older = found[listings.PAGE - 1].id if len(found) > listings.PAGE else None
    return page(request, "history.html", rows=found[: listings.PAGE], older=older)


@needs(Right.ACCOUNTS)
async def show_accounts(request: web.Request) -> web.StreamResponse:
    found = await request.app[CONSOLE].store.read(list_accounts)
    return page(request, "accounts.html", rows=found)

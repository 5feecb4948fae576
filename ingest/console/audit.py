"""For the auditor: who did what, and who has an account; ids and roles, never a citizen's data."""

from __future__ import annotations

from aiohttp import web

from ingest.accounts import list_accounts
from ingest.console.context import CONSOLE, page
from ingest.console.guard import needs
from ingest.console.paging import before_of, chosen, named, span_of
from ingest.console.roles import Right
from ingest.happenings import KINDS, history_page
from ingest.listings import PAGE


@needs(Right.HISTORY)
async def show_history(request: web.Request) -> web.StreamResponse:
    store = request.app[CONSOLE].store
    before, span, kind = before_of(request), span_of(request), chosen(request, "kind", KINDS)
    actor, case = named(request, "actor"), named(request, "case")
    found = await store.browse(
        lambda conn: history_page(conn, before=before, span=span, kind=kind, actor=actor, case=case)
    )
    accounts = await store.read(list_accounts)
    return page(
        request,
        "history.html",
        rows=found[:PAGE],
        older=found[PAGE - 1].id if len(found) > PAGE else None,
        kinds=KINDS,
        kind=kind,
        actor=actor,
        case=case,
        accounts=[one.name for one in accounts],
    )


@needs(Right.ACCOUNTS)
async def show_accounts(request: web.Request) -> web.StreamResponse:
    found = await request.app[CONSOLE].store.read(list_accounts)
    return page(request, "accounts.html", rows=found)

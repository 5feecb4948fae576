"""What was kept aside: why, for those who may read it the thing itself, and what a person makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy import Connection, select

from adapters.base import RawKind
from ingest import inbox, listings
from ingest.accounts import Role
from ingest.attachments import is_infected
from ingest.console.acting import act, act_and_say, field_of, go_on
from ingest.console.case_page import record_view
from ingest.console.context import CONSOLE, page, visitor_of
from ingest.console.files import opened, send
from ingest.console.forms import Shown, form_of, written_in
from ingest.console.guard import needs
from ingest.console.originals import lying, may_see_raw, shown
from ingest.console.paging import before_of, chosen, named, span_of
from ingest.console.roles import Right
from ingest.inbox import RawRow
from ingest.operations import OperationRefused
from ingest.operations.quarantine import ASIDE, AUTO, DISMISSED, REASONS
from ingest.written import Written
from store.blobs import Kept, find
from store.schema import raw
from store.sealing import Sealer

KINDS = tuple(RawKind)
STATES = (ASIDE, AUTO, DISMISSED)
NOT_TYPED = ("reading.needs_review", "accepted_at")


@needs(Right.QUARANTINE)
async def show(request: web.Request) -> web.StreamResponse:
    console, before, span = request.app[CONSOLE], before_of(request), span_of(request)
    channels = [door.name for door in await console.store.read(listings.doors)]
    channel, kind = named(request, "channel"), chosen(request, "kind", KINDS)
    state = chosen(request, "state", STATES) or STATES[0]
    found = await console.store.browse(
        lambda conn: listings.quarantine(conn, before=before, channel=channel, kind=kind, state=state, span=span)
    )
    return page(
        request,
        "quarantine.html",
        rows=found[: listings.PAGE],
        older=found[listings.PAGE - 1].raw_id if len(found) > listings.PAGE else None,
        channels=channels,
        channel=channel,
        kinds=KINDS,
        kind=kind,
        states=STATES,
        state=state,
    )


@needs(Right.QUARANTINED_ORIGINALS)
async def show_one(request: web.Request) -> web.StreamResponse:
    return await _page(request, {}, {})


@needs(Right.QUARANTINED_ORIGINALS)
async def send_one(request: web.Request) -> web.StreamResponse:
    """The original; 404 also if something was found in it, as on its page."""
    console, visitor, raw_id = request.app[CONSOLE], visitor_of(request), int(request.match_info["raw_id"])
    store, role = console.store, visitor.role

    def load(conn: Connection) -> tuple[Kept, RawRow] | None:
        row = _item(conn, store.sealer, role, raw_id).row
        return None if is_infected(conn, row.sha256) else (find(conn, row.sha256), row)

    found = await store.read(load)
    if found is None:
        raise web.HTTPNotFound
    await record_view(console, visitor, None, raw=raw_id)
    kept, row = found
    return await send(console, await opened(store.blobs, kept), row)


@needs(Right.READ_AGAIN)
async def read_again(request: web.Request) -> web.StreamResponse:
    asked = {"raw": int(request.match_info["raw_id"])}
    return await act_and_say(request, "quarantine-read", asked, "/quarantine", "read_again")


@needs(Right.READ_AGAIN)
async def read_all_again(request: web.Request) -> web.StreamResponse:
    try:
        answer = await act(request, "replay-read", {"quarantine": True})
    except OperationRefused as error:
        return go_on("/quarantine", error.code)
    return go_on("/quarantine", "all_read_again", count=answer["read_again"])


@needs(Right.REGISTER)
async def register(request: web.Request) -> web.StreamResponse:
    """Enter what was typed as a case; what does not fit comes back with the words kept."""
    raw_id = await _admit(request)
    settings, form = request.app[CONSOLE].settings, await request.post()
    try:
        begun = await act(request, "quarantine-begin", {"raw": raw_id})
        written = written_in(form, settings.fields, begun["document"])
        asked = {"raw": raw_id, "part": int(await field_of(request, "part") or 0), "more": "more" in form}
        answer = await act(request, "quarantine-register", {**asked, "fields": written})
    except OperationRefused as error:
        if error.code == "fields":
            return await _page(request, written, error.problems, status=400)
        return go_on("/quarantine" if error.code == "not_aside" else f"/quarantine/{raw_id}", error.code)
    if answer["left"]:
        return go_on(f"/quarantine/{raw_id}", "registered_part", number=answer["case_no"])
    return go_on(f"/cases/{answer['case_id']}", "registered_closed" if answer["restricted"] else "registered")


@needs(Right.REGISTER)
async def dismiss(request: web.Request) -> web.StreamResponse:
    raw_id = await _admit(request)
    asked = {"raw": raw_id, "reason": await field_of(request, "reason"), "note": await field_of(request, "note")}
    try:
        await act(request, "quarantine-dismiss", asked)
    except OperationRefused as error:
        return go_on(f"/quarantine/{raw_id}", error.code)
    return go_on("/quarantine", "dismissed")


async def _admit(request: web.Request) -> int:
    """The item's number. Raises HTTPNotFound: there is none for this visitor."""
    console, visitor, raw_id = request.app[CONSOLE], visitor_of(request), int(request.match_info["raw_id"])
    await console.store.read(lambda conn: _item(conn, console.store.sealer, visitor.role, raw_id))
    return raw_id


async def _page(
    request: web.Request, written: Mapping[str, Written], problems: Mapping[str, str], *, status: int = 200
) -> web.StreamResponse:
    console, visitor, raw_id = request.app[CONSOLE], visitor_of(request), int(request.match_info["raw_id"])
    store, role = console.store, visitor.role
    item = await store.read(lambda conn: _item(conn, store.sealer, role, raw_id))
    await record_view(console, visitor, None, raw=raw_id)
    found = await store.read(lambda conn: lying(conn, store.sealer, role, item.row))
    original = await shown(console.viewer, store.blobs, found)
    form, part = None, 0
    if visitor.may(Right.REGISTER) and item.state in (ASIDE, AUTO):
        with suppress(OperationRefused):  # its channel is not configured any more: there is nothing to fill in
            begun = await act(request, "quarantine-begin", {"raw": raw_id})
            filled, part = Shown(begun["document"], written, problems), begun["part"]
            form = form_of(console.settings.fields, console.settings.pen, filled, without=NOT_TYPED)
    return page(
        request, "quarantined.html", status=status, original=original, item=item, form=form, part=part, reasons=REASONS
    )


@dataclass(frozen=True)
class Item:
    """Something kept aside, or laid aside by a person."""

    row: RawRow
    state: str
    reason: str | None
    closed_by: str | None
    note: str | None


def _item(conn: Connection, sealer: Sealer, role: Role, raw_id: int) -> Item:
    """Raises HTTPNotFound, also when it is not for this role."""
    row = conn.execute(select(raw).where(raw.c.id == raw_id, raw.c.state.in_(STATES))).one_or_none()
    if row is None or not may_see_raw(conn, sealer, role, raw_id):
        raise web.HTTPNotFound
    note = inbox.note_of(conn, sealer, raw_id)
    return Item(inbox.opened(row, sealer), row.state, row.reason, row.closed_by, note)

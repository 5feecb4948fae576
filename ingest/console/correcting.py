"""Correcting a case: a form beside the original, what the program read, and what people made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy import Connection, select

from ingest import readings, register
from ingest.accounts import Role
from ingest.console.acting import act, act_and_say, field_of, go_on
from ingest.console.case_page import readable, record_view
from ingest.console.case_view import Corrected, corrections_seen
from ingest.console.context import CONSOLE, Visitor, page, visitor_of
from ingest.console.forms import Shown, changed_from, form_of, written_in
from ingest.console.guard import needs
from ingest.console.originals import Lying, lying_of, shown
from ingest.console.roles import Right, may_correct, may_read
from ingest.fields import document_of
from ingest.operations import OperationRefused
from ingest.written import Written
from normalize.case import Case
from store.schema import revision
from store.sealing import Sealer


@dataclass(frozen=True)
class Seen:
    """All that the page shows, of one snapshot."""

    case: Case
    program: Mapping[str, Any] | None
    corrections: Sequence[Corrected]
    hidden: frozenset[str]
    originals: Sequence[Lying]


@needs(Right.CASES)
async def show(request: web.Request) -> web.StreamResponse:
    await _admit(request)
    return await _page(request, {}, {})


@needs(Right.CASES)
async def correct(request: web.Request) -> web.StreamResponse:
    """Save what was changed; what does not fit, or meets another's change, comes back with the words kept."""
    await _admit(request)
    console, case_id = request.app[CONSOLE], request.match_info["case_id"]
    asked = int(await field_of(request, "revision") or 0)
    role = visitor_of(request).role
    before = await console.store.read(lambda conn: _as_shown(conn, console.store.sealer, role, case_id, asked))
    if before is None:
        raise web.HTTPBadRequest
    written = written_in(await request.post(), console.settings.fields, before)
    changes = changed_from(console.settings.fields, console.settings.pen, written, before)
    try:
        answer = await act(request, "correct", {"case": case_id, "revision": asked, "changes": changes})
    except OperationRefused as error:
        if error.code == "fields":
            return await _page(request, changes, error.problems, status=400)
        if error.code == "changed" and await readable(console, visitor_of(request), case_id):
            return await _page(request, changes, {}, status=409, changed=True)
        return go_on(f"/cases/{case_id}/correct" if error.code == "unchanged" else f"/cases/{case_id}", error.code)
    return go_on(f"/cases/{case_id}", "closed" if answer["restricted"] else "corrected")


@needs(Right.CASES)
async def undo(request: web.Request) -> web.StreamResponse:
    await _admit(request)
    console, visitor, case_id = request.app[CONSOLE], visitor_of(request), request.match_info["case_id"]
    number, asked = int(request.match_info["number"]), int(await field_of(request, "revision") or 0)
    sealer, role = console.store.sealer, visitor.role
    seen = await console.store.read(lambda conn: corrections_seen(conn, sealer, role, case_id))
    if number not in [one.id for one in seen]:
        raise web.HTTPNotFound
    asked_for = {"case": case_id, "correction": number, "revision": asked}
    return await act_and_say(request, "uncorrect", asked_for, f"/cases/{case_id}/correct", "undone")


async def _admit(request: web.Request) -> None:
    """Raises HTTPNotFound, HTTPForbidden: this visitor may not correct this case."""
    console, visitor, case_id = request.app[CONSOLE], visitor_of(request), request.match_info["case_id"]
    if not await readable(console, visitor, case_id):
        raise web.HTTPNotFound
    restricted = await console.store.read(lambda conn: register.is_restricted(conn, case_id))
    if not may_correct(visitor.role, restricted=restricted):
        raise web.HTTPForbidden


async def _page(
    request: web.Request,
    written: Mapping[str, Written],
    problems: Mapping[str, str],
    *,
    status: int = 200,
    changed: bool = False,
) -> web.StreamResponse:
    console, visitor, case_id = request.app[CONSOLE], visitor_of(request), request.match_info["case_id"]
    await record_view(console, visitor, case_id)
    store, role = console.store, visitor.role
    seen = await store.read(lambda conn: _look(conn, store.sealer, visitor, case_id))
    if not may_read(role, restricted=seen.case.restricted):  # it became restricted just now
        raise web.HTTPNotFound
    originals = [await shown(console.viewer, store.blobs, one) for one in seen.originals]
    filled = Shown(document_of(seen.case), written, problems, seen.program, seen.corrections, seen.hidden)
    form = form_of(console.settings.fields, console.settings.pen, filled)
    return page(
        request,
        "correct.html",
        status=status,
        case=seen.case,
        form=form,
        pen=console.settings.pen,
        corrections=[one for one in seen.corrections if one.undone_at is None],
        originals=originals,
        changed=changed,
    )


def _look(conn: Connection, sealer: Sealer, visitor: Visitor, case_id: str) -> Seen:
    entry = register.see_entry(conn, sealer, case_id)
    kept = None if entry.reading_id is None else readings.load(conn, sealer, entry.reading_id)
    draft = kept.draft if kept is not None else None
    if draft is not None and draft.restricted and not may_read(visitor.role, restricted=True):
        draft = None  # a person has opened the case, not what it was
    corrections = corrections_seen(conn, sealer, visitor.role, case_id)
    seen = {one.id for one in corrections}
    hidden = frozenset(one.field for one in register.corrections(conn, sealer, case_id) if one.id not in seen)
    return Seen(
        entry.case,
        None if draft is None else document_of(draft),
        corrections,
        hidden,
        lying_of(conn, sealer, visitor.role, case_id),
    )


def _as_shown(conn: Connection, sealer: Sealer, role: Role, case_id: str, number: int) -> dict[str, Any] | None:
    """The case in the revision the form was filled with; None: there is none, or not for this role."""
    wanted = select(revision.c.sealed).where(revision.c.case_id == case_id, revision.c.revision == number)
    if not may_read(role, restricted=True):
        wanted = wanted.where(~revision.c.restricted)
    sealed = conn.execute(wanted).scalar_one_or_none()
    if sealed is None:
        return None
    found: dict[str, Any] = json.loads(sealer.open(sealed, f"revision:{case_id}:{number}"))
    return found

"""What was kept aside or taken for no petition: looked through, read again, registered by hand, laid aside."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from adapters.base import RawKind
from ingest import inbox, listings, readings
from ingest.by_hand import Sheet, part_to_read, prepared, read_form, typed
from ingest.compute import CorrectionRefused
from ingest.correcting import pens_of
from ingest.fields import document_of
from ingest.history import record_history
from ingest.office import Office
from ingest.operations.cases import refuse_unfit
from ingest.operations.terms import Answer, OperationRefused, plain
from ingest.register import load_case
from ingest.sayings.rewording import rewording
from ingest.spans import Span
from normalize.reading import Disposition
from store.blobs import find, is_large
from store.schema import raw
from store.sealing import SealBroken

ASIDE, AUTO, DISMISSED, READ, WAITING = "quarantined", "auto", "dismissed", "read", "waiting"
REASONS = ("duplicate", "advertisement", "internal", "test", "empty", "other")
"""Why something is no petition."""
LONGEST_NOTE = 500


async def look_through(office: Office, arguments: Mapping[str, Any], _actor: str) -> Answer:
    """What is kept aside, was taken for no petition or laid aside (`state`), newest first: why, never what."""
    span = Span(_moment(arguments.get("since")), _moment(arguments.get("until")))
    state = arguments.get("state") or ASIDE
    found = await office.store.read(
        lambda conn: listings.quarantine(
            conn, channel=arguments.get("channel"), kind=arguments.get("kind"), before=arguments.get("before"),
            state=state, span=span,
        )
    )  # fmt: skip
    more = found[listings.PAGE - 1].raw_id if len(found) > listings.PAGE else None
    return {"items": plain(said(office, found[: listings.PAGE])), "before": more}


def said(office: Office, found: Sequence[listings.Quarantined]) -> list[listings.Quarantined]:
    """With their reasons in the installation's language; of what a person laid aside the reason is a code."""
    say = rewording(office.config.service.language)
    return [replace(one, reason=say(one.reason)) if one.state != DISMISSED and one.reason else one for one in found]


async def read_again(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Put one item before its reader again, also one that was laid aside or taken for no petition."""
    number, now = int(arguments["raw"]), office.clock()

    def write(conn: Connection) -> None:
        row = _aside(conn, number, ASIDE, AUTO, DISMISSED, WAITING)
        if row.state == WAITING:
            if not inbox.hurry(conn, number, inbox.read_lane(RawKind(row.kind)), now):
                raise _not_aside(number, WAITING)
            return
        if row.state == ASIDE and row.closed_by is not None:
            raise OperationRefused(f"item {number}: {row.closed_by} is registering it by hand", code="by_hand")
        if (gone := find(conn, row.blob).removed_at) is not None:
            said = f"item {number}: original removed by retention on {gone:%Y-%m-%d}"
            raise OperationRefused(said, code="removed")
        inbox.reopen(conn, number, now)
        record_history(conn, None, "replayed", actor, {"raw": number}, now)

    await office.store.write(write)
    return {"raw": number, "state": "waiting"}


async def begin(office: Office, arguments: Mapping[str, Any], _actor: str) -> Answer:
    """What a form to register an item by hand begins with: the `part` it is about, and what the program made out."""
    _, pen = pens_of(office.config)
    sheet = await office.store.read(lambda conn: sheet_of(conn, office, int(arguments["raw"])))
    return {"raw": sheet.row.id, "part": sheet.part, "document": document_of(sheet.draft(pen))}


async def register(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Register by hand what the program could not read, or took for no petition: `fields` has what a person writes.

    It becomes a case like any other, with the original attached. With `more`, the original holds further matters and
    stays in quarantine. With `part`, only if that is still the one to be read next.
    """
    store, number, more = office.store, int(arguments["raw"]), bool(arguments.get("more"))
    sheet = await store.read(lambda conn: sheet_of(conn, office, number))
    if arguments.get("part") not in (None, sheet.part):
        raise OperationRefused(f"item {number}: somebody has just registered that matter", code="moved")
    fields, pen = pens_of(office.config)
    read = read_form(sheet, fields, pen, arguments["fields"])
    refuse_unfit(read)
    shared, rules = more or sheet.part > 1, office.config.rules
    try:
        draft, restricted = await asyncio.to_thread(typed, sheet, pen, read.corrections, rules, shared=shared)
    except CorrectionRefused as error:
        raise OperationRefused(str(error), code="fields") from error
    content = await _content(office, sheet)
    make = partial(prepared, sheet, draft, content, store.blobs, store.sealer)
    made = await store.blobs.apart(make, at_depot=content is not None and is_large(content))
    now = office.clock()

    def write(conn: Connection) -> Answer:
        row = _aside(conn, number, ASIDE, AUTO)
        part, _ = part_to_read(readings.of_raw(conn, store.sealer, number))
        if part != sheet.part:
            raise OperationRefused(f"item {number}: somebody has just registered that matter", code="moved")
        case_id = office.desk.enter(conn, sheet.row, part, made, actor, now)
        after = readings.of_raw(conn, store.sealer, number)
        left = more or any(one.disposition is Disposition.QUARANTINE for one in after)
        inbox.close(conn, number, ASIDE if left else READ, actor, now, reason=row.reason if left else None)
        case = load_case(conn, store.sealer, case_id)
        return {"case_id": case_id, "case_no": case.case_no, "revision": case.revision, "left": left}

    return {**await store.write(write), "raw": number, "restricted": restricted}


async def dismiss(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Lay an item aside as no petition, for one of `REASONS`; a `note` is kept for those who may see the item."""
    number, reason, now = int(arguments["raw"]), arguments.get("reason"), office.clock()
    note = str(arguments.get("note") or "").strip()
    if reason not in REASONS:
        raise OperationRefused(f"item {number}: expected a reason: {', '.join(REASONS)}", code="dismissal")
    if len(note) > LONGEST_NOTE or (reason == "other" and not note):
        raise OperationRefused(
            f"item {number}: expected a note of at most {LONGEST_NOTE} characters; the reason other needs one",
            code="note",
        )
    sealed = office.store.sealer.seal(note.encode(), inbox.note_seal(number)) if note else None

    def write(conn: Connection) -> None:
        _aside(conn, number, ASIDE)
        inbox.close(conn, number, DISMISSED, actor, now, reason=reason, sealed_note=sealed)
        record_history(conn, None, "dismissed", actor, {"raw": number, "reason": reason}, now)

    await office.store.write(write)
    return {"raw": number, "state": DISMISSED, "reason": reason}


def sheet_of(conn: Connection, office: Office, number: int) -> Sheet:
    """What a person who registers an item has before him. Raises OperationRefused."""
    row = conn.execute(select(raw).where(raw.c.id == number)).one_or_none()
    if row is None or row.state not in (ASIDE, AUTO):
        raise _not_aside(number, None if row is None else row.state)
    door = office.reader.doors.get(row.channel)
    if door is None:
        raise OperationRefused(f"item {number}: channel {row.channel} is not in the configuration any more")
    part, program = part_to_read(readings.of_raw(conn, office.store.sealer, number))
    return Sheet(inbox.opened(row, office.store.sealer), door, part, program)


async def _content(office: Office, sheet: Sheet) -> bytes | None:
    """The original's bytes, if they can be had now: registering need not wait for them."""
    store = office.store
    with suppress(OSError, SealBroken, KeyError):
        kept = await store.read(lambda conn: find(conn, sheet.row.sha256))
        return await store.blobs.opened(kept)
    return None


def _aside(conn: Connection, number: int, *states: str) -> Row[Any]:
    """The item, held, if it is in one of these states. Raises OperationRefused."""
    row: Row[Any] | None = conn.execute(select(raw).where(raw.c.id == number).with_for_update()).one_or_none()
    if row is None or row.state not in states:
        raise _not_aside(number, None if row is None else row.state)
    return row


def _not_aside(number: int, state: str | None) -> OperationRefused:
    if state == WAITING:
        return OperationRefused(f"item {number}: is about to be read (again)", code="not_aside")
    return OperationRefused(f"item {number}: is not in quarantine (any more)", code="not_aside")


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None

"""What went to the OA, what waits and what was refused, attempt by attempt; and what a person does about it."""

from __future__ import annotations

from aiohttp import web

from dispatch.addressees import addressees
from dispatch.payload import EventType
from dispatch.recording import State
from ingest import listings
from ingest.console.acting import act, act_and_say, field_of, go_on
from ingest.console.context import CONSOLE, page, visitor_of
from ingest.console.guard import needs
from ingest.console.paging import before_of, chosen, named, span_of
from ingest.console.roles import Right
from ingest.listings import Delivery
from ingest.operations import OperationRefused

STATES = tuple(State)
TYPES = tuple(EventType)
LONGEST_NUMBER = 200


@needs(Right.DELIVERIES)
async def show(request: web.Request) -> web.StreamResponse:
    console = request.app[CONSOLE]
    configured = console.desk.outbox.targets
    known = await console.store.read(addressees)
    target, state = named(request, "target"), chosen(request, "state", STATES)
    type_, channel = chosen(request, "type", TYPES), named(request, "channel")
    before, span, everything = before_of(request), span_of(request), visitor_of(request).may(Right.RESTRICTED)
    found = await console.store.browse(
        lambda conn: listings.deliveries(
            conn, target=target, state=state, type_=type_, channel=channel, span=span, before=before,
            everything=everything,
        )
    )  # fmt: skip
    return page(
        request,
        "deliveries.html",
        rows=found[: listings.PAGE],
        older=found[listings.PAGE - 1].id if len(found) > listings.PAGE else None,
        targets=sorted({*configured, *known}),
        states=STATES,
        types=TYPES,
        channels=list(console.settings.channels),
        target=target,
        state=state,
        type=type_,
        channel=channel,
    )


@needs(Right.DELIVERIES)
async def show_one(request: web.Request) -> web.StreamResponse:
    row = await _delivery(request)
    offered = visitor_of(request).may(Right.SEND)
    if offered:
        dry = await act(request, "replay-send", {**_asked(row), "dry_run": True})
        offered = bool(dry["sent_again"])
    return page(request, "delivery.html", row=row, sendable=offered)


@needs(Right.SEND)
async def resend(request: web.Request) -> web.StreamResponse:
    """Send it again; of one that may have arrived, who asks for this says that it has not."""
    row = await _delivery_as_shown(request)
    if row is None:
        return _moved(request)
    try:
        answer = await act(request, "replay-send", _asked(row))
    except OperationRefused as error:
        return go_on(f"/deliveries/{row.id}", error.code)
    return go_on(f"/deliveries/{row.id}", "resent" if answer["sent_again"] else "withheld")


@needs(Right.SEND)
async def skip(request: web.Request) -> web.StreamResponse:
    row = await _delivery_as_shown(request)
    if row is None:
        return _moved(request)
    asked = {"delivery": row.id, "target": row.target, "case": row.case_id}
    return await act_and_say(request, "replay-skip", asked, f"/deliveries/{row.id}", "skipped")


@needs(Right.SEND)
async def note_arrived(request: web.Request) -> web.StreamResponse:
    row = await _delivery_as_shown(request)
    if row is None:
        return _moved(request)
    number = (await field_of(request, "receiver_id"))[:LONGEST_NUMBER] or None
    asked = {"delivery": row.id, "target": row.target, "case": row.case_id, "receiver_id": number}
    return await act_and_say(request, "replay-arrived", asked, f"/deliveries/{row.id}", "arrived")


@needs(Right.SEND)
async def resend_rejected(request: web.Request) -> web.StreamResponse:
    """All that a target has rejected, once that was mended."""
    target = await field_of(request, "target")
    try:
        answer = await act(request, "replay-send", {"target": target, "dead": True, "stay_paused": True})
    except OperationRefused as error:
        return go_on("/deliveries", error.code)
    return go_on("/deliveries", "resent_all", count=answer["sent_again"], target=target)


async def _delivery(request: web.Request) -> Delivery:
    number = int(request.match_info["number"])
    found = await request.app[CONSOLE].store.read(lambda conn: listings.delivery_of(conn, number))
    if found is None:
        raise web.HTTPNotFound
    return found


async def _delivery_as_shown(request: web.Request) -> Delivery | None:
    """None: it is not any more as it was when the person saw it."""
    row = await _delivery(request)
    return row if row.state == await field_of(request, "state") else None


def _moved(request: web.Request) -> web.Response:
    return go_on(f"/deliveries/{request.match_info['number']}", "moved")


def _asked(row: Delivery) -> dict[str, object]:
    return {"delivery": row.id, "unknown": row.state == State.UNKNOWN}

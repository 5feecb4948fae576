"""Pausing and resuming doors and targets: by a person, with a reason, until a person ends it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from dispatch import targets
from dispatch.outbox import lane_of
from ingest import channels
from ingest.attachments import fetch_lane
from ingest.history import record_history
from ingest.office import Office
from ingest.operations.terms import Answer, OperationRefused, known_channel, known_target
from store.wakes import note

DOOR, TARGET = "door", "target"
LONGEST_REASON = 200


async def pause(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Leave a door's source alone (no poll, no acknowledgement, no attachment), or send a target nothing.

    Nothing is lost: the door's place is kept, the target's events wait.
    """
    what, name = _known(office, arguments)
    reason, now = _reason(arguments), office.clock()
    if not reason:
        raise OperationRefused("pause: expected a reason, for whoever finds it paused", code="reason")

    def write(conn: Connection) -> bool:
        paused = _pause(conn, office, what, name, reason, actor, now)
        if paused:
            record_history(conn, None, "paused", actor, {what: name, "reason": reason}, now)
        return paused

    if not await office.store.write(write):
        raise OperationRefused(f"{what} {name}: is paused already", code="already_paused")
    return {what: name, "state": "paused"}


async def resume(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Poll a door again from where it was left, or send to a target again what waits, in order."""
    what, name = _known(office, arguments)
    reason, now = _reason(arguments), office.clock()

    def write(conn: Connection) -> bool:
        resumed = (channels.resume if what == DOOR else targets.resume)(conn, name, now)
        if resumed:
            for lane in (channels.lane(name), fetch_lane(name)) if what == DOOR else (lane_of(name),):
                note(conn, lane)  # who works there sleeps
            record_history(conn, None, "resumed", actor, {what: name, "reason": reason or None}, now)
        return resumed

    if not await office.store.write(write):
        raise OperationRefused(f"{what} {name}: is not paused", code="not_paused")
    return {what: name, "state": "resumed"}


def _pause(conn: Connection, office: Office, what: str, name: str, reason: str, by: str, now: datetime) -> bool:
    if what == TARGET:
        return targets.pause(conn, name, reason, now, by)
    start = office.config.channels[name].settings.start(now, office.config.service.zone)
    channels.enrol(conn, name, start, now)
    return channels.pause(conn, name, reason, by, now)


def _known(office: Office, arguments: Mapping[str, Any]) -> tuple[str, str]:
    what, name = arguments["what"], arguments["name"]
    if what == DOOR:
        known_channel(office, name)
    else:
        known_target(office, name)
    return what, name


def _reason(arguments: Mapping[str, Any]) -> str:
    reason = str(arguments.get("reason") or "").strip()
    if len(reason) > LONGEST_REASON:
        raise OperationRefused(f"expected a reason of at most {LONGEST_REASON} characters", code="reason")
    return reason

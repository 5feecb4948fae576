"""What a claimed delivery is sent with: the event's bytes and, for templates, what lies around them."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from dispatch.attempts import in_doubt
from dispatch.rights import STANDING, may_send
from dispatch.settings import TargetSettings
from store import ledger
from store.blobs import Blobs, Kept, find
from store.ledger import Claim
from store.schema import delivery, event
from store.sealing import SealBroken, Sealer


@dataclass(frozen=True)
class Parcel:
    """A claimed delivery ready to be sent, or with the reason why it is not."""

    claim: Claim
    delivery_id: int
    event_id: str
    type: str
    case_id: str
    created_at: datetime
    taken_in_at: datetime | None = None
    """Of the event that opens a case: when its matter was taken in from the door."""
    state: str = "waiting"
    body: bytes = b""
    allowed: bool = True
    """False: its target may not have it any more."""
    fault: str | None = None
    """Why it cannot be sent although it may."""
    receiver_id: str | None = None
    """The receiver's number for the case, from an earlier event."""
    kept: tuple[Kept, ...] = ()
    """Attachments that go along, not opened yet."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Those opened, by their hash."""
    probe: bool = False
    """Sent to see whether the target answers again."""
    again: bool = False
    """It was delivered before."""
    tried: int = 0
    """Attempts in its history."""
    doubtful: bool = False
    """One of them may have arrived, made while the receiver was taken to know it again."""
    latest: float = math.inf
    """No request begins after this (`uninterrupted`), so that it ends while the lease lasts: after that others may send
    it, or tell that it is taken back.
    """

    @property
    def uncertain(self) -> bool:
        """Whether it may have arrived, at a receiver that would not know it again."""
        return self.doubtful or self.state in ("sending", "unknown")

    def values(self) -> dict[str, Any]:
        """What templates may name."""
        return values_of(self.event_id, json.loads(self.body), self.receiver_id, self.files)


def values_of(
    event_id: str, told: Mapping[str, Any], receiver_id: str | None, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """What templates may name of an event: event, case, change, deadline, receiver_id."""
    case = told["data"]["case"]
    for one in case.get("attachments", ()):
        content = files.get(one.get("sha256"))
        one["content"] = None if content is None else base64.b64encode(content).decode()
    return {
        "event": {"id": event_id, "type": told["type"], "timestamp": told["timestamp"]},
        "case": case,
        "change": told["data"]["change"],
        "deadline": told["data"].get("deadline"),
        "receiver_id": receiver_id,
    }


_WANTED = STANDING.add_columns(event.c.sealed_full, event.c.sealed_numbers)


async def opened(parcel: Parcel, blobs: Blobs) -> Parcel:
    """With the attachments that go along; the depot may take its time. Raises SealBroken, OSError as `Blobs.open`."""
    return replace(parcel, files={one.sha256: await blobs.opened(one) for one in parcel.kept}, kept=())


def pack(
    conn: Connection, claims: Sequence[Claim], settings: TargetSettings, sealer: Sealer, *, probe: bool, latest: float
) -> list[Parcel]:
    """The parcels of these claims, in their order."""
    numbers = [held.payload["delivery"] for held in claims]
    rows = {row.id: row for row in conn.execute(_WANTED.where(delivery.c.id.in_(numbers)))}
    parcels = [_packed(conn, held, rows[held.payload["delivery"]], settings, sealer, probe, latest) for held in claims]
    once = (one for one in parcels if not settings.repeatable(one.type))
    doubtful = in_doubt(conn, [one.delivery_id for one in once if one.tried and one.state == "waiting"])
    return [replace(one, doubtful=True) if one.delivery_id in doubtful else one for one in parcels]


def look_again(conn: Connection, parcels: Sequence[Parcel], settings: TargetSettings) -> dict[int, bool]:
    """Of these deliveries those that are still ours, and whether each may be sent as things stand now."""
    ours = ledger.ours(conn, [one.claim for one in parcels])
    numbers = [one.delivery_id for one in parcels if one.claim.id in ours]
    rows = conn.execute(STANDING.where(delivery.c.id.in_(numbers)))
    return {row.id: _is_allowed(row, settings) for row in rows}


def _is_allowed(row: Row[Any], settings: TargetSettings) -> bool:
    return row.state != "dropped" and may_send(settings, row)


def _packed(
    conn: Connection, held: Claim, row: Row[Any], settings: TargetSettings, sealer: Sealer, probe: bool, latest: float
) -> Parcel:
    body, fault = b"", None
    allowed = _is_allowed(row, settings)
    if allowed:
        try:
            body = body_of(row, sealer)
        except SealBroken as error:
            fault = f"cannot be packed: {error}"
    parcel = Parcel(
        held, row.id, row.event_id, row.type, row.case_id, row.created_at, row.taken_in_at, row.state, body, allowed,
        fault, probe=probe, again=row.delivered_at is not None, tried=row.attempts, latest=latest,
    )  # fmt: skip
    if not body or not settings.calls:
        return parcel
    return _with_surroundings(conn, parcel, row.target, settings)


def body_of(row: Row[Any], sealer: Sealer) -> bytes:
    """The bytes to send, the same on every attempt. Raises SealBroken."""
    if row.view == "full":
        return sealer.open(row.sealed_full, f"event:{row.event_id}")
    if row.sealed_numbers is None:
        raise SealBroken(f"event {row.event_id}: was written without its numbers")
    return sealer.open(row.sealed_numbers, f"event.numbers:{row.event_id}")


def _with_surroundings(conn: Connection, parcel: Parcel, target: str, settings: TargetSettings) -> Parcel:
    known = (
        select(delivery.c.receiver_id)
        .where(delivery.c.case_id == parcel.case_id, delivery.c.target == target, delivery.c.receiver_id.is_not(None))
        .order_by(delivery.c.id.desc())
        .limit(1)
    )
    number = conn.execute(known).scalar_one_or_none()
    try:
        return replace(parcel, receiver_id=number, kept=_fitting(conn, parcel.body, settings.inline_files))
    except KeyError as error:
        return replace(parcel, fault=f"cannot be packed: {error.args[0]}")


def _fitting(conn: Connection, body: bytes, most: int) -> tuple[Kept, ...]:
    """Attachments in the case's order, as long as they fit. Raises KeyError."""
    found: dict[str, Kept] = {}
    for one in json.loads(body)["data"]["case"].get("attachments", ()) if most else ():
        if one["state"] == "stored" and one["size"] <= most and one["sha256"] not in found:
            kept = find(conn, one["sha256"])
            if kept.removed_at is None:  # its time had come before this was sent once more
                found[one["sha256"]] = kept
                most -= one["size"]
    return tuple(found.values())

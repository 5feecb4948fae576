"""What a target may see of a case: asked when an event is published, and again before each attempt to send it."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Row, select

from dispatch.settings import TargetSettings
from store.schema import cases, delivery, event

View = Literal["full", "numbers"]
WITHDRAWN = "case.withdrawn"

STANDING = (
    select(
        delivery,
        event.c.type,
        event.c.created_at,
        event.c.taken_in_at,
        event.c.restricted.label("secret"),
        cases.c.restricted,
        cases.c.channel,
    )
    .join(event, event.c.id == delivery.c.event_id)
    .join(cases, cases.c.case_id == delivery.c.case_id)
)
"""Deliveries with all that decides whether they may be sent: the case as it stands now, and whether the event's own
words are a restricted case's (`secret`)."""


def right_of(settings: TargetSettings | None, channel: str, *, restricted: bool) -> View | None:
    """What a target may see of a case of this channel; one that is not configured, nothing."""
    if settings is None or (settings.channels and channel not in settings.channels):
        return None
    if not restricted:
        return None if settings.restricted == "only" else "full"
    if settings.takes_restricted:
        return "full"
    return "numbers" if settings.restricted == "numbers" else None


def takes_secrets(settings: TargetSettings, channel: str) -> bool:
    """Whether restricted cases of this channel need not be held: this target takes them."""
    return settings.enabled and settings.takes_restricted and right_of(settings, channel, restricted=True) == "full"


def view_for(settings: TargetSettings, channel: str, type_: str, *, restricted: bool) -> View | None:
    """How much of such an event the target gets: what it may see, if it wants the type at all."""
    if not settings.wants(type_):
        return None
    return right_of(settings, channel, restricted=restricted)


def may_send(settings: TargetSettings | None, row: Row[Any]) -> bool:
    """Whether a delivery (a row of `STANDING`) may go out now. That a case is withdrawn may always be told."""
    if settings is None:
        return False
    right = right_of(settings, row.channel, restricted=row.restricted)
    if row.view == "numbers":
        return right is not None or row.type == WITHDRAWN
    return right == "full" and (settings.takes_restricted or not row.secret)


def sendable(settings: TargetSettings | None, row: Row[Any], *, uncertain: bool) -> bool:
    """Whether a delivery may be sent once more: what a target would not know again only if it has not arrived for
    sure, or (`uncertain`) may not have. One that was skipped may have been of unknown fate.
    """
    if settings is None or row.state in ("dropped", "sending") or not may_send(settings, row):
        return False
    doubtful = row.state in ("unknown", "skipped")
    return settings.repeatable(row.type) or (row.state != "delivered" and (uncertain or not doubtful))

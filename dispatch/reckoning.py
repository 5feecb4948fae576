"""What a target should have: the cases meant for it, with the revision it has taken."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, case, exists, func, select, tuple_

from dispatch.rights import View, right_of
from dispatch.settings import TargetSettings
from store.schema import cases, delivery, event

PAGE = 200
PENDING = ("waiting", "sending", "unknown", "rejected")


class BadCursor(ValueError):
    """This cursor was not handed out by us."""


@dataclass(frozen=True)
class Cursor:
    """The last case of a page: pages are in the order of the last change."""

    updated_at: datetime
    case_id: str

    def __str__(self) -> str:
        written = f"{self.updated_at.astimezone(UTC).isoformat()} {self.case_id}"
        return base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises BadCursor."""
        try:
            at, _, case_id = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(" ")
            return cls(datetime.fromisoformat(at), case_id)
        except (ValueError, binascii.Error) as error:
            raise BadCursor("cursor: expected one from an earlier answer") from error


@dataclass(frozen=True)
class Meant:
    """A case that a target should have."""

    case_id: str
    case_no: str
    view: View
    restricted: bool
    revision: int
    updated_at: datetime
    withdrawn: bool
    """By the source; the target was told."""
    delivered: int | None
    """The last revision it has taken."""
    delivered_at: datetime | None
    """When it last took something of the case."""
    pending: int
    """Events still on their way to it, or waiting for a person."""
    skipped: int
    """Events a person has skipped."""


def meant_for(
    conn: Connection, name: str, settings: TargetSettings, *, since: datetime | None, after: Cursor | None,
    limit: int = PAGE,
) -> tuple[list[Meant], Cursor | None]:  # fmt: skip
    """A page of what the target should have, changed since, oldest change first; and where the next page begins."""
    sent = exists().where(delivery.c.case_id == cases.c.case_id, delivery.c.target == name)
    wanted = select(cases).where(sent).order_by(cases.c.updated_at, cases.c.case_id).limit(limit)
    if since is not None:
        wanted = wanted.where(cases.c.updated_at >= since)
    if after is not None:
        wanted = wanted.where(tuple_(cases.c.updated_at, cases.c.case_id) > (after.updated_at, after.case_id))
    rows = conn.execute(wanted).all()
    told = _told(conn, name, [row.case_id for row in rows])
    found = [
        Meant(
            row.case_id,
            row.case_no,
            view,
            row.restricted,
            row.revision,
            row.updated_at,
            row.withdrawn,
            *told[row.case_id],
        )
        for row in rows
        if (view := right_of(settings, row.channel, restricted=row.restricted)) is not None
    ]
    last = Cursor(rows[-1].updated_at, rows[-1].case_id) if len(rows) == limit else None
    return found, last


def all_meant_for(conn: Connection, name: str, settings: TargetSettings, *, since: datetime | None) -> Iterator[Meant]:
    """Every page."""
    after: Cursor | None = None
    while True:
        found, after = meant_for(conn, name, settings, since=since, after=after)
        yield from found
        if after is None:
            return


def meant_among(conn: Connection, name: str, settings: TargetSettings, case_ids: Sequence[str]) -> set[str]:
    """Those of these cases that the target may have."""
    found: set[str] = set()
    sent = exists().where(delivery.c.case_id == cases.c.case_id, delivery.c.target == name)
    for start in range(0, len(case_ids), PAGE):
        some = cases.c.case_id.in_(case_ids[start : start + PAGE])
        for row in conn.execute(select(cases.c.case_id, cases.c.channel, cases.c.restricted).where(some, sent)):
            if right_of(settings, row.channel, restricted=row.restricted) is not None:
                found.add(row.case_id)
    return found


def is_meant(conn: Connection, name: str, case_id: str) -> bool:
    """Whether the target was ever sent anything of the case."""
    sent = exists().where(delivery.c.case_id == case_id, delivery.c.target == name)
    return bool(conn.execute(select(sent)).scalar_one())


def _told(
    conn: Connection, name: str, case_ids: Sequence[str]
) -> dict[str, tuple[int | None, datetime | None, int, int]]:
    """By case: the last revision delivered, when the last event was, how many are not yet, and were skipped."""
    delivered = func.max(case((delivery.c.state == "delivered", event.c.revision)))
    delivered_at = func.max(case((delivery.c.state == "delivered", delivery.c.delivered_at)))
    pending = func.count(case((delivery.c.state.in_(PENDING), 1)))
    skipped = func.count(case((delivery.c.state == "skipped", 1)))
    rows = conn.execute(
        select(delivery.c.case_id, delivered, delivered_at, pending, skipped)
        .join(event, event.c.id == delivery.c.event_id)
        .where(delivery.c.target == name, delivery.c.case_id.in_(case_ids))
        .group_by(delivery.c.case_id)
    )
    return {case_id: (revision, at, count, passed) for case_id, revision, at, count, passed in rows}

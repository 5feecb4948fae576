"""A channel's row: its cursor, and whether its door is open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from adapters.base import Cursor
from adapters.start import MADE
from store.pulling_back import pull_back
from store.schema import channel
from store.upsert import insert_into

NEW, OPEN, UNAVAILABLE, REFUSED, PAUSED = "new", "open", "unavailable", "refused", "paused"


class DoorLost(Exception):
    """Another process keeps this channel's door now: what this one did there must not be written."""


def enrol(conn: Connection, name: str, start_from: datetime, now: datetime) -> None:
    """Make the channel's row at first sight: from then on its `start_from` stands, whenever the door first opens.

    Unless that lies in the future and nothing was read yet: then a mistake may still be mended.
    """
    row = {"name": name, "start_from": start_from, "enrolled_at": now, "state": NEW, "since": now}
    row |= {"failures": 0, "skipped": 0}
    conn.execute(insert_into(conn, channel).values(row).on_conflict_do_nothing())
    unread = update(channel).where(channel.c.name == name, channel.c.cursor.is_(None), channel.c.start_from > now)
    conn.execute(unread.where(channel.c.start_from > start_from).values(start_from=start_from))


def begin_anew(conn: Connection, name: str, start_from: datetime, now: datetime) -> None:
    """A door that was first seen by a clock which showed a time before the program was made, and that was not read yet,
    is first seen now.
    """
    if now < MADE:
        return
    unread = channel.c.cursor.is_(None) & (channel.c.enrolled_at < MADE)
    here = update(channel).where(channel.c.name == name, unread)
    conn.execute(here.values(enrolled_at=now, start_from=start_from, since=now))


def set_back(conn: Connection, by: timedelta, now: datetime) -> None:
    """The clock was set back to `now`: doors first seen by the wrong time are read from when they really were."""
    for row in conn.execute(select(channel).where(channel.c.enrolled_at > now, channel.c.start_from > now)).all():
        values = {"enrolled_at": row.enrolled_at - by, "start_from": row.start_from - by}
        conn.execute(update(channel).where(channel.c.name == row.name).values(values))


def pull_back_times(conn: Connection, by: timedelta, now: datetime) -> None:
    """As `set_back`, of what alarms go by: how long a door is as it is, and when it answered."""
    noted = ("since", "last_poll_at", "last_success_at", "last_new_at", "enrolled_at")
    pull_back(conn, channel, noted, by, now)


def state(conn: Connection, name: str) -> Row[Any]:
    """The channel's row."""
    return conn.execute(select(channel).where(channel.c.name == name)).one()


def moved(conn: Connection, name: str, cursor: Cursor, skipped: int, *, new: bool, now: datetime) -> None:
    """Store how far the channel has been read."""
    values: dict[str, object] = {"cursor": dict(cursor)}
    if skipped:
        values["skipped"] = channel.c.skipped + skipped
    if new:
        values["last_new_at"] = now
    conn.execute(update(channel).where(channel.c.name == name).values(values))


def answered(conn: Connection, name: str, now: datetime) -> bool:
    """A poll went through; True when the door was shut before. One that was paused meanwhile stays so."""
    before = conn.execute(_held(name)).one().state
    values: dict[str, object] = {"last_poll_at": now, "last_success_at": now}
    if before != PAUSED:
        values |= {"failures": 0, "error": None}
    if before not in (OPEN, PAUSED):
        values |= {"state": OPEN, "since": now}
    conn.execute(update(channel).where(channel.c.name == name).values(values))
    return before not in (OPEN, NEW, PAUSED)


def failed(
    conn: Connection, name: str, state: str, error: str, now: datetime, *, reached_end: bool = False
) -> tuple[int, bool]:
    """A poll failed: how many times in a row by now, and whether that is news. A paused door's is none.

    One that reached its end, something left out, is the first in a row; one that did not after it is news.
    """
    row = conn.execute(_held(name)).one()
    if row.state == PAUSED:
        conn.execute(update(channel).where(channel.c.name == name).values(last_poll_at=now))
        return int(row.failures), False
    before = row.last_success_at is not None and row.last_success_at == row.last_poll_at  # its visit reached the end
    failures, news = 1 if reached_end else row.failures + 1, row.state != state or (before and not reached_end)
    values: dict[str, object] = {"last_poll_at": now, "failures": failures, "error": error}
    if reached_end:
        values["last_success_at"] = now
    if news:
        values |= {"state": state, "since": now}
    conn.execute(update(channel).where(channel.c.name == name).values(values))
    return failures, news


def pause(conn: Connection, name: str, reason: str, by: str, now: datetime) -> bool:
    """Leave its source alone until it is resumed; False: it is paused already."""
    values = {"state": PAUSED, "since": now, "error": reason, "failures": 0, "paused_by": by}
    paused = update(channel).where(channel.c.name == name, channel.c.state != PAUSED)
    return bool(conn.execute(paused.values(values)).rowcount)


def resume(conn: Connection, name: str, now: datetime) -> bool:
    """Poll it again, from where it was left; False: it is not paused."""
    values = {"state": NEW, "since": now, "error": None, "paused_by": None}
    resumed = update(channel).where(channel.c.name == name, channel.c.state == PAUSED)
    return bool(conn.execute(resumed.values(values)).rowcount)


def lane(name: str) -> str:
    """Rung when a person has resumed the door; no rows lie in it."""
    return f"door:{name}"


def resumed_at(conn: Connection, name: str) -> datetime | None:
    """Since when the door waits for its first visit, or the first since it was resumed; None: it was visited."""
    wanted = select(channel.c.since).where(channel.c.name == name, channel.c.state == NEW)
    found: datetime | None = conn.execute(wanted).scalar_one_or_none()
    return found


def is_paused(conn: Connection, name: str) -> bool:
    """Whether its source is to be left alone."""
    found = conn.execute(select(channel.c.state).where(channel.c.name == name)).scalar_one_or_none()
    return bool(found == PAUSED)


def take(conn: Connection, name: str, start_from: datetime, *, now: datetime, lease: timedelta) -> int | None:
    """Keep the channel's door for the length of the lease: the fence to show from now on; None: another keeps it."""
    enrol(conn, name, start_from, now)
    free = (channel.c.kept_until <= now) | channel.c.kept_until.is_(None)
    taking = update(channel).where(channel.c.name == name, free)
    fence: int | None = conn.execute(
        taking.values(kept_until=now + lease, fence=channel.c.fence + 1).returning(channel.c.fence)
    ).scalar_one_or_none()
    return fence


def confirm(conn: Connection, name: str, fence: int) -> None:
    """Nobody takes the door before this transaction ends. Raises DoorLost: somebody has already."""
    current = conn.execute(select(channel.c.fence).where(channel.c.name == name).with_for_update()).scalar_one()
    if current != fence:
        raise DoorLost(f"channel {name}: its door is kept by another process, {current - fence} takings later")


def renew(conn: Connection, name: str, until: datetime) -> None:
    """Keep the door, confirmed to be ours, until then."""
    conn.execute(update(channel).where(channel.c.name == name).values(kept_until=until))


def _held(name: str) -> Select[Any]:
    """Its state, which nobody else changes before this transaction ends."""
    return select(channel).where(channel.c.name == name).with_for_update()

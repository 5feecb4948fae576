"""Looks at the installation, compares with what was told, and has the difference told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, Row, delete, func, select, update

from ingest.alarms.conditions import LOCAL, SLOW, Condition
from ingest.alarms.settings import AlarmSettings
from ingest.alarms.sinks import Message
from ingest.catalogue import Words
from ingest.inbox import LETTER_LANE
from ingest.sayings.rewording import rewording
from store import ledger
from store.pulling_back import pull_back
from store.schema import alarm
from store.schema import ledger as ledger_rows
from store.upsert import insert_into

log = structlog.get_logger()
DIGEST = "digest"
"""The kind of the row that remembers when the last one was told."""


def tell_lane(sink: str) -> str:
    return f"tell:{sink}"


def is_tell_lane(lane: str) -> bool:
    return lane.startswith(tell_lane(""))


@dataclass(frozen=True)
class Speaker:
    """Puts conditions into words."""

    words: Words
    service: str
    zone: ZoneInfo

    def message(self, state: str, kind: str, facts: Mapping[str, Any], since: datetime) -> Message:
        what = what_is(self.words, kind, facts)
        at = f"{since.astimezone(self.zone):%Y-%m-%d %H:%M}"
        text = self.words(state, what=what, since=at)
        return Message(kind, state, self.words("subject", service=self.service, what=text), text, at)


def what_is(words: Words, kind: str, facts: Mapping[str, Any]) -> str:
    """A condition in words; what somebody said of it as well."""
    error, lane = facts.get("error"), facts.get("lane")
    said = {"error": rewording(words.language)(error)} if isinstance(error, str) else {}
    named = {"lane": _named(words, lane)} if isinstance(lane, str) else {}
    one = f"what.{kind}_one"
    alone = one in words.entries and 1 in (facts.get(name) for name in COUNTED)
    return words(one if alone else f"what.{kind}", **{**facts, **said, **named})


COUNTED = ("count", "hours", "days", "minutes")
"""What a condition counts."""


def _named(words: Words, lane: str) -> str:
    """The steps of a lane by what they do, and for whom."""
    if lane == LETTER_LANE:
        return words.label("lane", lane)
    act, _, whom = lane.partition(":")
    return f"{words.label('lane', act)} {whom}".rstrip()


def compare(
    conn: Connection,
    found: Sequence[Condition],
    settings: AlarmSettings,
    speaker: Speaker,
    now: datetime,
    machine: str | None = None,
    *,
    watches: bool = True,
) -> list[tuple[str, str]]:
    """Within one transaction: note what began, lasts and is over, and put what is to be told in line; (state, key) of
    each change. Of several processes that look at once, one tells; what another `machine` saw of itself is over when
    that one says so, or has not repeated it for long. Who does not `watch` for all compares what he sees of himself.
    """
    found = [one for one in found if watches or one.kind in LOCAL]
    known = {row.key: row for row in conn.execute(select(alarm).where(alarm.c.kind != DIGEST))}
    changed = [
        ("raised", one.key) for one in found if one.key not in known and _raise(conn, one, settings, speaker, now)
    ]
    for one in found:
        if one.key in known:
            _last(conn, known[one.key], one, settings, speaker, now)
    here = {one.key for one in found}
    ours = [row for row in known.values() if not _is_anothers(row, machine, settings, now, watches=watches)]
    over = [row for row in ours if row.key not in here]
    gone = [row for row in over if _end(conn, row, settings, speaker, now)]
    return changed + [("over", row.key) for row in gone]


def tell(conn: Connection, sinks: Sequence[str], message: Message, key: str, now: datetime) -> None:
    """Put a message in line for each of these."""
    for sink in sinks:
        ledger.enqueue(conn, tell_lane(sink), {"message": asdict(message)}, key=key, now=now)


def drop(conn: Connection, lanes: Sequence[str], before: datetime) -> None:
    """What was put in line in these lanes before that is told to nobody any more."""
    waited = select(ledger_rows.c.id).where(ledger_rows.c.lane.in_(lanes), ledger_rows.c.created_at <= before)
    ledger.discard(conn, conn.execute(waited).scalars().all())


def set_back(conn: Connection, by: timedelta, now: datetime) -> None:
    """The clock of SQLite's one process was set back to `now`: what lasts is told again when it was to be."""
    pull_back(conn, alarm, ("since", "told_at"), by, now)


@dataclass(frozen=True)
class Standing:
    """An alarm that lasts."""

    kind: str
    facts: Mapping[str, Any]
    since: datetime


def standing(conn: Connection) -> list[Standing]:
    """The alarms that last, the oldest first."""
    wanted = select(alarm).where(alarm.c.kind != DIGEST).order_by(alarm.c.since, alarm.c.key)
    return [Standing(row.kind, row.facts, row.since) for row in conn.execute(wanted)]


def lasting(conn: Connection) -> dict[str, int]:
    """How many alarms last, by kind."""
    counted = select(alarm.c.kind, func.count().label("number")).where(alarm.c.kind != DIGEST)
    return {row.kind: row.number for row in conn.execute(counted.group_by(alarm.c.kind))}


def _is_anothers(row: Row[Any], machine: str | None, settings: AlarmSettings, now: datetime, *, watches: bool) -> bool:
    if row.kind not in LOCAL:
        return not watches
    if machine is None or row.key.endswith(f"@{machine}"):
        return False
    return bool(now - row.told_at <= 2 * _repeat(row.kind, settings))


def _repeat(kind: str, settings: AlarmSettings) -> timedelta:
    return max(settings.repeat, timedelta(days=1)) if kind in SLOW else settings.repeat


def _raise(conn: Connection, one: Condition, settings: AlarmSettings, speaker: Speaker, now: datetime) -> bool:
    row = {"key": one.key, "kind": one.kind, "facts": dict(one.facts), "since": now, "told_at": now}
    made = insert_into(conn, alarm).values(row).on_conflict_do_nothing().returning(alarm.c.key)
    if conn.execute(made).first() is None:
        return False
    tell(conn, list(settings.sinks), speaker.message("raised", one.kind, one.facts, now), one.key, now)
    return True


def _last(
    conn: Connection, row: Row[Any], one: Condition, settings: AlarmSettings, speaker: Speaker, now: datetime
) -> None:
    if now - row.told_at < _repeat(row.kind, settings):
        return
    again = update(alarm).where(alarm.c.key == row.key, alarm.c.told_at == row.told_at)
    if conn.execute(again.values(told_at=now, facts=dict(one.facts))).rowcount != 1:
        return
    message = speaker.message("still", one.kind, one.facts, row.since)
    tell(conn, [sink for sink in settings.sinks if not _in_line(conn, sink, row.key)], message, row.key, now)


def _end(conn: Connection, row: Row[Any], settings: AlarmSettings, speaker: Speaker, now: datetime) -> bool:
    if conn.execute(delete(alarm).where(alarm.c.key == row.key)).rowcount != 1:
        return False
    tell(conn, list(settings.sinks), speaker.message("over", row.kind, row.facts, row.since), row.key, now)
    return True


def _in_line(conn: Connection, sink: str, key: str) -> bool:
    """Whether something of this alarm still waits to be told: who cannot be reached is not told the same ten times."""
    waits = select(ledger_rows.c.id).where(ledger_rows.c.lane == tell_lane(sink), ledger_rows.c.key == key)
    return conn.execute(waits.limit(1)).first() is not None

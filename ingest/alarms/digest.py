"""The clerk's summary of a working day: counts and numbers of cases, nothing of what they say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, func, select

from dispatch.addressees import addressees
from ingest.alarms.sinks import Message
from ingest.alarms.watch import Speaker, lasting
from store.schema import RUNNING, cases, delivery, raw

NAMED = 20
"""So many case numbers are listed."""


@dataclass(frozen=True)
class Day:
    """What there was and is to do."""

    since: datetime
    """When the summary before this one was told."""
    came: dict[str, int]
    """New cases by channel since then, each in one summary."""
    due_today: list[str]
    overdue: list[str]
    review: int
    quarantined: int
    for_a_person: int
    alarms: int


def look_back(conn: Connection, zone: ZoneInfo, since: datetime, now: datetime) -> Day:
    """The figures, with what came `since`; restricted cases count, and are named by number only, like all."""
    begins = datetime.combine(now.astimezone(zone).date(), time(), zone)
    came = (  # what has come since was not written before: the time of writing has an index
        select(cases.c.channel, func.count().label("number"))
        .where(cases.c.updated_at >= since, cases.c.ingested_at >= since, cases.c.ingested_at < now)
        .group_by(cases.c.channel)
    )
    # with the targets said, by which they are found
    waits = delivery.c.target.in_(addressees(conn)) & delivery.c.state.in_(("rejected", "unknown"))
    return Day(
        since=since,
        came={row.channel: row.number for row in conn.execute(came)},
        due_today=_numbers(conn, cases.c.next_due_at.between(now, begins + timedelta(days=1))),
        overdue=_numbers(conn, cases.c.next_due_at < now),
        review=conn.execute(select(func.count()).where(cases.c.needs_review)).scalar_one(),
        quarantined=conn.execute(select(func.count()).where(raw.c.state == "quarantined")).scalar_one(),
        for_a_person=conn.execute(select(func.count()).where(waits)).scalar_one(),
        alarms=sum(lasting(conn).values()),
    )


def digest(day: Day, speaker: Speaker, now: datetime) -> Message:
    """The summary in words."""
    words, date = speaker.words, f"{now.astimezone(speaker.zone):%Y-%m-%d}"
    since = f"{day.since.astimezone(speaker.zone):%Y-%m-%d %H:%M}"
    lines = [words("digest.came", since=since, count=sum(day.came.values()))]
    lines += [words("digest.came_at", channel=name, count=count) for name, count in sorted(day.came.items())]
    lines += [
        words("digest.due_today", count=len(day.due_today), numbers=_listed(day.due_today)),
        words("digest.overdue", count=len(day.overdue), numbers=_listed(day.overdue)),
        words("digest.review", count=day.review),
        words("digest.quarantine", count=day.quarantined),
        words("digest.deliveries", count=day.for_a_person),
        words("digest.alarms", count=day.alarms),
    ]
    title = words("digest.subject", service=speaker.service, day=date)
    return Message("digest", "digest", title, "\n".join(line.rstrip() for line in lines), date)


def _numbers(conn: Connection, condition: ColumnElement[bool]) -> list[str]:
    wanted = select(cases.c.case_no).where(RUNNING, condition).order_by(cases.c.next_due_at, cases.c.case_no)
    return list(conn.execute(wanted).scalars())


def _listed(numbers: list[str]) -> str:
    return " ".join(numbers[:NAMED]) + (" …" if len(numbers) > NAMED else "")

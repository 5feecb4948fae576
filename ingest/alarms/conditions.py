"""What is amiss, by what was seen: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from ingest.alarms.settings import AlarmSettings
from normalize.calendar import WorkCalendar
from normalize.dates import CHINA

LOCAL = frozenset(
    {
        "configuration", "calendar", "calendar_file", "disk", "certificate", "certificate_unusable", "depot",
        "backup", "backup_none", "hanging",
    }
)  # fmt: skip
"""Kinds that a machine sees of itself; of several machines one sees all others."""

SLOW = frozenset(
    {
        "calendar", "certificate", "certificate_unusable", "nothing_new", "backup", "backup_none", "target_disabled",
        "standby",
    }
)  # fmt: skip
"""Kinds that no hour changes: told again once a day."""


@dataclass(frozen=True)
class DoorSeen:
    name: str
    state: str
    since: datetime
    error: str | None
    last_success_at: datetime | None
    last_new_at: datetime | None
    begun_at: datetime
    """When the door was first configured: before it nothing could come."""
    answer_due: datetime | None = None
    """By when it has answered again, by its own schedule, if all is well; none: not known."""


@dataclass(frozen=True)
class TargetSeen:
    name: str
    state: str
    since: datetime
    error: str | None
    for_a_person: int
    """Deliveries rejected, or of unknown fate."""
    owed: int = 0
    """Of one that is sent nothing (state `disabled` or `removed`): deliveries that have not come to an end."""
    oldest: datetime | None = None
    """Since when the first of them is due."""
    disputed: bool = False
    """Of one that is `removed`: other hosts go by another configuration, which may have it."""


@dataclass(frozen=True)
class DepotSeen:
    """The place of large originals while it cannot be used."""

    place: str
    since: datetime
    error: str


@dataclass(frozen=True)
class BackupsSeen:
    """The folder where backups should be."""

    folder: str
    newest: datetime | None
    """When the latest was made; None: there is none, or the folder cannot be looked at."""


@dataclass(frozen=True)
class Seen:
    """The installation at one moment."""

    doors: Sequence[DoorSeen] = ()
    targets: Sequence[TargetSeen] = ()
    quarantined: int = 0
    held: int = 0
    given_up: int = 0
    """Steps laid aside, beside deliveries."""
    history_cut: bool = False
    """Links of the history were taken out."""
    standby_missed: bool = False
    """The database should have a standby, and what is committed is on one machine."""
    oldest: Mapping[str, datetime] = field(default_factory=dict)
    """By lane that is worked on: since when its oldest step is due."""
    unheard: Sequence[str] = ()
    """Lanes of sinks that are gone."""
    disk_free: Mapping[str, float] = field(default_factory=dict)
    """By place: the free share, in percent."""
    certificates: Mapping[str, datetime] = field(default_factory=dict)
    """By file: when it ends."""
    unusable_certificates: Sequence[str] = ()
    configuration: str | None = None
    """Why the file as it stands is not in force."""
    calendar_file: str | None = None
    """Why the year file as it stands is not in force."""
    depot: DepotSeen | None = None
    backups: BackupsSeen | None = None
    hanging: str | None = None
    """A place on a disk or share that does not answer."""


@dataclass(frozen=True)
class Condition:
    """Something that is amiss: `key` names it as long as it lasts, `kind` and `facts` say it in words."""

    key: str
    kind: str
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def on(self, machine: str | None) -> Condition:
        """Where several machines watch one database: what only one of them sees is that one's."""
        return self if machine is None or self.kind not in LOCAL else replace(self, key=f"{self.key}@{machine}")


def conditions(seen: Seen, settings: AlarmSettings, calendar: WorkCalendar, now: datetime) -> list[Condition]:
    """All that is amiss now, each once."""
    found = [*_doors(seen, settings, calendar, now), *_targets(seen, settings, now), *_counts(seen)]
    return [*found, *_waiting(seen, settings, now), *_machine(seen, settings, calendar, now)]


def _doors(seen: Seen, settings: AlarmSettings, calendar: WorkCalendar, now: datetime) -> Iterator[Condition]:
    for door in seen.doors:
        facts: dict[str, str | int] = {"name": door.name, "error": door.error or ""}
        lasted = now - door.since
        answered = door.last_success_at or door.begun_at
        if door.state == "paused":  # by a person: nothing else of it is news
            yield Condition(f"door_paused:{door.name}", "door_paused", facts)
            continue
        if door.state == "refused":
            yield Condition(f"door_refused:{door.name}", "door_refused", facts)
        elif door.state == "unavailable" and lasted >= settings.door_down:
            yield Condition(f"door_down:{door.name}", "door_down", facts)
        elif now - answered >= settings.no_success and (door.answer_due is None or now > door.answer_due):
            hours = (now - answered) // timedelta(hours=1)
            yield Condition(f"door_silent:{door.name}", "door_silent", {"name": door.name, "hours": hours})
        came = (door.last_new_at or door.begun_at).astimezone(CHINA).date()
        days = _workdays_between(came, now.astimezone(CHINA).date(), calendar)
        if settings.nothing_new and days > settings.nothing_new:
            yield Condition(f"nothing_new:{door.name}", "nothing_new", {"name": door.name, "days": days - 1})


def _targets(seen: Seen, settings: AlarmSettings, now: datetime) -> Iterator[Condition]:
    for target in seen.targets:
        facts: dict[str, str | int] = {"name": target.name, "error": target.error or ""}
        late = target.oldest is not None and now - target.oldest >= settings.waiting
        owed: dict[str, str | int] = {"name": target.name, "count": target.owed}
        if target.state == "removed":
            if target.owed and (late or not target.disputed):
                yield Condition(f"target_removed:{target.name}", "target_removed", owed)
            continue  # all that waits for a person is in that
        if target.state == "disabled" and target.owed and late:
            yield Condition(f"target_disabled:{target.name}", "target_disabled", owed)
        if target.state == "paused":
            yield Condition(f"target_paused:{target.name}", "target_paused", facts)
        elif target.state == "unavailable" and now - target.since >= settings.target_down:
            yield Condition(f"target_down:{target.name}", "target_down", facts)
        if target.for_a_person:
            waits: dict[str, str | int] = {"name": target.name, "count": target.for_a_person}
            yield Condition(f"deliveries:{target.name}", "deliveries", waits)


def _counts(seen: Seen) -> Iterator[Condition]:
    for kind, count in (("quarantine", seen.quarantined), ("held", seen.held), ("given_up", seen.given_up)):
        if count:
            yield Condition(kind, kind, {"count": count})
    if seen.history_cut:
        yield Condition("history_cut", "history_cut")
    if seen.standby_missed:
        yield Condition("standby", "standby")
    if seen.configuration is not None:
        yield Condition("configuration", "configuration", {"error": seen.configuration})
    if seen.calendar_file is not None:
        yield Condition("calendar_file", "calendar_file", {"error": seen.calendar_file})


def _waiting(seen: Seen, settings: AlarmSettings, now: datetime) -> Iterator[Condition]:
    shut = {f"push:{target.name}" for target in seen.targets if target.state != "open"}
    shut |= {f"{step}:{door.name}" for door in seen.doors if door.state == "paused" for step in ("fetch", "settle")}
    opened = {f"push:{target.name}": target.since for target in seen.targets}
    for lane, due in seen.oldest.items():
        since = max(due, opened.get(lane, due))  # before that its target was down: an outage is told once
        if lane not in shut and now - since >= settings.waiting:  # why these wait is told already
            minutes = (now - due) // timedelta(minutes=1)
            yield Condition(f"waiting:{lane}", "waiting", {"lane": lane, "minutes": minutes})


def _machine(seen: Seen, settings: AlarmSettings, calendar: WorkCalendar, now: datetime) -> Iterator[Condition]:
    for place, free in seen.disk_free.items():
        if free < settings.disk_free:
            yield Condition(f"disk:{place}", "disk", {"place": place, "free": round(free)})
    for file, ends in seen.certificates.items():
        if ends - now <= settings.certificate:
            facts: dict[str, str | int] = {"file": file, "ends": f"{ends.astimezone(CHINA):%Y-%m-%d}"}
            yield Condition(f"certificate:{file}", "certificate", facts)
    if seen.depot is not None and now - seen.depot.since >= settings.store_down:
        yield Condition("depot", "depot", {"place": seen.depot.place, "error": seen.depot.error})
    yield from _backups(seen.backups, settings, now)
    if seen.hanging is not None:
        yield Condition(f"hanging:{seen.hanging}", "hanging", {"place": seen.hanging})
    for file in seen.unusable_certificates:
        yield Condition(f"certificate_unusable:{file}", "certificate_unusable", {"file": file})
    horizon = _horizon(now.astimezone(CHINA).date(), calendar)
    if datetime.combine(horizon, datetime.min.time(), CHINA) - now <= settings.calendar:
        yield Condition(f"calendar:{horizon.year}", "calendar", {"year": horizon.year})


def _backups(seen: BackupsSeen | None, settings: AlarmSettings, now: datetime) -> Iterator[Condition]:
    if seen is None:
        return
    if seen.newest is None:
        yield Condition(f"backup:{seen.folder}", "backup_none", {"folder": seen.folder})
    elif now - seen.newest >= settings.backup_age:
        made = f"{seen.newest.astimezone(CHINA):%Y-%m-%d %H:%M}"
        yield Condition(f"backup:{seen.folder}", "backup", {"folder": seen.folder, "made": made})


def _horizon(today: date, calendar: WorkCalendar) -> date:
    """The first day of whose year the official arrangement is not known."""
    year = today.year
    while calendar.knows(date(year, 1, 1)):
        year += 1
    return date(year, 1, 1)


def _workdays_between(first: date, last: date, calendar: WorkCalendar) -> int:
    """Working days after `first`, up to and with `last`; counting ends at a hundred."""
    count, day = 0, first
    while day < last and count < 100:
        day += timedelta(days=1)
        count += calendar.is_workday(day)
    return count

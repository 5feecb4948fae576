"""Whether a target may be sent anything now: a row of its own, so that an outage touches one row and not every event.

`open`: as many as it takes. `unavailable`: nothing until `retry_at`, then one event as a probe (of all processes one
sends it); if that arrives the target is open again. `paused`: nothing until a person resumes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update

from dispatch.retry import RetrySettings, delay
from dispatch.settings import RateSettings
from store.pulling_back import pull_back
from store.schema import target
from store.upsert import insert_into

OPEN, UNAVAILABLE, PAUSED = "open", "unavailable", "paused"
SHORTEST_WAIT = timedelta(seconds=1)
"""A receiver that asks for no wait at all is not asked at once again; who goes on so is left alone ever longer."""
PACE = timedelta(milliseconds=100)
"""With a rate, so much of it may go at once."""


@dataclass(frozen=True)
class Admission:
    """How many events may be claimed for a target now."""

    state: str
    limit: int
    probe: bool = False
    """It is asked whether it answers again."""
    again_at: datetime | None = None
    """When to ask next, if the limit is 0 and nobody rings before."""


def admit(conn: Connection, name: str, rate: RateSettings | None, *, room: int, now: datetime) -> Admission:
    """What may be claimed in this transaction; what then is claimed must be told by `note_claimed`."""
    row = conn.execute(_ROW, {"of": name}).one_or_none()
    if row is None:
        _enrol(conn, name, now)
    elif row.state == PAUSED:
        return Admission(PAUSED, 0)
    elif row.retry_at is not None and row.retry_at > now:
        return Admission(row.state, 0, again_at=row.retry_at)
    elif row.state == UNAVAILABLE:
        return _probing(conn, name, now)
    return Admission(OPEN, room) if rate is None else _paced(conn, name, rate, room, now)


def note_claimed(
    conn: Connection, name: str, rate: RateSettings | None, admission: Admission, claimed: int,
    *, now: datetime, patience: timedelta,
) -> None:  # fmt: skip
    """Charge what was claimed; `patience`: how long a probe may take before another process sends one."""
    values: dict[str, object] = {}
    if admission.probe:
        values["retry_at"] = now + patience
    elif rate is not None:
        free_at = conn.execute(_ROW, {"of": name}).one().free_at
        values["free_at"] = max(free_at or now, now) + claimed * rate.interval
    if values:
        conn.execute(update(target).where(target.c.name == name).values(values))


def hand_back(conn: Connection, name: str, now: datetime) -> None:
    """The probe came to nothing that says how the target is: another may follow at once."""
    waiting = (target.c.name == name) & (target.c.state == UNAVAILABLE)
    conn.execute(update(target).where(waiting).values(retry_at=now))


def note_success(conn: Connection, name: str, now: datetime, *, started: datetime, probe: bool) -> bool:
    """It took an event; whether that is news. A paused target waits for a person, not an answer.

    What was on its way already when the trouble began says nothing of now, and ends no wait the receiver asked for.
    """
    before = conn.execute(_HELD_ROW, {"of": name}).one()
    values: dict[str, object] = {"last_success_at": now}
    if before.state == UNAVAILABLE and not probe and started < before.since:
        conn.execute(update(target).where(target.c.name == name).values(values))
        return False
    if before.state != PAUSED:
        values |= {"error": None, "retry_at": None, "failures": 0}
    if before.state == UNAVAILABLE:
        values |= {"state": OPEN, "since": now}
    conn.execute(update(target).where(target.c.name == name).values(values))
    return bool(before.state == UNAVAILABLE)


def note_trouble(
    conn: Connection, name: str, retry: RetrySettings, error: str | None, wait: timedelta | None,
    *, now: datetime, chance: float, probe: bool, known: bool = False,
) -> bool:  # fmt: skip
    """It takes nothing now: leave it alone for `wait`, as it asked, else longer each time. True: it is news.

    Of what was under way when it failed only the first counts: the others tell of the same outage. `known`: it was an
    event that had failed before, which tells less of the target than of itself: the wait is shorter this time.
    """
    before = conn.execute(_HELD_ROW, {"of": name}).one()
    if before.state == PAUSED:
        return False
    failures, retry_at = before.failures, before.retry_at or now
    if wait is not None:
        if wait < SHORTEST_WAIT and (probe or before.state == OPEN):
            failures += 1
            wait = delay(failures - 1, chance, retry) if failures > 1 else wait
        retry_at = max(now + max(wait, SHORTEST_WAIT), retry_at if before.state == UNAVAILABLE and not probe else now)
    elif probe or before.state == OPEN:
        failures = max(failures - 1, 1) if known else failures + 1
        retry_at = now + delay(failures, chance, retry)
    values: dict[str, object] = {"error": error, "failures": failures, "retry_at": retry_at}
    if before.state == OPEN:
        values |= {"state": UNAVAILABLE, "since": now}
    conn.execute(update(target).where(target.c.name == name).values(values))
    return bool(before.state == OPEN)


def pause(conn: Connection, name: str, reason: str, now: datetime, by: str | None = None) -> bool:
    """Send it nothing until it is resumed; False: it is paused already. `by`: a person, not its own word (410)."""
    _enrol(conn, name, now)
    moved = update(target).where(target.c.name == name, target.c.state != PAUSED)
    values = {"state": PAUSED, "since": now, "error": reason, "retry_at": None, "paused_by": by}
    return bool(conn.execute(moved.values(values)).rowcount)


def note_gone(conn: Connection, name: str, reason: str, now: datetime, *, started: datetime) -> bool:
    """It says itself that it is gone (410): as `pause`, unless it was resumed since that was asked."""
    before = conn.execute(_HELD_ROW, {"of": name}).one()
    late = before.state == OPEN and started < before.since
    return not late and pause(conn, name, reason, now)


def resume(conn: Connection, name: str, now: datetime) -> bool:
    """Send to it again; False: it is not paused."""
    resumed = update(target).where(target.c.name == name, target.c.state == PAUSED)
    values = {"state": OPEN, "since": now, "error": None, "retry_at": None, "failures": 0, "paused_by": None}
    return bool(conn.execute(resumed.values(values)).rowcount)


def set_back(conn: Connection, by: timedelta, now: datetime) -> None:
    """The clock was set back to `now`: no target is left alone for longer than it was to be; since when it is as
    it is counts as before.
    """
    for row in conn.execute(select(target)).all():
        late = {name: max(now, at - by) for name in ("retry_at", "free_at") if (at := getattr(row, name)) and at > now}
        if late:
            conn.execute(update(target).where(target.c.name == row.name).values(late))
    pull_back(conn, target, ("since", "last_success_at"), by, now)


def next_probe(conn: Connection, name: str) -> datetime | None:
    """When one in trouble is asked next whether it answers; None: it is not in trouble."""
    row = conn.execute(_ROW, {"of": name}).one_or_none()
    return row.retry_at if row is not None and row.state == UNAVAILABLE else None


def state_of(conn: Connection, name: str) -> str | None:
    found: str | None = conn.execute(select(target.c.state).where(target.c.name == name)).scalar_one_or_none()
    return found


_ROW = select(target).where(target.c.name == bindparam("of"))
_HELD_ROW = _ROW.with_for_update()


def _enrol(conn: Connection, name: str, now: datetime) -> None:
    """Make the target's row at first sight."""
    conn.execute(insert_into(conn, target).values(name=name, state=OPEN, since=now).on_conflict_do_nothing())


def _probing(conn: Connection, name: str, now: datetime) -> Admission:
    """Of several processes the first one here; the others find its probe under way."""
    row = conn.execute(_HELD_ROW, {"of": name}).one()
    if row.state != UNAVAILABLE or (row.retry_at is not None and row.retry_at > now):
        return Admission(row.state, 0, again_at=row.retry_at or now)
    return Admission(UNAVAILABLE, 1, probe=True)


def _paced(conn: Connection, name: str, rate: RateSettings, room: int, now: datetime) -> Admission:
    """Evenly spaced over all processes: the row is held until what is claimed was charged."""
    row = conn.execute(_HELD_ROW, {"of": name}).one()
    free_at: datetime = max(row.free_at or now, now)
    limit = (now + PACE - free_at) // rate.interval + 1 if free_at <= now + PACE else 0
    return Admission(OPEN, min(room, limit), again_at=free_at - PACE)

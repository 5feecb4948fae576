"""The loop that watches: every minute it looks, has told what changed, and once a working day the summary."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DBAPIError

from ingest.alarms.blackout import Blackout
from ingest.alarms.conditions import Condition, DepotSeen, Seen, conditions
from ingest.alarms.digest import Day, digest, look_back
from ingest.alarms.looking import AnswerBy, Places, Surroundings, look
from ingest.alarms.settings import AlarmSettings, DigestSettings
from ingest.alarms.sinks import Message, Teller, Untold
from ingest.alarms.watch import DIGEST, Speaker, compare, drop, tell
from ingest.almanac import Almanac
from store import duties, ledger
from store.beats import beat, rest
from store.engine import Store, StoreUnreachable
from store.failure import is_passing, place_of
from store.ledger import Claim
from store.schema import alarm
from store.upsert import insert_into

log = structlog.get_logger()
BEAT = timedelta(minutes=1)
LONGEST_LOOK = timedelta(minutes=1)
LOOKS_AT_ONCE = timedelta(seconds=20)
"""After a start doors have so long to open before they are judged."""
FIRST_LOOK_BACK = timedelta(days=1)
"""What came before counts in no summary."""
LEASE = timedelta(minutes=3)
"""After so long another host sees for all when the one that did is gone."""
UNHEARD = timedelta(hours=1)
"""So long what is put in line for a sink that we do not know may be for one that other hosts know already."""
TRIES = 5
"""A message over which we fail ourselves, for no reason of the sink's, is tried so often."""


@dataclass
class AlarmKeeper:
    """Watches one installation."""

    store: Store
    settings: AlarmSettings
    places: Places
    speaker: Speaker
    almanac: Almanac
    clock: Callable[[], datetime]
    blackout: Blackout | None = None
    configuration: Callable[[], str | None] = lambda: None
    """Why the files as they stand are not in force."""
    depot: Callable[[], DepotSeen | None] = lambda: None
    answer_by: AnswerBy = lambda _name, _last: None
    machine: str | None = None
    """Ours, where others watch the same database."""
    agreed: Callable[[Connection, datetime], bool] = lambda _conn, _now: True
    """Whether no other host goes by another configuration."""
    surroundings: Surroundings = field(default_factory=Surroundings)

    async def run(self, stopping: asyncio.Event) -> None:
        await rest(stopping, LOOKS_AT_ONCE)
        while not stopping.is_set():
            try:
                async with asyncio.timeout(LONGEST_LOOK.total_seconds()):  # writing waits for a database that is gone
                    await self.look()
                if self.blackout is not None:
                    await self.blackout.is_over()
            except Exception as error:  # noqa: BLE001 - an outer loop: a failed look must not end the daemon
                await self._blind(error)
            await beat(stopping, BEAT)

    async def _blind(self, error: Exception) -> None:
        if not isinstance(error, StoreUnreachable | TimeoutError):  # which the store has said
            log.error("alarms cannot be watched", error=place_of(error))
        if self.blackout is not None and is_passing(error):
            await self.blackout.lasts(_said(error))

    async def look(self) -> None:
        """Look once, and have told what changed."""
        now, store = self.clock(), self.store
        rows = await store.read(lambda conn: self._rows(conn, now))
        around = await self.surroundings.beside(rows, self.places)
        seen = replace(
            around, configuration=self.configuration(), calendar_file=self.almanac.said(), depot=self.depot()
        )
        if self.machine is not None and seen.backups is not None and seen.backups.newest is None:
            seen = replace(seen, backups=None)  # of several hosts one makes the backups
        found = [one.on(self.machine) for one in conditions(seen, self.settings, self.almanac.calendar, now)]
        for state, key in await store.write(lambda conn: self._compare(conn, seen.unheard, found, now)):
            log.warning("alarm", state=state, alarm=key)
        if self.settings.digest is not None and self._is_time(self.settings.digest, now):
            await self._tell_digest(self.settings.digest, now)

    def _rows(self, conn: Connection, now: datetime) -> Seen:
        disputed = not self.agreed(conn, now)
        return look(conn, self.places, self.store.sealer, self.answer_by, now, disputed=disputed)

    def _compare(
        self, conn: Connection, unheard: Sequence[str], found: Sequence[Condition], now: datetime
    ) -> list[tuple[str, str]]:
        """What is the installation's only as one host sees it: two may go by different files and count differently."""
        machine = self.machine
        watches = machine is None or duties.take(conn, "alarms", machine, now=now, lease=LEASE)
        if unheard and watches:
            drop(conn, unheard, now if machine is None else now - UNHEARD)
        return compare(conn, found, self.settings, self.speaker, now, machine, watches=watches)

    def _is_time(self, settings: DigestSettings, now: datetime) -> bool:
        local = now.astimezone(self.speaker.zone)
        return self.almanac.calendar.is_workday(local.date()) and local.time() >= settings.at

    async def _tell_digest(self, settings: DigestSettings, now: datetime) -> None:
        """Once a day, whichever process comes first; what came since the last one, over weekends and holidays."""
        day = f"{now.astimezone(self.speaker.zone):%Y-%m-%d}"
        found = await self.store.read(lambda conn: self._look_back(conn, day, now))
        if found is None:
            return
        message = digest(found, self.speaker, now)

        def say(conn: Connection) -> None:
            if _is_first(conn, day, now):
                tell(conn, settings.sinks, message, f"{DIGEST}:{day}", now)

        await self.store.write(say)

    def _look_back(self, conn: Connection, day: str, now: datetime) -> Day | None:
        """None: it was told today."""
        last = conn.execute(select(alarm.c.told_at, alarm.c.facts).where(alarm.c.key == DIGEST)).first()
        if last is not None and last.facts["day"] == day:
            return None
        return look_back(conn, self.speaker.zone, now - FIRST_LOOK_BACK if last is None else last.told_at, now)


def _is_first(conn: Connection, day: str, now: datetime) -> bool:
    """Whether nobody has told the summary of this day; from now on somebody has."""
    row = {"key": DIGEST, "kind": DIGEST, "facts": {"day": day}, "since": now, "told_at": now}
    made = insert_into(conn, alarm).values(row).on_conflict_do_nothing().returning(alarm.c.key)
    if conn.execute(made).first() is not None:
        return True
    again = update(alarm).where(alarm.c.key == DIGEST, alarm.c.facts["day"].as_string() != day)
    return conn.execute(again.values(facts={"day": day}, told_at=now)).rowcount == 1


@dataclass(frozen=True)
class Telling:
    """Works off what is to be told through one sink; what cannot be told is tried again, later and later. What we
    cannot even say is let go of in the end: what follows of its alarm must not wait behind it for ever.
    """

    store: Store
    sink: str
    teller: Teller
    clock: Callable[[], datetime]

    async def work(self, claims: Sequence[Claim]) -> None:
        for held in claims:
            try:
                await self.teller.tell(Message(**held.payload["message"]), self.clock())
            except Untold as error:
                log.warning("alarm cannot be told", sink=self.sink, alarm=held.key, error=str(error))
                await self._later(held, str(error))
            except Exception as error:  # noqa: BLE001 - whatever is odd about one message, the others are told
                log.error("alarm cannot be said", sink=self.sink, alarm=held.key, error=place_of(error))
                await (self._later(held, place_of(error)) if held.attempts < TRIES else self._ended(held))
            else:
                await self._ended(held)

    async def _later(self, held: Claim, reason: str) -> None:
        due = self.clock() + min(timedelta(seconds=30) * 2 ** min(held.attempts, 8), timedelta(hours=1))
        await self.store.write(lambda conn: ledger.postpone(conn, held, due=due, reason=reason))

    async def _ended(self, held: Claim) -> None:
        await self.store.write(lambda conn: ledger.done(conn, held))


def _said(error: Exception) -> str:
    """What the database says of itself: SQLite's words of an operation, unlike those of a statement, quote no row."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    ours = isinstance(cause, StoreUnreachable | sqlite3.OperationalError)
    return str(cause) if ours else type(cause).__name__

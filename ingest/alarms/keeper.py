"""The loop that watches: every minute it looks, has told what changed, and once a working day the summary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, update

from ingest.alarms.conditions import Seen, conditions
from ingest.alarms.digest import digest, look_back
from ingest.alarms.looking import Places, look, look_around
from ingest.alarms.settings import AlarmSettings, DigestSettings
from ingest.alarms.sinks import Message, Teller, Untold
from ingest.alarms.watch import DIGEST, Speaker, compare, tell
from ingest.almanac import Almanac
from store import ledger
from store.engine import Store, StoreUnreachable
from store.failure import place_of
from store.ledger import Claim
from store.schema import alarm
from store.upsert import insert_into

log = structlog.get_logger()
BEAT = timedelta(minutes=1)
LOOKS_AT_ONCE = timedelta(seconds=20)
"""After a start doors have so long to open before they are judged."""


@dataclass
class AlarmKeeper:
    """Watches one installation."""

    store: Store
    settings: AlarmSettings
    places: Places
    speaker: Speaker
    almanac: Almanac
    clock: Callable[[], datetime]
    configuration: Callable[[], str | None] = field(default=lambda: None)

    async def run(self, stopping: asyncio.Event) -> None:
        await _wait(stopping, LOOKS_AT_ONCE)
        while not stopping.is_set():
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - an outer loop: a failed look must not end the daemon
                if not isinstance(error, StoreUnreachable):  # which the store has said
                    log.error("alarms cannot be watched", error=place_of(error))
            await _wait(stopping, BEAT)

    async def look(self) -> None:
        """Look once, and have told what changed."""
        now, store = self.clock(), self.store
        rows = await store.read(lambda conn: look(conn, self.places))
        seen: Seen = await asyncio.to_thread(look_around, rows, self.places, self.configuration(), self.almanac.error)
        found = conditions(seen, self.settings, self.almanac.calendar, now)
        for state, key in await store.write(lambda conn: compare(conn, found, self.settings, self.speaker, now)):
            log.warning("alarm", state=state, alarm=key)
        if self.settings.digest is not None and self._is_time(self.settings.digest, now):
            await store.write(lambda conn: self._tell_digest(conn, self.settings.digest, now))

    def _is_time(self, settings: DigestSettings, now: datetime) -> bool:
        local = now.astimezone(self.speaker.zone)
        return self.almanac.calendar.is_workday(local.date()) and local.time() >= settings.at

    def _tell_digest(self, conn: Connection, settings: DigestSettings | None, now: datetime) -> None:
        """Once a day, whichever process comes first."""
        day = f"{now.astimezone(self.speaker.zone):%Y-%m-%d}"
        row = {"key": DIGEST, "kind": DIGEST, "facts": {"day": day}, "since": now, "told_at": now}
        made = insert_into(conn, alarm).values(row).on_conflict_do_nothing().returning(alarm.c.key)
        fresh = conn.execute(made).first() is not None
        again = update(alarm).where(alarm.c.key == DIGEST, alarm.c.facts["day"].as_string() != day)
        if settings is not None and (fresh or conn.execute(again.values(facts={"day": day}, told_at=now)).rowcount):
            message = digest(look_back(conn, self.speaker.zone, now), self.speaker, now)
            tell(conn, settings.sinks, message, f"{DIGEST}:{day}", now)


@dataclass(frozen=True)
class Telling:
    """Works off what is to be told through one sink; what cannot be told is tried again, later and later."""

    store: Store
    sink: str
    teller: Teller
    clock: Callable[[], datetime]

    async def work(self, claims: Sequence[Claim]) -> None:
        for held in claims:
            message = Message(**held.payload["message"])
            try:
                await self.teller.tell(message, self.clock())
            except Untold as error:
                log.warning("alarm cannot be told", sink=self.sink, alarm=held.key, error=str(error))
                due = self.clock() + min(timedelta(seconds=30) * 2 ** min(held.attempts, 8), timedelta(hours=1))
                reason = str(error)
                await self.store.write(
                    lambda conn, held=held, due=due, reason=reason: ledger.postpone(conn, held, due=due, reason=reason)  # type: ignore[misc]
                )
            else:
                await self.store.write(lambda conn, held=held: ledger.done(conn, held))  # type: ignore[misc]


async def _wait(stopping: asyncio.Event, longest: timedelta) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(longest.total_seconds()):
            await stopping.wait()

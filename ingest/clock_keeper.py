"""Keeps the clocks: every minute the calendar's file is read, and the cases whose time has come are looked at."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from ingest.almanac import Almanac
from ingest.cases import CaseDesk
from ingest.reminding import look, look_together, waiting
from normalize.reminders import Reminder
from store import duties
from store.beats import beat, rest
from store.engine import Store, StoreFailed, StoreUnreachable
from store.failure import place_of

log = structlog.get_logger()
BEAT = timedelta(minutes=1)
LEASE = timedelta(minutes=3)
"""A process that dies has the clocks taken over after so long."""
BATCH = 20
"""Cases in one transaction: the writer is held for some fifteen milliseconds."""
LATER = timedelta(hours=1)
"""A case that cannot be looked at is left alone for so long; the others are not kept waiting."""


async def follow(almanac: Almanac, desk: CaseDesk) -> None:
    """Have the desk count by the calendar's file as it stands by now. Every process must, whoever keeps the clocks."""
    await asyncio.to_thread(almanac.look)
    calendar = almanac.calendar  # a new configuration may have named another meanwhile
    if calendar is not desk.clockwork.calendar:
        desk.clockwork = replace(desk.clockwork, calendar=calendar)


@dataclass
class ClockKeeper:
    """Keeps the clocks of one installation, unless another process does."""

    store: Store
    desk: CaseDesk
    almanac: Almanac
    clock: Callable[[], datetime]
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    """Of this process among those that could keep them."""
    _failed: dict[str, datetime] = field(default_factory=dict)

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self.round(stopping)
            except Exception as error:  # noqa: BLE001 - an outer loop: a failed round must not end the daemon
                if not isinstance(error, StoreUnreachable):  # which the store has said
                    log.error("clocks cannot be kept", error=place_of(error))
            await beat(stopping, BEAT)

    async def round(self, stopping: asyncio.Event) -> None:
        """Look at every case whose time has come, some at a time, as long as the clocks are ours to keep."""
        await follow(self.almanac, self.desk)
        now, loop = self.clock(), asyncio.get_running_loop()
        self._failed = {case_id: again for case_id, again in self._failed.items() if again > now}
        while not stopping.is_set() and await self._is_ours():
            known = tuple(self._failed)
            found = await self.store.read(
                lambda conn, known=known: waiting(conn, self.desk.clockwork, now, limit=BATCH, without=known)  # type: ignore[misc]
            )
            if not found:
                return
            began = loop.time()
            await self._look_together(found)
            await rest(stopping, timedelta(seconds=loop.time() - began))  # of many that wait: others write meanwhile

    async def _is_ours(self) -> bool:
        if self.store.exclusive:
            return True
        now, name = self.clock(), self.name
        return await self.store.write(lambda conn: duties.take(conn, "clocks", name, now=now, lease=LEASE))

    async def _look_together(self, case_ids: Sequence[str]) -> None:
        """In one transaction or, where one of them cannot be looked at, each in its own."""
        try:
            told = await self.store.write(lambda conn: look_together(conn, self.desk, case_ids, self.clock()))
        except StoreFailed:
            raise
        except Exception:  # noqa: BLE001 - which of them it is shows, and is said, when each is looked at by itself
            await asyncio.gather(*(self._look(case_id) for case_id in case_ids))
        else:
            for case_id, reminders in told.items():
                _say(case_id, reminders)

    async def _look(self, case_id: str) -> None:
        try:
            told: list[Reminder] = await self.store.write(lambda conn: look(conn, self.desk, case_id, self.clock()))
        except StoreFailed:
            raise
        except Exception as error:  # noqa: BLE001 - one case that cannot be opened must not silence the others
            self._failed[case_id] = self.clock() + LATER
            log.error("case cannot be reminded of", case_id=case_id, error=place_of(error))
            return
        _say(case_id, told)


def _say(case_id: str, told: Sequence[Reminder]) -> None:
    for one in told:
        log.info("reminded", case_id=case_id, rule=one.rule, stage=one.stage.value)

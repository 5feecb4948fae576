"""What a few events that always fail, or an OA that fails for a day, come to: by a clock that is told the time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, func, select

from dispatch import targets
from dispatch.answer import Response, judge
from dispatch.deciding import end_of, sign_of
from dispatch.parcel import pack
from dispatch.recording import Health, Recorder
from dispatch.settings import TargetSettings
from dispatch.targets import Admission
from store import ledger
from store.ledger import Claim
from store.schema import ledger as ledger_table
from tests.ingest.desk import NOW, Desk, open_desk, reading, target
from tests.place import Place

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass
class Days:
    """One event after the other as a worker would send it, with the time between them left out."""

    desk: Desk
    settings: TargetSettings
    recorder: Recorder
    status: Callable[[str], int]
    """How the OA answers to an event of this case."""
    now: datetime = NOW
    doubts: int = 0
    arrivals: list[datetime] = field(default_factory=list)
    arrived: dict[str, datetime] = field(default_factory=dict)
    asked: list[datetime] = field(default_factory=list)
    waited: list[timedelta] = field(default_factory=list)

    async def until(self, end: datetime) -> None:
        while self.now < end:
            while self.arrivals and self.arrivals[0] <= self.now:
                await self.take_in(self.arrivals.pop(0))
            self.now = min(max(await self._send() or end, self.now), *self.arrivals[:1], end)

    async def take_in(self, at: datetime) -> str:
        self.desk.now = at - MINUTE
        key = f"x:{len(self.arrived)}"
        (case_id,) = await asyncio.to_thread(self.desk.take_in, reading(key), key=key)
        self.arrived[case_id] = at
        return case_id

    @property
    def given_up(self) -> int:
        dead = select(func.count()).where(ledger_table.c.state == ledger.DEAD)
        return int(self.desk.store.read_now(lambda conn: conn.execute(dead).scalar_one()))

    async def _send(self) -> datetime | None:
        """What is due; when to look again."""
        store, settings, now = self.desk.store, self.settings, self.now
        admission, claims = await store.write(partial(self._claim, now=now))
        if not claims:
            return admission.again_at or await store.read(lambda conn: ledger.next_due(conn, "push:oa"))
        (parcel,) = await store.read(
            lambda conn: pack(conn, claims, settings, store.sealer, probe=admission.probe, latest=math.inf)
        )
        self.asked.append(now)
        answer = judge(Response(self.status(parcel.case_id), {}, b""), settings, now)
        sign = sign_of(parcel, answer, at=now, doubts=self.doubts, chance=0.5)
        assert sign is not None
        self.doubts = self.doubts + 1 if sign.health is Health.DOUBTFUL else 0
        end = end_of(parcel, answer, settings, at=now, took=timedelta(0), sign=sign, chance=0.5)
        await self.recorder.write(end, sign)
        if end.over:
            self.waited.append(now - self.arrived[parcel.case_id])
        return now

    def _claim(self, conn: Connection, now: datetime) -> tuple[Admission, list[Claim]]:
        admission = targets.admit(conn, "oa", None, room=1, now=now)
        claims = ledger.claim(conn, "push:oa", now=now, lease=MINUTE, limit=admission.limit) if admission.limit else []
        if claims:
            targets.note_claimed(conn, "oa", None, admission, len(claims), now=now, patience=MINUTE)
        return admission, claims


@asynccontextmanager
async def days(place: Place, status: Callable[[str], int]) -> AsyncIterator[Days]:
    settings = target()
    with open_desk(place, {"oa": settings}) as desk:
        recorder = Recorder("oa", settings.retry, desk.store, lambda: passing.now)
        passing = Days(desk, settings, recorder, status)
        recording = asyncio.create_task(recorder.run())
        try:
            yield passing
        finally:
            recording.cancel()
            with suppress(asyncio.CancelledError):
                await recording


@pytest.mark.parametrize("few", [1, 8])
async def test_a_few_events_that_always_fail_hold_up_no_other_of_a_quiet_target(place: Place, few: int) -> None:
    poison: set[str] = set()
    async with days(place, lambda case_id: 500 if case_id in poison else 200) as passing:
        for _ in range(few):
            poison.add(await passing.take_in(NOW))
        passing.arrivals = [NOW + 30 * number * MINUTE for number in range(2, 98)]
        await passing.until(NOW + 49 * HOUR)

        assert len(passing.waited) == 96
        assert sorted(passing.waited)[48] == timedelta(0)
        assert max(passing.waited) <= MINUTE
        assert passing.given_up == few


@pytest.mark.parametrize("waiting", [1, 5, 40])
async def test_a_target_that_fails_whatever_it_is_sent_is_asked_ever_more_rarely(place: Place, waiting: int) -> None:
    async with days(place, lambda _case: 500) as passing:
        for _ in range(waiting):
            await passing.take_in(NOW)
        await passing.until(NOW + 24 * HOUR)

        last = [at for at in passing.asked if at >= NOW + 18 * HOUR]
        assert len(last) <= 6 * min(waiting, 5) + 1
        assert passing.given_up == 0

"""The loop of one target, against a receiver over a real socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from aiohttp import web
from sqlalchemy import Connection, select
from standardwebhooks.webhooks import Webhook as Verifier

from dispatch import targets
from dispatch.retry import RetrySettings
from dispatch.settings import TargetSettings
from dispatch.targets import Admission
from dispatch.worker import TargetWorker
from normalize.reading import Signal, SignalKind
from store import ledger
from store.database_clock import uninterrupted
from store.engine import Store
from store.schema import attempt, delivery
from store.schema import ledger as ledger_table
from store.schema import target as target_table
from tests import patience
from tests.clock import utc_now
from tests.dispatch.receiver import Receiver, receiving
from tests.ingest.desk import SECRET, Desk, open_desk, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.patience import PATIENCE
from tests.place import Place

QUICK = RetrySettings(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=50))


@asynccontextmanager
async def at_work(place: Place, oa: Receiver, **more: Any) -> AsyncIterator[Desk]:
    """A desk whose only target is this receiver, with its worker running."""
    settings: TargetSettings = target(oa.url, retry=QUICK, **more)
    with open_desk(place, {"oa": settings}) as desk:
        stopping = asyncio.Event()
        worker = TargetWorker("oa", settings, desk.store, utc_now, lambda *_: None)
        task = asyncio.create_task(worker.run(stopping))
        try:
            yield desk
        finally:
            stopping.set()
            oa.gate.set()
            desk.store.wakes.ring_all()
            await asyncio.wait_for(task, PATIENCE)


async def until(desk: Desk, true: Callable[[list[tuple[str, str, str, str]]], bool]) -> None:
    """Wait for the deliveries to be so."""
    await patience.until(lambda: true(desk.deliveries()))


def all_delivered(rows: list[tuple[str, str, str, str]]) -> bool:
    return bool(rows) and all(row[3] == "delivered" for row in rows)


async def test_an_event_arrives_signed_and_is_done(place: Place) -> None:
    async with receiving() as oa, at_work(place, oa, receiver_id="id") as desk:
        await asyncio.to_thread(desk.take_in, reading())
        await until(desk, all_delivered)

        Verifier(SECRET).verify(oa.received[0].body.decode(), oa.received[0].headers)
        row = desk.store.read_now(lambda conn: conn.execute(select(delivery)).one())
        assert (row.receiver_id, row.attempts) == ("OA-1", 1)
        assert desk.store.read_now(ledger.counts) == {"read": {"ready": 1}}


async def test_every_attempt_carries_the_same_id_and_bytes(place: Place) -> None:
    async with receiving() as oa, at_work(place, oa) as desk:
        oa.replies = [lambda: web.Response(status=500), lambda: web.Response(status=502)]
        await asyncio.to_thread(desk.take_in, reading())
        await until(desk, all_delivered)

        assert len({(one.headers["webhook-id"], one.body) for one in oa.received}) == 1
        outcomes = desk.store.read_now(lambda conn: conn.execute(select(attempt.c.outcome)).scalars().all())
        assert list(outcomes) == ["doubtful", "doubtful", "delivered"]
        state = desk.store.read_now(lambda conn: conn.execute(select(target_table.c.state)).scalar_one())
        assert state == "open"


async def test_events_of_one_case_wait_for_each_other(place: Place) -> None:
    async with receiving() as oa, at_work(place, oa) as desk:
        oa.gate.clear()
        await asyncio.to_thread(desk.take_in, reading())
        await oa.count(1)
        signal = Signal(SignalKind.REMINDER, "1")
        await asyncio.to_thread(desk.take_in, reading(signals=(signal,), source_fields={"a": 1}))
        await asyncio.to_thread(desk.take_in, reading("sunshine:Y"), key="Y")
        await oa.count(2)  # the other case's event overtakes, this case's second does not
        assert [one.body.count(b"case.reminder") for one in oa.received] == [0, 0]
        oa.gate.set()
        await until(desk, all_delivered)

        assert [one.body.count(b'"case.reminder"') for one in oa.received] == [0, 0, 1]


async def test_a_rejected_event_holds_its_case_and_nothing_else(place: Place) -> None:
    async with receiving() as oa, at_work(place, oa) as desk:
        oa.replies = [lambda: web.Response(status=422, text="field xfjbh missing")]
        await asyncio.to_thread(desk.take_in, reading())
        await until(desk, lambda rows: rows[0][3] == "rejected")
        await asyncio.to_thread(desk.take_in, reading(title="第二版"))
        await asyncio.to_thread(desk.take_in, reading("sunshine:Y"), key="Y")
        await until(desk, lambda rows: rows[-1][3] == "delivered")
        assert [row[3] for row in desk.deliveries()] == ["rejected", "waiting", "delivered"]

        number = desk.store.read_now(
            lambda conn: conn.execute(select(delivery.c.id).order_by(delivery.c.id)).scalars().first()
        )
        desk.write(lambda conn: desk.desk.outbox.resend(conn, int(number or 0), utc_now()))
        await until(desk, all_delivered)

        assert [b"case.updated" in one.body for one in oa.received] == [False, False, False, True]


class Outage:
    """A store whose first write waits for a database that is gone, five minutes."""

    def __init__(self, store: Store) -> None:
        self._store, self.now = store, utc_now()
        self._gone = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, act: Callable[[Connection], Any]) -> Any:
        self.now += timedelta(minutes=5) if self._gone else timedelta(0)
        self._gone = False
        return await self._store.write(act)


async def test_what_is_claimed_when_the_database_is_back_is_sent_at_once(place: Place) -> None:
    async with receiving() as oa:
        settings: TargetSettings = target(oa.url, retry=QUICK)
        with open_desk(place, {"oa": settings}) as desk:
            desk.take_in(reading())
            outage, stopping = Outage(desk.store), asyncio.Event()
            worker = TargetWorker("oa", settings, cast("Store", outage), lambda: outage.now, lambda *_: None)
            oa.gate.clear()
            task = asyncio.create_task(worker.run(stopping))
            await oa.count(1)
            fences = select(ledger_table.c.fence).where(ledger_table.c.lane == "push:oa")
            held = desk.store.read_now(lambda conn: conn.execute(fences).scalars().all())
            stopping.set()
            oa.gate.set()
            desk.store.wakes.ring_all()
            await asyncio.wait_for(task, PATIENCE)

    assert held == [1]  # claimed once, not given back


async def test_a_target_that_is_gone_is_paused_and_keeps_its_events(place: Place) -> None:
    async with receiving() as oa, at_work(place, oa) as desk:
        oa.replies = [lambda: web.Response(status=410)]
        await asyncio.to_thread(desk.take_in, reading())
        await oa.count(1)
        await until(desk, lambda _rows: _state(desk) == "paused")

        assert desk.deliveries() == [("oa", "case.created", "full", "waiting")]


async def test_retry_after_is_waited_for_and_not_charged(place: Place) -> None:
    async with receiving() as oa, at_work(place, oa) as desk:
        oa.replies = [lambda: web.Response(status=429, headers={"Retry-After": "0"})] * 3
        await asyncio.to_thread(desk.take_in, reading())
        await until(desk, all_delivered)

        assert len(oa.received) == 4


async def test_a_dropped_event_is_ended_unsent(place: Place) -> None:
    async with receiving() as oa:
        with open_desk(place, {"oa": target(oa.url)}) as desk:
            desk.take_in(reading())
            desk.write(lambda conn: conn.exec_driver_sql("UPDATE delivery SET state='dropped'"))
        async with at_work(place, oa) as desk:
            await patience.until(lambda: "push:oa" not in desk.store.read_now(ledger.counts))

        assert oa.received == []


async def test_stopping_finishes_the_delivery_at_hand(place: Place) -> None:
    async with receiving() as oa:
        async with at_work(place, oa) as desk:
            oa.gate.clear()
            await asyncio.to_thread(desk.take_in, reading())
            await oa.count(1)
        with open_desk(place) as desk:
            assert all_delivered(desk.deliveries())


async def test_a_delivery_cut_off_is_given_back_with_all_in_line(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, concurrency=2)
        with open_desk(place, {"oa": settings}) as desk:
            for key in ("A", "B", "C", "D"):
                desk.take_in(reading(f"sunshine:{key}"), key=key)
            oa.gate.clear()
            worker = TargetWorker("oa", settings, desk.store, utc_now, lambda *_: None)
            task = asyncio.create_task(worker.run(asyncio.Event()))
            await oa.count(2)
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)

            assert isinstance(ended, asyncio.CancelledError)
            minute = timedelta(minutes=1)
            held = desk.write(lambda conn: ledger.claim(conn, "push:oa", now=utc_now(), lease=minute, limit=9))
            assert len(held) == 4
            assert len(oa.received) == 2


async def test_cut_off_while_a_slow_store_claims_it_gives_back_what_was_claimed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, goes_on, admit = threading.Event(), threading.Event(), targets.admit

    def slow(*args: Any, **more: Any) -> Admission:
        asked.set()
        assert goes_on.wait(20)
        return admit(*args, **more)

    monkeypatch.setattr(targets, "admit", slow)
    async with receiving() as oa:
        settings = target(oa.url)
        with open_desk(place, {"oa": settings}) as desk:
            desk.take_in(reading())
            worker = TargetWorker("oa", settings, desk.store, utc_now, lambda *_: None)
            task = asyncio.create_task(worker.run(asyncio.Event()))
            assert await asyncio.to_thread(asked.wait, 20)
            task.cancel()
            await asyncio.sleep(0)
            goes_on.set()
            await asyncio.wait([task])

            held = desk.write(lambda conn: ledger.claim(conn, "push:oa", now=utc_now(), lease=timedelta(minutes=1)))
            assert len(held) == 1
            assert oa.received == []


async def test_a_store_that_fails_while_a_line_is_given_back_ends_nobody_else(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, concurrency=1)
        with open_desk(place, {"oa": settings}) as desk:
            for key in ("A", "B"):
                desk.take_in(reading(f"sunshine:{key}"), key=key)
            oa.gate.clear()
            worker = TargetWorker("oa", settings, desk.store, utc_now, lambda *_: None)
            stopping = asyncio.Event()
            task = asyncio.create_task(worker.run(stopping))
            await oa.count(1)
            await until(desk, lambda _rows: _fences(desk) == [1, 1])
            away, back = (f"ALTER TABLE ledger RENAME COLUMN {names}" for names in ("reason TO r", "r TO reason"))
            await asyncio.to_thread(desk.write, lambda conn: conn.exec_driver_sql(away))
            stopping.set()
            desk.store.wakes.ring_all()
            oa.gate.set()
            await asyncio.wait_for(task, PATIENCE)  # as if nothing had happened
            await asyncio.to_thread(desk.write, lambda conn: conn.exec_driver_sql(back))

            later, minute = utc_now() + timedelta(hours=1), timedelta(minutes=1)
            held = desk.write(lambda conn: ledger.claim(conn, "push:oa", now=later, lease=minute, limit=9))
            assert len(held) == 1


async def test_the_next_event_is_sent_while_the_last_answer_is_written_down(place: Place) -> None:
    async with receiving() as oa, at_work(place, oa, concurrency=1) as desk:
        oa.gate.clear()
        for key in ("A", "B"):
            await asyncio.to_thread(desk.take_in, reading(f"sunshine:{key}"), key=key)
        await oa.count(1)
        await until(desk, lambda _rows: _fences(desk) == [1, 1])
        with busy_writing(desk):
            oa.gate.set()
            await oa.count(2)

        await until(desk, all_delivered)


async def test_who_waited_too_long_in_line_is_claimed_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    later = timedelta(0)
    monkeypatch.setattr("dispatch.worker.uninterrupted", lambda: uninterrupted() + later.total_seconds())
    async with receiving() as oa:
        settings = target(oa.url, concurrency=1)
        with open_desk(place, {"oa": settings}) as desk:
            for key in ("A", "B"):
                desk.take_in(reading(f"sunshine:{key}"), key=key)
            stopping, seen = asyncio.Event(), list[list[int]]()
            oa.judge = lambda _body: seen.append(_fences(desk))
            worker = TargetWorker("oa", settings, desk.store, utc_now, lambda *_: None)
            oa.gate.clear()
            task = asyncio.create_task(worker.run(stopping))
            await oa.count(1)
            later = timedelta(hours=1)  # as long as the first one takes
            oa.gate.set()
            await until(desk, all_delivered)
            stopping.set()
            desk.store.wakes.ring_all()
            await asyncio.wait_for(task, PATIENCE)

    assert seen[-1][-1] == 3  # claimed, given back, claimed


async def test_a_case_that_becomes_restricted_while_it_waits_in_line_is_not_sent(place: Place) -> None:
    later = timedelta(0)
    async with receiving() as oa:
        settings = target(oa.url, concurrency=1)
        with open_desk(place, {"oa": settings}) as desk:
            desk.take_in(reading("sunshine:A"), key="A")
            (case_id,) = desk.take_in(reading("sunshine:B"), key="B")
            stopping = asyncio.Event()
            worker = TargetWorker("oa", settings, desk.store, lambda: utc_now() + later, lambda *_: None)
            oa.gate.clear()
            task = asyncio.create_task(worker.run(stopping))
            await oa.count(1)
            await until(desk, lambda _rows: _fences(desk) == [1, 1])
            await asyncio.to_thread(desk.take_in, reading("sunshine:B", **ACCUSATION), key="B")
            later = timedelta(seconds=1)
            oa.gate.set()
            await until(desk, lambda rows: [row[3] for row in rows] == ["delivered", "dropped", "delivered"])
            stopping.set()
            desk.store.wakes.ring_all()
            await asyncio.wait_for(task, PATIENCE)

    told = [json.loads(one.body) for one in oa.received]
    assert [one["type"] for one in told if one["data"]["case"]["case_id"] == case_id] == ["case.withdrawn"]


@pytest.mark.parametrize("shut", ["paused", "unavailable"])
async def test_what_stands_in_line_is_not_sent_once_a_person_or_another_process_has_closed_its_target(
    place: Place, shut: str
) -> None:
    def close(conn: Connection) -> None:
        if shut == "paused":
            targets.pause(conn, "oa", "maintenance", utc_now(), by="wang")
        else:
            wait = timedelta(hours=1)
            targets.note_trouble(conn, "oa", QUICK, "HTTP 503", wait, now=utc_now(), chance=0, probe=False)

    later = timedelta(0)
    async with receiving() as oa:
        settings = target(oa.url, concurrency=1)
        with open_desk(place, {"oa": settings}) as desk:
            for key in ("A", "B"):
                desk.take_in(reading(f"sunshine:{key}"), key=key)
            stopping = asyncio.Event()
            worker = TargetWorker("oa", settings, desk.store, lambda: utc_now() + later, lambda *_: None)
            oa.gate.clear()
            task = asyncio.create_task(worker.run(stopping))
            await oa.count(1)
            await until(desk, lambda _rows: _fences(desk) == [1, 1])
            await asyncio.to_thread(desk.write, close)
            later = timedelta(seconds=1)
            oa.gate.set()
            await until(desk, lambda _rows: _fences(desk) == [2])  # given back

            assert [row[3] for row in desk.deliveries()] == ["delivered", "waiting"]
            assert len(oa.received) == 1
            stopping.set()
            desk.store.wakes.ring_all()
            await asyncio.wait_for(task, PATIENCE)


async def test_what_is_sent_once_more_is_no_measure_of_the_way_from_the_door(place: Place) -> None:
    told: list[tuple[timedelta | None, timedelta | None]] = []
    async with receiving() as oa:
        settings = target(oa.url)
        with open_desk(place, {"oa": settings}) as desk:
            stopping = asyncio.Event()
            worker = TargetWorker("oa", settings, desk.store, utc_now, lambda *facts: told.append(facts[-2:]))
            task = asyncio.create_task(worker.run(stopping))
            await asyncio.to_thread(desk.take_in, reading())
            await until(desk, all_delivered)
            (number,) = desk.store.read_now(lambda conn: conn.execute(select(delivery.c.id)).scalars().all())
            await asyncio.to_thread(desk.write, lambda conn: desk.desk.outbox.resend(conn, number, utc_now()))
            await oa.count(2)
            stopping.set()
            await asyncio.wait_for(task, PATIENCE)

    assert [(age is not None, way is not None) for age, way in told] == [(True, True), (False, False)]


@contextmanager
def busy_writing(desk: Desk) -> Iterator[None]:
    """Nothing is written down until the block ends."""
    begun, over = threading.Event(), threading.Event()

    def occupy(_conn: Connection) -> None:
        begun.set()
        assert over.wait(PATIENCE)

    occupied = desk.store.submit(occupy)
    assert begun.wait(PATIENCE)
    try:
        yield
    finally:
        over.set()
        occupied.result(PATIENCE)


def _fences(desk: Desk) -> list[int]:
    """How often each step to the target that has not ended changed hands."""
    of_target = select(ledger_table.c.fence).where(ledger_table.c.lane == "push:oa").order_by(ledger_table.c.id)
    return list(desk.store.read_now(lambda conn: conn.execute(of_target).scalars().all()))


def _state(desk: Desk) -> str | None:
    return desk.store.read_now(lambda conn: conn.execute(select(target_table.c.state)).scalar_one_or_none())


async def test_a_target_that_hangs_holds_up_no_other(place: Place) -> None:
    async with receiving() as prompt, receiving() as hanging:
        hanging.gate.clear()
        settings = {name: target(one.url, retry=QUICK) for name, one in (("oa", prompt), ("other", hanging))}
        with open_desk(place, settings) as desk:
            stopping = asyncio.Event()
            workers = [TargetWorker(name, one, desk.store, utc_now, lambda *_: None) for name, one in settings.items()]
            tasks = [asyncio.create_task(one.run(stopping)) for one in workers]
            for number in range(20):
                await asyncio.to_thread(desk.take_in, reading(f"x:{number}"), key=f"{number}")
            await until(desk, lambda rows: [row[3] for row in rows if row[0] == "oa"] == ["delivered"] * 20)
            others = {row[3] for row in await asyncio.to_thread(desk.deliveries) if row[0] == "other"}
            stopping.set()
            hanging.gate.set()
            desk.store.wakes.ring_all()
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)

    assert others == {"waiting"}

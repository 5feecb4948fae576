"""A target that is down, comes back, or trips over one event: what the others and the ledger notice of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import Update, func, select, update

from dispatch import targets
from dispatch.retry import RetrySettings
from dispatch.settings import TargetSettings
from dispatch.worker import TargetWorker
from store.schema import attempt, delivery, event
from store.schema import ledger as ledger_table
from store.schema import target as target_table
from tests.clock import utc_now
from tests.dispatch.own_receiver import answering, own_receiving
from tests.dispatch.receiver import receiving
from tests.ingest.desk import Desk, open_desk, reading, target
from tests.patience import PATIENCE, until
from tests.place import Place

MILLISECOND = timedelta(milliseconds=1)
QUICK = RetrySettings(first=20 * MILLISECOND, longest=100 * MILLISECOND)
MANY = 60


@asynccontextmanager
async def at_work(desk: Desk, settings: TargetSettings) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    worker = TargetWorker("oa", settings, desk.store, utc_now, lambda *_: None)
    task = asyncio.create_task(worker.run(stopping))
    try:
        yield
    finally:
        stopping.set()
        desk.store.wakes.ring_all()
        await asyncio.wait_for(task, PATIENCE)


def take_in(desk: Desk, number: int) -> None:
    for one in range(number):
        desk.take_in(reading(f"x:{one}"), key=str(one))


def states(desk: Desk) -> list[str]:
    return [row[3] for row in desk.deliveries()]


def number(desk: Desk, wanted: Any) -> int:
    found: int = desk.store.read_now(lambda conn: conn.execute(wanted).scalar_one())
    return found


async def test_an_outage_touches_one_row_and_not_every_event(place: Place) -> None:
    settings = target("http://127.0.0.1:9/", retry=QUICK)  # nobody listens there
    with open_desk(place, {"oa": settings}) as desk:
        take_in(desk, MANY)
        async with at_work(desk, settings):
            await until(lambda: number(desk, select(func.coalesce(func.max(target_table.c.failures), 0))) >= 4)

        tried = number(desk, select(func.count()).select_from(attempt))
        touched = number(desk, select(func.count()).where(ledger_table.c.lane == "push:oa", ledger_table.c.fence > 0))
        assert tried <= settings.concurrency + 8
        assert touched <= 2 * settings.concurrency + 8
        assert number(desk, select(func.max(ledger_table.c.attempts))) == 0  # nobody's fault
        assert set(states(desk)) == {"waiting"}


@dataclass
class Counting:
    """An OA that notes how many requests it has before it at once."""

    under_way: int = 0
    seen: list[int] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        self.under_way += 1
        self.seen.append(self.under_way)
        await asyncio.sleep(0.02)  # as long as an OA thinks
        self.under_way -= 1
        return web.json_response({})


async def test_after_an_outage_events_come_one_two_four_at_a_time(place: Place) -> None:
    oa = Counting()
    app = web.Application()
    app.router.add_post("/", oa.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    settings = target(f"http://127.0.0.1:{port}/", retry=QUICK, concurrency=16)
    with open_desk(place, {"oa": settings}) as desk:
        take_in(desk, MANY)
        unavailable = {"name": "oa", "state": "unavailable", "since": utc_now(), "retry_at": utc_now(), "failures": 3}
        desk.write(lambda conn: conn.execute(target_table.insert().values(unavailable)))
        async with at_work(desk, settings):
            await until(lambda: set(states(desk)) == {"delivered"})
    await runner.cleanup()

    assert oa.seen[0] == 1
    assert max(oa.seen[:4]) <= 3
    assert max(oa.seen[:16]) <= 12
    assert max(oa.seen) > 8


async def test_an_event_that_always_fails_holds_up_nobody_and_is_laid_aside(place: Place) -> None:
    async with receiving() as oa:
        retry = RetrySettings(first=MILLISECOND, longest=2 * MILLISECOND, attempts=6)
        settings = target(oa.url, retry=retry, concurrency=2)
        with open_desk(place, {"oa": settings}) as desk:
            (poison,) = desk.take_in(reading("x:poison"), key="poison")
            take_in(desk, MANY)
            oa.judge = lambda body: web.Response(status=500) if poison.encode() in body else None
            async with at_work(desk, settings):
                await until(lambda: states(desk).count("delivered") == MANY)
                more = 0
                while states(desk)[0] == "waiting":  # its attempts count as long as others arrive
                    await asyncio.to_thread(desk.take_in, reading(f"y:{more}"), key=f"y{more}")
                    more += 1
                    await until(lambda: states(desk)[1:].count("waiting") == 0)

        with open_desk(place) as desk:
            error = desk.store.read_now(
                lambda conn: conn.execute(select(delivery.c.error).where(delivery.c.case_id == poison)).scalar_one()
            )
            assert error == "given up after 6 attempts: HTTP 500"


async def test_a_lone_event_that_always_fails_is_never_given_up(place: Place) -> None:
    async with receiving() as oa:
        retry = RetrySettings(first=MILLISECOND, longest=2 * MILLISECOND, attempts=4)
        settings = target(oa.url, retry=retry)
        with open_desk(place, {"oa": settings}) as desk:
            oa.default = lambda: web.Response(status=500)
            take_in(desk, 1)
            async with at_work(desk, settings):
                await oa.count(12)

            assert states(desk) == ["waiting"]


async def test_while_one_probes_the_others_of_several_processes_wait(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, retry=QUICK)
        with open_desk(place, {"oa": settings}) as desk:
            take_in(desk, 10)
            unavailable = {"name": "oa", "state": "unavailable", "since": utc_now(), "retry_at": utc_now()}
            desk.write(lambda conn: conn.execute(target_table.insert().values(unavailable)))
            oa.gate.clear()
            async with at_work(desk, settings), at_work(desk, settings), at_work(desk, settings):
                await oa.count(1)
                taken = desk.store.read_now(
                    lambda conn: conn.execute(select(func.count()).where(ledger_table.c.fence > 0)).scalar_one()
                )
                assert (len(oa.received), taken) == (1, 1)
                oa.gate.set()
                await until(lambda: set(states(desk)) == {"delivered"})


@pytest.mark.parametrize(
    "unsent",
    [update(delivery).values(state="dropped"), update(event).values(sealed_full=b"damaged")],
    ids=["dropped", "damaged"],
)
async def test_a_probe_that_sends_nothing_is_followed_by_another_at_once(place: Place, unsent: Update) -> None:
    """And not once its lease, of a minute and more, is over."""
    async with receiving() as oa:
        settings = target(oa.url, retry=QUICK)
        with open_desk(place, {"oa": settings}) as desk:
            take_in(desk, 5)
            desk.write(lambda conn: conn.execute(unsent))
            desk.take_in(reading("x:good"), key="good")
            unavailable = {"name": "oa", "state": "unavailable", "since": utc_now(), "retry_at": utc_now()}
            desk.write(lambda conn: conn.execute(target_table.insert().values(unavailable)))
            async with at_work(desk, settings):
                await until(lambda: states(desk)[-1] == "delivered")

            assert len(oa.received) == 1


async def test_a_429_with_retry_after_stops_everything_until_then(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, retry=QUICK, concurrency=4)
        with open_desk(place, {"oa": settings}) as desk:
            oa.replies = [lambda: web.Response(status=429, headers={"Retry-After": "2"})] * 4
            take_in(desk, 12)
            async with at_work(desk, settings):
                await oa.count(4)
                asked = utc_now()
                await oa.count(5)
                waited = utc_now() - asked
                await until(lambda: set(states(desk)) == {"delivered"})

            assert waited > timedelta(seconds=1.5)
            assert len(oa.received) == 16


async def test_an_answer_that_was_on_its_way_ends_no_wait_the_target_asked_for(place: Place) -> None:
    on = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await on.wait()
        return web.json_response({})

    async with own_receiving() as oa:
        settings = target(f"{oa.url}/", retry=QUICK, concurrency=2)
        with open_desk(place, {"oa": settings}) as desk:
            oa.answer("/", slow, answering(429, **{"Retry-After": "3600"}), {})
            take_in(desk, 6)
            async with at_work(desk, settings):
                await until(
                    lambda: number(desk, select(func.count()).where(target_table.c.state == "unavailable")) == 1
                )
                on.set()
                await until(lambda: states(desk).count("delivered") == 1)

            row = desk.store.read_now(lambda conn: conn.execute(select(target_table)).one())
            assert (row.state, len(oa.asked)) == ("unavailable", 2)
            assert row.retry_at - utc_now() > timedelta(minutes=59)


async def test_a_wrong_secret_is_the_target_s_trouble_and_lays_aside_few(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, retry=QUICK, concurrency=1)
        with open_desk(place, {"oa": settings}) as desk:
            oa.default = lambda: web.Response(status=401)
            take_in(desk, 20)
            async with at_work(desk, settings):
                await oa.count(8)
                assert states(desk).count("rejected") == 2
                oa.default = lambda: web.json_response({})
                await until(lambda: states(desk).count("delivered") == 18)


async def test_of_many_refused_at_once_only_those_before_the_trouble_was_seen_are_laid_aside(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, retry=QUICK)
        assert settings.concurrency == 8
        with open_desk(place, {"oa": settings}) as desk:
            oa.gate.clear()
            oa.replies = [lambda: web.Response(status=401)] * 8
            take_in(desk, 8)
            async with at_work(desk, settings):
                await oa.count(8)
                oa.gate.set()
                await until(lambda: "waiting" not in states(desk))

            assert sorted(states(desk)) == ["delivered"] * 6 + ["rejected"] * 2


LONG = RetrySettings(first=timedelta(hours=1))


async def test_of_many_that_fail_at_once_only_those_before_the_trouble_was_seen_are_charged(place: Place) -> None:
    async with receiving() as oa:
        settings = target(oa.url, retry=LONG)
        with open_desk(place, {"oa": settings}) as desk:
            oa.gate.clear()
            oa.default = lambda: web.Response(status=500)
            take_in(desk, 8)
            async with at_work(desk, settings):
                await oa.count(8)
                oa.gate.set()
                await until(lambda: number(desk, select(func.count()).select_from(attempt)) == 8)

            assert number(desk, select(func.sum(ledger_table.c.attempts)).where(ledger_table.c.lane == "push:oa")) == 2


async def test_what_was_on_its_way_in_an_outage_closes_no_target_that_answers_again(place: Place) -> None:
    """Another process has found out meanwhile."""
    on = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await on.wait()
        return web.Response(status=500)

    async with own_receiving() as oa:
        settings = target(f"{oa.url}/", retry=LONG, concurrency=6)
        with open_desk(place, {"oa": settings}) as desk:
            oa.answer("/", slow, slow, slow, answering(500))
            take_in(desk, 6)
            async with at_work(desk, settings):
                await until(lambda: target_states(desk) == ["unavailable"])
                now = utc_now()
                await asyncio.to_thread(
                    desk.write, lambda conn: targets.note_success(conn, "oa", now, started=now, probe=True)
                )
                on.set()
                await until(lambda: number(desk, select(func.count()).select_from(attempt)) == 6)

            assert target_states(desk) == ["open"]


def target_states(desk: Desk) -> list[str]:
    return list(desk.store.read_now(lambda conn: conn.execute(select(target_table.c.state)).scalars().all()))

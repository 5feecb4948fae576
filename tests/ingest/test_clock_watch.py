"""A machine's clock that is put right after the start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Connection, select

from dispatch import targets
from ingest import channels
from ingest.clock_watch import ClockWatch
from store import ledger
from store.engine import open_store
from store.schema import alarm, channel, target
from store.schema import ledger as steps

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
AHEAD = timedelta(hours=8)
MINUTE = timedelta(minutes=1)


class Machine:
    """Its clock, and the time that really passes."""

    def __init__(self) -> None:
        self.now, self.ticks = NOW + AHEAD, 1000.0

    def passes(self, by: timedelta) -> None:
        self.now += by
        self.ticks += by.total_seconds()


async def test_after_the_clock_was_set_back_doors_are_visited_and_nothing_waits_for_the_wrong_time(
    tmp_path: Path,
) -> None:
    store, machine, scheduler = open_store("sqlite", tmp_path, b"k" * 32), Machine(), AsyncIOScheduler()
    job = scheduler.add_job(print, IntervalTrigger(minutes=5))
    scheduler.start(paused=True)
    watch = ClockWatch(store, scheduler, lambda: machine.now, lambda: machine.ticks)
    wrong = machine.now
    await store.write(lambda conn: ledger.enqueue(conn, "read", {"raw": 1}, now=wrong))
    await store.write(lambda conn: ledger.enqueue(conn, "read", {"raw": 2}, now=wrong, due=wrong + 10 * MINUTE))
    await store.write(lambda conn: targets.admit(conn, "oa", None, room=1, now=wrong))
    await store.write(lambda conn: conn.execute(target.update().values(retry_at=wrong + 3 * MINUTE)).close())
    await store.write(lambda conn: ledger.enqueue(conn, "before", {"raw": 1}, now=NOW))
    await store.write(lambda conn: ledger.enqueue(conn, "after", {"raw": 1}, now=NOW))
    await store.write(lambda conn: ledger.claim(conn, "before", now=wrong, lease=5 * MINUTE))
    await store.write(lambda conn: channels.enrol(conn, "known", NOW - MINUTE, NOW))
    await store.write(lambda conn: channels.enrol(conn, "new", wrong, wrong))
    planned = job.next_run_time

    machine.passes(MINUTE)
    await watch.look()
    assert job.next_run_time == planned

    machine.now -= AHEAD
    await store.write(lambda conn: ledger.claim(conn, "after", now=machine.now, lease=5 * MINUTE))
    await watch.look()
    dues = await store.read(lambda conn: conn.execute(select(steps.c.due).order_by(steps.c.id)).scalars().all())
    assert job.next_run_time == machine.now
    assert dues[:2] == [machine.now, NOW + 10 * MINUTE]
    assert dues[2:] == [NOW + 5 * MINUTE, machine.now + 5 * MINUTE]  # leases of before and after
    assert await store.read(lambda conn: conn.execute(select(target.c.retry_at)).scalar_one()) == NOW + 3 * MINUTE
    starts = await store.read(lambda conn: conn.execute(select(channel.c.name, channel.c.start_from)).all())
    assert dict(map(tuple, starts)) == {"known": NOW - MINUTE, "new": NOW}

    scheduler.shutdown(wait=False)
    store.close()


async def test_after_the_clock_was_set_back_what_was_noted_by_it_is_not_noted_in_the_future(tmp_path: Path) -> None:
    store, machine = open_store("sqlite", tmp_path, b"k" * 32), Machine()
    watch = ClockWatch(store, AsyncIOScheduler(), lambda: machine.now, lambda: machine.ticks)
    wrong = machine.now

    def noted(conn: Connection) -> None:
        channels.enrol(conn, "box", NOW - MINUTE, NOW)
        channels.answered(conn, "box", wrong)
        channels.failed(conn, "box", channels.UNAVAILABLE, "down", wrong + MINUTE)
        channels.enrol(conn, "all", NOW - 9 * AHEAD, wrong)
        targets.pause(conn, "oa", "gone", wrong + MINUTE)
        row = {"key": "door_down:box", "kind": "door_down", "facts": {}, "since": NOW - MINUTE, "told_at": wrong}
        conn.execute(alarm.insert().values(row))

    await store.write(noted)
    machine.passes(2 * MINUTE)
    machine.now -= AHEAD
    await watch.look()

    every, box = store.read_now(lambda conn: conn.execute(select(channel).order_by(channel.c.name)).all())
    assert (box.since, box.last_poll_at, box.last_success_at) == (NOW + MINUTE, NOW + MINUTE, NOW)
    assert (box.enrolled_at, box.start_from) == (NOW, NOW - MINUTE)
    assert (every.enrolled_at, every.start_from) == (NOW, NOW - 9 * AHEAD)
    assert store.read_now(lambda conn: conn.execute(select(target.c.since)).scalar_one()) == NOW + MINUTE
    told = store.read_now(lambda conn: conn.execute(select(alarm.c.since, alarm.c.told_at)).one())
    assert tuple(told) == (NOW - MINUTE, NOW)
    store.close()


async def test_a_clock_that_is_set_forward_has_doors_visited_at_once(tmp_path: Path) -> None:
    store, machine, scheduler = open_store("sqlite", tmp_path, b"k" * 32), Machine(), AsyncIOScheduler()
    job = scheduler.add_job(print, IntervalTrigger(minutes=5))
    scheduler.start(paused=True)
    watch = ClockWatch(store, scheduler, lambda: machine.now, lambda: machine.ticks)
    machine.now += AHEAD
    await watch.look()

    assert job.next_run_time == machine.now
    scheduler.shutdown(wait=False)
    store.close()

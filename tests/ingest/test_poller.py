"""The poller before a door of the test's own: what it stores, settles, and does when the door fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from structlog.testing import capture_logs

from adapters.base import Batch, ChannelRefused, ChannelUnavailable, Cursor, Fetched, Json, Raw, RawKind
from ingest import channels, inbox
from ingest.poller import BACKOFF_FIRST, Poller
from store import ledger
from store.acts import TransactionLost
from store.engine import Store, open_store
from store.schema import channel, raw
from store.schema import ledger as ledger_table
from tests.clock import utc_now
from tests.patience import until

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Door:
    """Hands out numbered matters, two a batch, and remembers what was settled."""

    matters: int = 0
    failures: list[Exception] = field(default_factory=list)
    settle_failures: list[Exception | asyncio.CancelledError] = field(default_factory=list)
    settled: list[Json] = field(default_factory=list)
    polls: int = 0
    skipped: int = 0
    starts: list[datetime] = field(default_factory=list)
    hangs: bool = False
    meanwhile: Callable[[], object] = lambda: None
    """What a person does while the door answers."""

    async def poll(self, cursor: Cursor | None, start_from: datetime) -> AsyncGenerator[Batch]:
        self.polls += 1
        self.starts.append(start_from)
        if self.failures:
            raise self.failures.pop(0)
        done = int(str(cursor["done"])) if cursor else 0
        while done < self.matters:
            numbers = range(done, min(done + 2, self.matters))
            blobs = tuple(f"matter {n}".encode() for n in numbers)
            raws = tuple(Raw(RawKind.RECORD, str(n), "1", i, f"door/{n}") for i, n in enumerate(numbers))
            done = numbers.stop
            self.meanwhile()
            yield Batch(blobs, raws, {"done": done}, settle=done, skipped=self.skipped if cursor is None else 0)
        if self.hangs:
            await asyncio.Event().wait()

    async def settle(self, token: Json) -> None:
        if self.settle_failures:
            raise self.settle_failures.pop(0)
        self.settled.append(token)

    async def fetch(self, ref: str) -> Fetched:
        raise ChannelRefused(ref)

    async def probe(self) -> str:
        return "open"

    async def close(self) -> None:
        return


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store("sqlite", tmp_path, b"k" * 32)
    yield opened
    opened.close()


async def poller(store: Store, door: Door) -> Poller:
    made = Poller("door", door, store, utc_now, START, lambda *_: None)
    await made.enrol()
    return made


@dataclass
class Time:
    now: datetime = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def at_once(moment: datetime) -> datetime:
    """As `start_from: now`."""
    return moment


async def timed(store: Store, door: Door, start: datetime = START) -> tuple[Poller, Time]:
    """A poller whose clock the test moves."""
    time = Time()
    made = Poller("door", door, store, time, start, lambda *_: None)
    await made.enrol()
    return made, time


async def test_a_door_first_seen_by_a_clock_that_is_years_behind_is_read_from_when_it_really_was(store: Store) -> None:
    door, time, steady = Door(matters=1), Time(datetime(2019, 2, 14, 10, 11, 59, tzinfo=UTC)), Time()

    def ticks() -> float:
        return steady.now.timestamp()

    polling = Poller("door", door, store, time, time(), lambda *_: None, ticks=ticks, start=at_once)
    await polling.round()
    assert door.polls == 0
    assert state(store)[0] == "unavailable"
    assert "2019-02-14 10:11:59" in str(state(store)[2])

    steady.now += timedelta(minutes=1)
    time.now = datetime(2026, 3, 2, 1, 31, tzinfo=UTC)
    await polling.round()
    assert door.starts == [datetime(2026, 3, 2, 1, 30, tzinfo=UTC)]
    assert state(store)[0] == "open"


async def test_a_door_that_a_life_with_a_wrong_clock_saw_first_begins_with_the_next_life(store: Store) -> None:
    door, time = Door(matters=1), Time(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
    await Poller("door", door, store, time, time(), lambda *_: None, start=at_once).round()
    time.now = datetime(2026, 3, 2, 1, 31, tzinfo=UTC)
    await Poller("door", door, store, time, time(), lambda *_: None, start=at_once).round()

    assert door.starts == [time()]


async def test_a_clock_put_forward_by_weeks_moves_the_start_of_no_door(store: Store) -> None:
    """A machine that stood still so long had the right time before."""
    time, late = Time(), timedelta(days=20)
    read, dated, waiting = (Door(matters=1) for _ in range(3))
    waiting.failures = [ChannelUnavailable("the name is not known")]
    made = [
        Poller(name, door, store, time, start(time()), lambda *_: None, ticks=lambda: 0.0, start=start)
        for name, door, start in (
            ("read", read, lambda moment: moment),
            ("dated", dated, lambda _: START),
            ("waiting", waiting, lambda moment: moment),
        )
    ]
    before = time()
    dated.failures = [ChannelUnavailable("the name is not known")]
    for one in made:
        await one.round()
    time.now += late
    for one in made:
        await one.round()

    assert read.starts == [before, before]
    assert dated.starts == [START, START]
    assert waiting.starts == [before, before]


def settle_rows(store: Store) -> int:
    return sum(store.read_now(ledger.counts).get("settle:door", {}).values())


def keys(store: Store) -> list[str]:
    return list(store.read_now(lambda conn: conn.execute(select(raw.c.key).order_by(raw.c.id)).scalars().all()))


def state(store: Store) -> tuple[str, int, str | None]:
    row = store.read_now(lambda conn: channels.state(conn, "door"))
    return row.state, row.failures, row.error


async def test_every_batch_is_stored_with_its_cursor_and_settled(store: Store) -> None:
    door = Door(matters=5)
    await (await poller(store, door)).round()

    assert keys(store) == ["0", "1", "2", "3", "4"]
    assert door.settled == [2, 4, 5]
    assert store.read_now(lambda conn: conn.execute(select(channel.c.cursor)).scalar_one()) == {"done": 5}
    assert store.read_now(ledger.counts) == {"read": {"ready": 5}}


async def test_what_is_handed_over_twice_is_stored_once(store: Store) -> None:
    door = Door(matters=2)
    polling = await poller(store, door)
    await polling.round()
    await store.write(lambda conn: conn.exec_driver_sql("UPDATE channel SET cursor = NULL"))
    await polling.round()

    assert keys(store) == ["0", "1"]


async def test_a_failing_source_is_backed_off_from_and_said_once(store: Store) -> None:
    door = Door(matters=1, failures=[ChannelUnavailable("down"), ChannelUnavailable("still down")])
    polling = await poller(store, door)
    await polling.round()
    first = polling.not_before
    await polling.round()

    assert state(store) == ("unavailable", 2, "still down")
    assert first is not None
    assert polling.not_before is not None
    assert polling.not_before - first >= timedelta(seconds=4)

    await polling.round()

    assert state(store) == ("open", 0, None)
    assert polling.not_before is None


async def test_the_wait_a_source_asks_for_is_kept(store: Store) -> None:
    door = Door(failures=[ChannelUnavailable("busy", timedelta(hours=2))])
    polling = await poller(store, door)
    await polling.round()

    assert polling.not_before is not None
    assert polling.not_before > utc_now() + timedelta(minutes=119)


async def test_a_refused_door_waits_for_a_person(store: Store) -> None:
    door = Door(failures=[ChannelRefused("password")])
    await (await poller(store, door)).round()

    assert state(store) == ("refused", 1, "password")


async def test_a_bug_in_a_door_shuts_that_door_only_and_repeats_no_words(store: Store) -> None:
    door = Door(failures=[ValueError("顾晓棠 13900000000")])
    await (await poller(store, door)).round()

    found, _, error = state(store)
    assert found == "unavailable"
    assert str(error).startswith("unexpected: ValueError in poll")
    assert "顾晓棠" not in str(error)


async def test_what_could_not_be_settled_is_tried_again_and_polling_goes_on(store: Store) -> None:
    door = Door(matters=4, settle_failures=[ChannelUnavailable("share is gone")])
    polling, time = await timed(store, door)
    with capture_logs() as said:
        await polling.round()
        await polling.round()

    assert (keys(store), door.settled, door.polls) == (["0", "1", "2", "3"], [4], 2)
    assert state(store) == ("open", 0, None)
    assert [line["log_level"] for line in said if "acknowledged" in line["event"]] == ["warning"]

    time.now += timedelta(minutes=1)
    await polling.round()

    assert door.settled == [4, 2]
    assert settle_rows(store) == 0


async def test_what_is_still_unsettled_is_said_once_and_kept_once(store: Store) -> None:
    """As a scan that cannot be moved: every poll hands it over again."""
    refusals: list[Exception] = [ChannelRefused("may not be moved") for _ in range(3)]
    door = Door(matters=2, settle_failures=[*refusals, ValueError("顾晓棠.pdf")])
    polling, time = await timed(store, door)
    with capture_logs() as said:
        for _ in range(4):
            await polling.round()
            await store.write(lambda conn: conn.exec_driver_sql("UPDATE channel SET cursor = NULL"))
            time.now += timedelta(hours=1)

    assert door.polls == 4
    assert settle_rows(store) == 1
    assert [line["log_level"] for line in said if "acknowledged" in line["event"]] == ["error"]
    assert "顾晓棠" not in str(store.read_now(lambda conn: conn.execute(select(ledger_table.c.reason)).all()))

    await polling.round()

    assert (set(door.settled), settle_rows(store)) == ({2}, 0)


async def test_what_an_earlier_life_left_unsettled_is_settled_before_anything_is_polled(store: Store) -> None:
    door = Door(matters=2)
    first, _ = await timed(store, door)
    with suppress(asyncio.CancelledError):
        door.settle_failures = [asyncio.CancelledError()]
        await first.round()
    door.failures = [ChannelUnavailable("down")]
    await (await poller(store, door)).round()

    assert (door.settled, keys(store)) == ([2], ["0", "1"])


async def visit_cancelled_at(store: Store, polling: Poller, number: int) -> bool:
    """Whether the visit was cancelled amid its write of this number, which is done all the same; else it had not so
    many.
    """
    write, loop, begun = store.write, asyncio.get_running_loop(), 0

    async def cancelling(act: Callable[[Connection], Any]) -> Any:
        nonlocal begun
        begun += 1
        return await write(slow(act) if begun == number else act)

    def slow(act: Callable[[Connection], Any]) -> Callable[[Connection], Any]:
        def acting(conn: Connection) -> Any:
            done = threading.Event()
            loop.call_soon_threadsafe(lambda: (visit.cancel(), loop.call_soon(done.set)))
            done.wait(10)
            return act(conn)

        return acting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "write", cancelling)
        visit = asyncio.create_task(polling.round())
        await asyncio.wait([visit])
    return visit.cancelled()


async def test_a_visit_that_is_cancelled_at_any_write_leaves_nothing_in_its_hands(store: Store) -> None:
    leased = select(ledger_table.c.lane).where(ledger_table.c.leased)
    number = 1
    while await visit_cancelled_at(store, await poller(store, Door(matters=2 * number)), number):
        assert store.read_now(lambda conn: conn.execute(leased).all()) == [], f"cancelled at its write {number}"
        number += 1

    assert number > 5
    assert settle_rows(store) == 0


async def test_a_visit_that_hangs_is_broken_off_and_the_door_told_unavailable(store: Store) -> None:
    door = Door(matters=2, hangs=True)
    polling = await poller(store, door)
    polling.patience = timedelta(milliseconds=10)
    await polling.round()

    found, _, error = state(store)
    assert (found, keys(store)) == ("unavailable", ["0", "1"])
    assert "nothing came" in str(error)

    door.hangs = False
    await polling.round()

    assert state(store)[0] == "open"


async def test_a_door_that_refused_us_by_a_wrong_clock_is_asked_when_that_is_right_again(store: Store) -> None:
    """Platforms refuse what is signed at another time than theirs."""
    door = Door(matters=1, failures=[ChannelRefused("timeStamp out of range")])
    polling, ahead = await poller(store, door), 3600.0
    polling.offset = lambda: ahead
    polling.due.set()
    task = asyncio.create_task(polling.run(asyncio.Event()))
    await until(lambda: polling.not_before is not None)

    await polling.ring()
    await asyncio.sleep(0.1)
    assert door.polls == 1

    ahead = 0.0
    await polling.ring()
    await until(lambda: door.polls == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_wait_beyond_reason_is_cut_short(store: Store) -> None:
    polling, time = await timed(store, Door(failures=[ChannelUnavailable("busy", timedelta.max)]))
    await polling.round()

    assert polling.not_before == time.now + timedelta(hours=6)


async def test_a_source_that_asks_for_no_wait_at_all_is_not_asked_in_a_circle(store: Store) -> None:
    polling, time = await timed(store, Door(failures=[ChannelUnavailable("busy", timedelta(0))]))
    await polling.round()

    assert polling.not_before == time.now + BACKOFF_FIRST


async def test_a_full_disk_is_outlived(store: Store) -> None:
    """Whatever is written fails, the failure's own record too."""
    door = Door(matters=2)
    polling, time = await timed(store, door)
    forbid = "CREATE TRIGGER full BEFORE {} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    await store.write(lambda conn: conn.exec_driver_sql(forbid.format("INSERT ON raw")))
    await store.write(lambda conn: conn.exec_driver_sql(forbid.format("UPDATE ON channel").replace("full", "full2", 1)))
    await polling.round()

    assert polling.not_before is not None
    assert polling.not_before > time.now

    await store.write(lambda conn: conn.exec_driver_sql("DROP TRIGGER full"))
    await store.write(lambda conn: conn.exec_driver_sql("DROP TRIGGER full2"))
    await polling.round()

    assert keys(store) == ["0", "1"]
    assert polling.not_before is None


async def test_when_a_full_disk_has_room_again_the_door_is_visited_within_a_minute_however_often_it_failed(
    store: Store,
) -> None:
    polling, time = await timed(store, Door(failures=[TransactionLost("the disk is full") for _ in range(9)]))
    for _ in range(9):
        await polling.round()

    assert polling.not_before is not None
    assert polling.not_before - time.now < timedelta(minutes=1)


async def test_the_first_sight_of_a_channel_fixes_its_start(store: Store) -> None:
    door = Door(failures=[ChannelUnavailable("down")], skipped=7, matters=1)
    await (await poller(store, door)).round()
    later = Poller("door", door, store, utc_now, START + timedelta(days=9), lambda *_: None)
    await later.enrol()
    await later.round()

    assert door.starts == [START, START]
    assert store.read_now(lambda conn: conn.execute(select(channel.c.skipped)).scalar_one()) == 7


async def test_a_start_in_the_future_is_said_and_nothing_is_left_behind(store: Store) -> None:
    door = Door(matters=1)
    polling, time = await timed(store, door, start=START + timedelta(days=9))
    await polling.round()
    row = store.read_now(lambda conn: channels.state(conn, "door"))
    time.now = START + timedelta(days=9)
    polling.not_before = None
    await polling.round()

    assert (row.state, row.cursor) == ("unavailable", None)
    assert "lies in the future" in row.error
    assert keys(store) == ["0"]


@pytest.mark.parametrize("left_out", [ChannelUnavailable, ChannelRefused])
async def test_a_visit_that_left_something_out_keeps_its_beat_and_hides_no_outage(
    store: Store, left_out: type[ChannelUnavailable | ChannelRefused]
) -> None:
    incomplete = [left_out("mail 3 is withheld", reached_end=True) for _ in range(9)]
    polling, time = await timed(store, Door(failures=[*incomplete, left_out("down")]))
    with capture_logs() as said:
        for _ in incomplete:
            time.now += timedelta(minutes=1)
            await polling.round()

            assert polling.not_before is None
        row = store.read_now(lambda conn: channels.state(conn, "door"))
        time.now += timedelta(minutes=1)
        await polling.round()

    assert (row.failures, row.error, row.last_success_at) == (1, "mail 3 is withheld", row.last_poll_at)
    assert row.state != channels.OPEN
    assert polling.not_before is not None
    assert [one["error"] for one in said] == ["mail 3 is withheld", "down"]
    assert store.read_now(lambda conn: channels.state(conn, "door")).since == time.now


async def test_a_start_in_the_future_can_be_mended_until_something_was_read(store: Store) -> None:
    now = utc_now()
    for start in (now + timedelta(days=9), now - timedelta(days=9), now - timedelta(days=99)):
        await store.write(lambda conn, start=start: channels.enrol(conn, "door", start, now))  # type: ignore[misc]

    assert store.read_now(lambda conn: channels.state(conn, "door")).start_from == now - timedelta(days=9)


async def test_after_a_failure_it_comes_back_without_being_told(store: Store) -> None:
    door = Door(matters=1, failures=[ChannelUnavailable("down", timedelta(milliseconds=1))])
    polling = await poller(store, door)
    polling.due.set()
    task = asyncio.create_task(polling.run(asyncio.Event()))
    await until(lambda: bool(keys(store)))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert door.polls == 2


async def test_what_is_to_be_settled_stands_sealed(store: Store) -> None:
    door = Door(settle_failures=[ChannelUnavailable("shut")])
    told: Json = {"path": "顾晓棠的来信.pdf"}
    batch = Batch((b"a letter",), (Raw(RawKind.LETTER, "k", "k", 0, "x"),), {}, settle=told)

    def keep(conn: Connection) -> object:
        return inbox.store_batch(
            conn, "door", batch, batch.raws, {0: store.blobs.prepare(b"a letter")},
            blobs=store.blobs, sealer=store.sealer, now=START,
        )  # fmt: skip

    keeper, time = await timed(store, door)
    await store.write(keep)
    await keeper.round()
    rows = store.read_now(lambda conn: conn.execute(select(ledger_table.c.payload, ledger_table.c.reason)).all())

    assert "顾晓棠" not in str(rows)
    assert "path" not in str(rows)

    time.now += timedelta(minutes=1)
    await keeper.round()

    assert door.settled == [told]


def pause(store: Store, *, resume: bool = False) -> None:
    def write(conn: Connection) -> bool:
        if resume:
            return channels.resume(conn, "door", START)
        return channels.pause(conn, "door", "the platform is being moved", "wang", START)

    assert store.submit(write).result()


async def test_a_paused_door_is_left_alone_until_it_is_resumed(store: Store) -> None:
    door = Door(matters=2)
    polling, time = await timed(store, door)
    pause(store)
    await polling.round()
    again = polling.not_before

    assert (door.polls, keys(store), state(store)) == (0, [], ("paused", 0, "the platform is being moved"))
    assert again == time.now + timedelta(seconds=30)

    pause(store, resume=True)
    await polling.round()

    assert (door.polls, keys(store), state(store)) == (1, ["0", "1"], ("open", 0, None))
    assert polling.not_before is None


async def test_a_door_paused_while_it_is_polled_keeps_what_it_brought_and_brings_no_more(store: Store) -> None:
    door = Door(matters=5)
    polling = await poller(store, door)
    door.meanwhile = lambda: pause(store)
    await polling.round()

    assert (keys(store), door.settled, settle_rows(store)) == (["0", "1"], [], 1)
    assert state(store) == ("paused", 0, "the platform is being moved")

    door.meanwhile = lambda: None
    pause(store, resume=True)
    await polling.round()

    assert (keys(store), door.settled) == (["0", "1", "2", "3", "4"], [2, 4, 5])


async def test_a_poll_that_fails_after_the_door_was_paused_leaves_it_paused(store: Store) -> None:
    door = Door(matters=1)
    polling = await poller(store, door)

    def pause_and_fail() -> None:
        pause(store)
        raise ChannelUnavailable("the platform went away")

    door.meanwhile = pause_and_fail
    await polling.round()

    assert state(store) == ("paused", 0, "the platform is being moved")


async def test_a_door_is_visited_again_although_its_schedule_goes_by_a_wrong_clock(store: Store) -> None:
    """Nobody rings: the schedule waits for an hour that has been already."""
    door = Door(matters=1)
    made = Poller("door", door, store, utc_now, START, lambda *_: None, longest=timedelta(milliseconds=20))
    running = asyncio.create_task(made.run(asyncio.Event()))
    await until(lambda: door.polls >= 3)
    running.cancel()
    await asyncio.wait([running])

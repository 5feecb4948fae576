"""Of several processes one keeps a door; when it dies another takes over, and it can write nothing any more."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from ingest import channels
from ingest.channels import DoorLost
from ingest.keeping import Keeper
from ingest.poller import Poller
from store.engine import Store, open_store
from store.schema import channel, raw
from tests.ingest.polling_process import LEASE
from tests.ingest.test_poller import Door
from tests.patience import until
from tests.postgres import Server

START = datetime(2026, 3, 1, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.postgres


@pytest.fixture
def address(postgres: Server) -> str:
    return postgres.migrated()


@pytest.fixture
async def open_one(address: str, tmp_path: Path) -> AsyncIterator[Callable[[], Store]]:
    opened: list[Store] = []

    def another() -> Store:
        opened.append(open_store(address, tmp_path, b"k" * 32))
        return opened[-1]

    yield another
    for store in opened:
        store.close()


def polling(store: Store, door: Door) -> Poller:
    made = Poller("door", door, store, store.clock, START, lambda *_: None)
    made.keeper.lease = LEASE
    return made


def kept_until(store: Store) -> datetime | None:
    return store.read_now(lambda conn: conn.execute(select(channel.c.kept_until)).scalar_one_or_none())


def keys(store: Store) -> list[str]:
    return list(store.read_now(lambda conn: conn.execute(select(raw.c.key).order_by(raw.c.id)).scalars().all()))


async def test_of_two_processes_one_polls_and_the_other_follows_when_it_stops(open_one: Callable[[], Store]) -> None:
    first, second = Door(matters=3), Door(matters=3)
    pollers = [polling(open_one(), door) for door in (first, second)]
    stopping = asyncio.Event()
    for one in pollers:
        one.due.set()
    tasks = [asyncio.create_task(one.run(stopping)) for one in pollers]
    await until(lambda: bool(first.polls or second.polls))
    leader = 0 if first.polls else 1
    taken = kept_until(pollers[0].store)
    await until(lambda: kept_until(pollers[0].store) != taken)  # renewed
    doors = [first, second]
    assert doors[1 - leader].polls == 0

    tasks[leader].cancel()
    await asyncio.wait([tasks[leader]])
    await until(lambda: doors[1 - leader].polls > 0 and len(keys(pollers[0].store)) == 3)
    tasks[1 - leader].cancel()
    await asyncio.wait(tasks)

    assert keys(pollers[0].store) == ["0", "1", "2"]


async def test_when_the_process_that_keeps_a_door_is_killed_another_takes_over(
    address: str, tmp_path: Path, open_one: Callable[[], Store]
) -> None:
    command = [sys.executable, "-m", "tests.ingest.polling_process", address, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 - a moment
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "polled\n"
        door = Door(matters=3)
        poller = polling(open_one(), door)
        poller.due.set()
        task = asyncio.create_task(poller.run(asyncio.Event()))
        for _ in range(10):
            await asyncio.to_thread(process.stdout.readline)
        assert door.polls == 0
        process.kill()
    await until(lambda: door.polls > 0)
    task.cancel()
    await asyncio.wait([task])

    assert keys(poller.store) == ["0", "1", "2"]
    fence = select(channel.c.fence, channel.c.last_success_at)
    assert poller.store.read_now(lambda conn: conn.execute(fence).one()).fence == 2


async def test_who_has_lost_the_door_without_noticing_stores_and_settles_nothing(open_one: Callable[[], Store]) -> None:
    late = polling(open_one(), Door(matters=3))
    assert await late.keeper._take()
    await late.store.write(lambda conn: conn.execute(update(channel).values(kept_until=START)).rowcount)
    prompt = polling(open_one(), Door(matters=3))
    assert await prompt.keeper._take()

    with pytest.raises(DoorLost, match="another process"):
        await late.round()
    await prompt.round()

    door = late.adapter
    assert isinstance(door, Door)
    assert door.settled == []
    assert keys(late.store) == ["0", "1", "2"]


async def test_work_ends_when_the_door_is_lost_and_begins_anew_when_it_is_ours_again(
    open_one: Callable[[], Store],
) -> None:
    store = open_one()
    keeper = Keeper("door", store, store.clock, START, LEASE)
    begun: list[int | None] = []

    async def work() -> None:
        begun.append(keeper.fence)
        if len(begun) == 1:
            stolen = update(channel).values(fence=channel.c.fence + 1, kept_until=store.clock() + LEASE)
            await store.write(lambda conn: conn.execute(stolen).rowcount)
            await asyncio.Event().wait()

    await asyncio.wait_for(keeper.keep(work), 60)

    assert begun == [1, 3]


async def test_a_door_is_given_back_at_once_and_its_lease_runs_by_the_store(open_one: Callable[[], Store]) -> None:
    store = open_one()
    keeper = Keeper("door", store, store.clock, START, timedelta(days=1))
    found: list[timedelta] = []

    async def work() -> None:
        row = await store.read(lambda conn: channels.state(conn, "door"))
        found.append(row.kept_until - store.clock())

    for _ in range(2):
        await asyncio.wait_for(keeper.keep(work), 60)

    assert len(found) == 2
    assert all(timedelta(hours=23) < one <= timedelta(days=1) for one in found)


async def test_embedded_the_one_process_keeps_every_door_without_a_lease(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path, b"k" * 32)
    keeper = Keeper("door", store, store.clock, START)
    worked: list[int | None] = []

    async def work() -> None:
        worked.append(keeper.fence)

    await keeper.keep(work)
    store.close()

    assert worked == [None]


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full';
END $$ LANGUAGE plpgsql;
CREATE TRIGGER refuse BEFORE UPDATE ON channel FOR EACH ROW EXECUTE FUNCTION refuse()
"""


async def test_a_database_that_refuses_for_a_while_ends_no_door(open_one: Callable[[], Store]) -> None:
    """A full disk there, a statement cancelled by whoever runs it: neither is the end of the daemon."""
    store, door = open_one(), Door(matters=3)
    poller, stopping = polling(store, door), asyncio.Event()
    poller.due.set()
    running = asyncio.create_task(poller.run(stopping))
    await until(lambda: door.polls > 0)
    await store.write(lambda conn: conn.exec_driver_sql(REFUSE).close())
    await asyncio.sleep(2 * LEASE.total_seconds())

    assert not running.done()
    await store.write(lambda conn: conn.exec_driver_sql("DROP TRIGGER refuse ON channel").close())
    before = kept_until(store)
    await until(lambda: kept_until(store) != before)
    stopping.set()
    poller.due.set()
    await running

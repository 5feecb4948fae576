"""What the service manager is told, and when it hears no sign of life any more."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from ingest.heartbeat import Heartbeat
from ingest.supervisor import Supervisor
from store import postgres as engine
from store.engine import Store, open_store
from tests import patience
from tests.patience import until
from tests.place import Place
from tests.postgres import Server, shut
from tests.service_manager import ServiceManager, service_manager
from tests.store.keys import MASTER

PATIENCE = timedelta(milliseconds=300)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    with service_manager(tmp_path) as listening:
        yield listening


async def test_each_message_is_what_systemd_expects(manager: ServiceManager) -> None:
    supervisor = Supervisor.of({"NOTIFY_SOCKET": manager.address})

    supervisor.ready("4 doors, 2 targets")
    supervisor.reloading()
    supervisor.beat()
    supervisor.stopping()

    assert await manager.heard() == "READY=1\nSTATUS=4 doors, 2 targets"
    reloading, clock = (await manager.heard()).splitlines()
    assert (reloading, clock.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
    assert [await manager.heard(), await manager.heard()] == ["WATCHDOG=1", "STOPPING=1\nSTATUS=stopping"]


def test_an_abstract_socket_is_spoken_to_as_well() -> None:
    name = f"xinqiao-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        Supervisor(f"@{name}").beat()

        assert listening.recv(100) == b"WATCHDOG=1"


def test_where_nobody_listens_nothing_fails(tmp_path: Path) -> None:
    Supervisor.of({}).ready("by hand")
    with capture_logs() as said:
        Supervisor(str(tmp_path / "gone")).ready("to nobody")

    assert [one["event"] for one in said] == ["service manager cannot be told"]


@pytest.mark.parametrize(
    ("environment", "patience"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "180000000"}, timedelta(minutes=3)),
        ({"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(minutes=3)),
        ({"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_only_a_watchdog_meant_for_us_is_heeded(environment: dict[str, str], patience: timedelta | None) -> None:
    assert Supervisor.of(environment).patience == patience


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    opened = await asyncio.to_thread(open_store, place.database, place.folder, MASTER)
    yield opened
    await asyncio.to_thread(opened.close)


class Listener:
    """Counts beats; each can be waited for."""

    def __init__(self) -> None:
        self.heard = asyncio.Semaphore(0)

    async def next(self) -> None:
        await asyncio.wait_for(self.heard.acquire(), 60)


async def test_a_store_that_works_is_a_sign_of_life_again_and_again(store: Store) -> None:
    listener, stopping = Listener(), asyncio.Event()
    running = asyncio.create_task(Heartbeat(store, PATIENCE, listener.heard.release).run(stopping))

    for _ in range(3):
        await listener.next()

    stopping.set()
    await running


async def test_no_sign_of_life_while_writing_hangs(store: Store) -> None:
    listener, stopping, hangs = Listener(), asyncio.Event(), threading.Event()
    try:
        hanging = [await hang(store, hangs) for _ in range(1 if store.exclusive else engine.WRITERS)]
        with capture_logs() as said:
            running = asyncio.create_task(Heartbeat(store, PATIENCE, listener.heard.release).run(stopping))
            await until(lambda: bool(said))

        assert {one["event"] for one in said} == {"store does not work; no sign of life is given"}
        assert listener.heard.locked()
    finally:
        hangs.set()
    await asyncio.gather(*hanging)
    await listener.next()
    stopping.set()
    await running


async def hang(store: Store, hangs: threading.Event) -> asyncio.Future[None]:
    """Hold one more writing thread until it is let go."""
    begun = threading.Event()

    def hold(_conn: Connection) -> None:
        begun.set()
        hangs.wait()

    held = asyncio.ensure_future(store.write(hold))
    assert await asyncio.to_thread(begun.wait, patience.PATIENCE)  # else one thread would take several as a batch
    return held


@pytest.mark.postgres
async def test_a_database_that_is_gone_is_not_our_failing(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.2)
    address = postgres.migrated()
    store = await asyncio.to_thread(open_store, address, tmp_path, MASTER)
    listener, stopping = Listener(), asyncio.Event()
    with shut(postgres, address):
        running = asyncio.create_task(Heartbeat(store, timedelta(minutes=1), listener.heard.release).run(stopping))
        await listener.next()
        stopping.set()
        await running
        store.stop_waiting()
    await asyncio.to_thread(store.close)
    postgres.drop(address)

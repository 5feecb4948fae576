"""SIGTERM ends the daemon in order and in time, whatever hangs; SIGHUP never ends it."""

from __future__ import annotations

import asyncio
import base64
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.ports import free_port
from tests.endtoend.installation import Installation
from tests.imap_server import Mailbox, misbehaving
from tests.service_manager import service_manager

pytestmark = pytest.mark.timeout(120)

KEY = base64.b64encode(b"k" * 32).decode()
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
MAILBOX = """
  director_mailbox: {{kind: mailbox, host: 127.0.0.1, port: {port}, tls: none, username: u, password: p, timeout: 10m}}
"""

Install = Callable[..., Installation]


@pytest.fixture
async def install(tmp_path: Path) -> AsyncIterator[Install]:
    made: list[Installation] = []

    def at(port: int, channels: str = " {}") -> Installation:
        made.append(Installation(tmp_path, written(port, channels), {}))
        return made[-1]

    yield at
    for one in made:
        await one.end()


def written(port: int, channels: str = " {}") -> str:
    return f"""
service: {{public_url: "http://127.0.0.1:{port}"}}
listen: {{port: {port}}}
log: {{format: json}}
sealing: {{key: {KEY}}}
targets: {{oa: {{url: http://127.0.0.1:9/, secret: {SECRET}, restricted: true}}}}
channels:{channels}
"""


@contextmanager
def full_server() -> Iterator[int]:
    """A server whose queue is full: who connects waits, and no other thread can wake it."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield int(server.getsockname()[1])


def waiting_for(port: int) -> int:
    """How many connections to it were begun and not answered (Linux: state SYN_SENT)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()]
    return sum(there.endswith(f":{port:04X}") and state == "02" for _, _, there, state, *_ in lines)


async def test_a_new_installation_is_said_in_the_log_once(install: Install) -> None:
    office = install(free_port())
    for _ in range(2):
        await office.start()
        await office.stop()

    assert office.said("new installation made", place=str(office.data)) == 1


async def test_a_mailbox_server_that_says_nothing_holds_up_no_stop(install: Install) -> None:
    mailbox = Mailbox(greeting=None)
    with misbehaving(mailbox) as port:
        office = install(free_port(), MAILBOX.format(port=port))
        await office.start()
        assert await asyncio.to_thread(mailbox.asked.wait, 30)

        assert await office.stop() < 5


async def test_a_thread_that_hangs_holds_up_no_stop(install: Install) -> None:
    with full_server() as port:
        office = install(free_port(), MAILBOX.format(port=port))
        await office.start()
        await office.until(lambda: waiting_for(port) == 2, "a thread waits with the one that is ours")

        assert await office.stop() < 9.9
    assert office.said("stopped") == 1


async def test_told_to_end_while_it_rereads_it_ends(install: Install) -> None:
    office = install(free_port())
    await office.start()
    office.process.send_signal(signal.SIGHUP)

    assert await office.stop() < 5


async def test_the_service_manager_hears_of_every_turn(tmp_path: Path) -> None:
    port = free_port()
    with service_manager(tmp_path) as manager:
        named = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "600000"}
        office = Installation(tmp_path, written(port), named)
        try:
            await office.start(begun=False)
            said = [await manager.heard_but_beats()]
            while await manager.heard() != "WATCHDOG=1":
                continue
            office.process.send_signal(signal.SIGHUP)
            said += [await manager.heard_but_beats() for _ in range(2)]
            office.config.write_text("nonsense: true", "utf-8")
            office.process.send_signal(signal.SIGHUP)
            said += [await manager.heard_but_beats() for _ in range(2)]
            await office.stop()
            said.append(await manager.heard_but_beats())
        finally:
            await office.end()

    works = "READY=1\nSTATUS=0 doors, 1 targets"
    refused = "READY=1\nSTATUS=configuration refused; the old one stays in force"
    assert [one if one.startswith("READY") else one.splitlines()[0] for one in said] == [
        works, "RELOADING=1", works, "RELOADING=1", refused, "STOPPING=1",
    ]  # fmt: skip


async def test_whoever_ends_a_hung_daemon_finds_where_every_thread_was(install: Install) -> None:
    office = install(free_port())
    await office.start()

    office.process.send_signal(signal.SIGABRT)

    assert await asyncio.wait_for(office.process.wait(), 30) == -signal.SIGABRT
    text = office.log.read_text("utf-8")
    assert "Fatal Python error: Aborted" in text
    assert "_write_forever" in text

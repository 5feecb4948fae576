"""A service manager for tests: the socket systemd would have named, and what was said to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ServiceManager:
    """Listens on a socket of its own."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listening.setblocking(False)
        self._listening.bind(self.address)

    async def heard(self) -> str:
        """The next message, whenever it comes."""
        return (await asyncio.get_running_loop().sock_recv(self._listening, 4096)).decode()

    async def heard_but_beats(self) -> str:
        """The next message that is no beat."""
        while (said := await self.heard()) == "WATCHDOG=1":
            continue
        return said

    def heard_by_now(self) -> list[str]:
        """What was said and not yet heard."""
        found: list[str] = []
        while True:
            try:
                found.append(self._listening.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._listening.close()


@contextmanager
def service_manager(folder: Path) -> Iterator[ServiceManager]:
    manager = ServiceManager(folder / "notify")
    try:
        yield manager
    finally:
        manager.close()

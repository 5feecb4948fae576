"""A whole town under faults: sources, doors, daemons on one store, an OA; every line between them can be struck."""

from __future__ import annotations

import asyncio
import base64
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from sqlalchemy import make_url

from store.engine import Store, open_store
from store.ledger import READY
from tests.dovecot import PASSWORD, running_dovecot
from tests.endtoend.letterbox import TO
from tests.endtoend.standins import Standins, standins
from tests.faults.oa import WORKFLOW, StandIn, standing_in
from tests.faults.proxy import Proxy, proxying, to_port, to_socket
from tests.faults.sources import Sources
from tests.faults.worker import Lines, Worker, configuration
from tests.postgres import Server, running_postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"
DISK = 512 * 2**20


@dataclass(frozen=True)
class Base:
    """A PostgreSQL and our database on it."""

    server: Server
    address: str

    @property
    def name(self) -> str:
        return str(make_url(self.address).database)

    @property
    def socket(self) -> str:
        return f"{self.server.folder}/.s.PGSQL.{self.server.port}"

    def through(self, port: int) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{port}/{self.name}"

    def say(self, statement: str) -> list[tuple[object, ...]]:
        """Execute in our database, past every proxy."""
        where = {"host": str(self.server.folder), "port": self.server.port, "user": "postgres", "dbname": self.name}
        with psycopg.connect(**where, autocommit=True) as conn:  # type: ignore[arg-type]  # psycopg's own keywords
            found = conn.execute(statement.encode())
            return found.fetchall() if found.description else []


@dataclass
class Disk:
    """A small disk of its own under a folder."""

    folder: Path

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free meanwhile."""
        ballast = self.folder / "ballast"
        with suppress(OSError), ballast.open("wb") as file:  # what works on it may have left no room even for that
            while True:
                file.write(bytes(2**20))
                file.flush()
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        try:
            yield
        finally:
            ballast.unlink(missing_ok=True)


@dataclass
class Town:
    """Made by `a_town`."""

    folder: Path
    store: str
    standins: Standins
    sources: Sources
    oa: StandIn
    doors: dict[str, Proxy]
    """By channel."""
    base: Base | None
    disk: Disk | None
    secrets: dict[str, str]
    data: Path
    archive: Path
    target: Mapping[str, Any]
    workers: list[Worker] = field(default_factory=list)
    _lines: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def hire(self, name: str, *, skewable: bool = False) -> Worker:
        """One more daemon, not started yet."""
        oa = await self._lines.enter_async_context(proxying(to_port(self.oa.port)))
        database, address = None, "sqlite"
        if self.base is not None:
            database = await self._lines.enter_async_context(proxying(to_socket(self.base.socket)))
            address = self.base.through(database.port)
        lines = Lines(
            oa=oa.port,
            sunshine=self.doors["sunshine"].port,
            hotline=self.doors["hotline"].port,
            mailbox=self.doors["director_mailbox"].port,
            letters=self.standins.letters,
            archive=self.archive,
            database=address,
            data=self.data,
        )
        worker = Worker(
            name,
            self.folder / name,
            configuration(lines, TO, self.target),
            self.secrets,
            oa=oa,
            database=database,
            skewable=skewable,
        )
        self.workers.append(worker)
        return worker

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Matters keep coming meanwhile."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            arrived, idle = (lambda: len(self.oa.cases)), (lambda: self.oa.under_way < 3)
            group.create_task(self.sources.keep_coming(arrived, idle, over))
            yield
            over.set()

    def leased(self, lane: str = "%") -> int:
        """Steps in somebody's hands (PostgreSQL)."""
        assert self.base is not None
        return int(str(self.base.say(f"SELECT count(*) FROM ledger WHERE leased AND lane LIKE '{lane}'")[0][0]))

    async def doors_are_free(self) -> None:
        """The leases of doors run out, as after a minute: who kept them is dead."""
        if self.base is not None:
            await asyncio.to_thread(self.base.say, "UPDATE channel SET kept_until = 0")

    async def hours_pass(self) -> None:
        """Of all steps: leases have run out, and what was put off is due. No daemon lives meanwhile."""
        due = f"UPDATE ledger SET due = 0 WHERE state = '{READY}'"
        if self.base is not None:
            await self.doors_are_free()
            await asyncio.to_thread(self.base.say, due)
        else:
            with closing(sqlite3.connect(self.data / "xinqiao.db")) as database, database:
                database.execute(due)

    def opened(self) -> Store:
        """The store itself, while no daemon is at work on it."""
        key = base64.b64decode(self.secrets["XINQIAO_KEY"])
        return open_store(self.base.address if self.base else SQLITE, self.data, key)

    async def end(self) -> None:
        for worker in self.workers:
            await worker.end()
        await self._lines.aclose()


@asynccontextmanager
async def a_town(
    place: Path, store: str, dice: Random, *, think: float = 0.15, target: Mapping[str, Any] | None = None
) -> AsyncIterator[Town]:
    """Its OA thinks so long over an event; `target`: what its daemons are told of it besides. No daemon yet."""
    async with AsyncExitStack() as stack:
        dovecot = stack.enter_context(running_dovecot())
        base = None
        if store == POSTGRESQL:
            server = stack.enter_context(running_postgres())
            base = Base(server, server.migrated())
        others = await stack.enter_async_context(standins(place / "standins", "sunshine,hotline,letters"))
        keys = others.keys
        open_secret, discipline = keys["OA_WEBHOOK_SECRET"], keys["OA_DISCIPLINE_SECRET"]
        secrets = {"": open_secret, "discipline": discipline, WORKFLOW: open_secret}
        for folder in ("oa", "data"):
            (place / folder).mkdir(parents=True)
        oa = await stack.enter_async_context(standing_in(place / "oa", secrets, think))
        behind = {
            "sunshine": port_of(others.places["sunshine"]),
            "hotline": port_of(others.places["hotline"]),
            "director_mailbox": dovecot.port,
        }
        doors = {name: await stack.enter_async_context(proxying(to_port(port))) for name, port in behind.items()}
        data = place / "data"
        town = Town(
            folder=place,
            store=store,
            standins=others,
            sources=Sources(others, dovecot, dice),
            oa=oa,
            doors=doors,
            base=base,
            disk=stack.enter_context(small_disk(data)) if store == SQLITE and not target else None,
            secrets={**keys, "MAILBOX_PASSWORD": PASSWORD},
            data=data,
            archive=place / "archive",
            target=target or {},
        )
        stack.push_async_callback(town.end)
        yield town


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """A tmpfs there, if we may mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])

"""One petition's way through the parts of a daemon, again and again, each time while another call fails.

The petition comes with an attachment, from a platform to the OA. Each way begins in a new installation, and ends when
the OA has all of it and nothing waits any more.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import randint

import pytest
from sqlalchemy import Connection, func, select

from ingest.app import Daemon
from ingest.config import Config
from ingest.office import open_office
from sandbox.sunshine import SunshinePlatform
from store.engine import Store
from store.schema import ledger
from tests.clock import utc_now
from tests.dispatch.receiver import Receiver
from tests.faults.seams import Trap
from tests.ingest.config_files import SEALING, loaded
from tests.postgres import Server

MOMENT, SLEEP = timedelta(milliseconds=30), timedelta(seconds=1)
"""How long is waited after a failure, and how long is slept where no hint of work comes."""
STUCK = 1.5
"""Seconds in which nothing changes, after which time passes: leases run out."""
LONG = timedelta(minutes=6)
PATIENCE = 120
STAGES = frozenset({"poll", "read", "dispatch", "keep"})

Watch = Callable[[pytest.MonkeyPatch, Trap], None]


@dataclass
class Clock:
    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@dataclass
class OneWay:
    """A platform with one petition, an OA, and where the installations between them are made."""

    folder: Path
    platform: SunshinePlatform
    oa: Receiver
    server: Server | None
    """None: the store is SQLite's."""
    step: int = 1
    """Of so many calls, one by chance."""
    clock: Clock = field(default_factory=Clock)

    @property
    def data(self) -> Path:
        return self.folder / "installation" / "data"

    async def every(self, watch: Watch, *, after: bool = False) -> int:
        """Let each call that `watch` watches fail in turn, until there are no more; how many there were."""
        number = randint(1, self.step)
        calls = number
        while number <= calls:
            with pytest.MonkeyPatch.context() as patching:
                calls = await self._go(watch, patching, Trap(number, after=after))
            number += self.step
        return calls

    async def _go(self, watch: Watch, patching: pytest.MonkeyPatch, trap: Trap) -> int:
        """Once; how many calls there were. Raises AssertionError unless the petition arrives, once."""
        address = self._prepared()
        config = self._config(address)
        self.oa.received.clear()
        self.clock.ahead = timedelta(0)
        watch(patching, trap)
        await self._run(config)
        patching.undo()
        if self.server is not None:
            self.server.drop(address)
        self._check(trap.number)
        return trap.count

    def _prepared(self) -> str:
        """A new store with its tables made; how it is addressed."""
        place, template = self.data.parent, self.folder / "template"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if self.server is not None:
            return self.server.migrated()
        if not template.exists():
            open_office(self._config("sqlite")).store.close()
            self.data.rename(template)
        shutil.copytree(template, self.data)
        return "sqlite"

    def _config(self, address: str) -> Config:
        return loaded(
            self.data.parent,
            f"""
            database: {address}
            {SEALING}
            data: {{folder: data}}
            channels:
              sunshine:
                {{kind: sunshine, every: 1s, start_from: all, base_url: '{self.platform.url}',
                 app_id: xinqiao, app_secret: sunshine-secret}}
            targets:
              oa:
                {{url: '{self.oa.url}', secret: '${{SECRET}}', restricted: true,
                 retry: {{first: 30ms, longest: 60ms}}}}
            """,
        )

    async def _run(self, config: Config) -> None:
        try:
            daemon = await self._opened(config)
        except Exception:  # noqa: BLE001 - whatever the call that failed made of it: it is started once more
            daemon = await self._opened(config)
        working = asyncio.create_task(daemon.work())
        try:
            async with asyncio.timeout(PATIENCE):
                await self._arrival(daemon.office.store, working)
        finally:
            daemon.stopping.set()
            await asyncio.wait([working])
            await daemon.close()
        assert working.exception() is None

    async def _opened(self, config: Config) -> Daemon:
        office = await asyncio.to_thread(open_office, config, self.clock)
        daemon = Daemon(office, STAGES)
        try:
            await daemon.open()
        except BaseException:
            await daemon.close()
            raise
        return daemon

    async def _arrival(self, store: Store, working: asyncio.Task[None]) -> None:
        """Return when the OA has all of it and nothing waits; where all is still, time passes."""
        loop = asyncio.get_running_loop()
        seen, since = (0, 0, 0), loop.time()
        while not working.done():
            with suppress(Exception):  # our own look may be the call that fails
                steps, fences = await store.read(_work)
                if steps == 0 and self.oa.received and is_whole(self.oa.received[-1].body):
                    return
                if (state := (len(self.oa.received), steps, fences)) != seen:
                    seen, since = state, loop.time()
            if loop.time() - since > STUCK:
                self.clock.ahead += LONG
                since = loop.time()
            await asyncio.sleep(0.01)
        raise AssertionError("the daemon ended by itself") from working.exception()

    def _check(self, number: int) -> None:
        bodies: dict[str, bytes] = {}
        for one in self.oa.received:
            assert bodies.setdefault(one.headers["webhook-id"], one.body) == one.body
        told = [json.loads(body) for body in bodies.values()]
        revisions = [one["data"]["case"]["revision"] for one in told]
        assert len({one["data"]["case"]["case_id"] for one in told}) == 1, f"call {number}: two cases"
        assert [one["type"] for one in told].count("case.created") == 1, f"call {number}: created twice"
        assert revisions == sorted(set(revisions)), f"call {number}: {revisions}"


def is_whole(body: bytes) -> bool:
    """Whether this event shows the case with its attachment."""
    parts = json.loads(body)["data"]["case"]["attachments"]
    return bool(parts) and all(part["state"] == "stored" for part in parts)


def _work(conn: Connection) -> tuple[int, int]:
    row = conn.execute(select(func.count(), func.coalesce(func.sum(ledger.c.fence), 0)).select_from(ledger)).one()
    return int(row[0]), int(row[1])

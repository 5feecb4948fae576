"""A daemon in this process whose clock is ours: hours go by in the time its loops need to look around once.

All loops are the daemon's own and in a hurry; for the doors' schedules, which go by real time, the simulation rings.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Connection, or_, select
from standardwebhooks import Webhook

from adapters.feed import adapter as feed
from dispatch import worker
from ingest import clock_keeper, depot_watch, poller, stage
from ingest.alarms import keeper
from ingest.app import Daemon
from ingest.config import load
from ingest.office import open_office
from ingest.register import load_case
from normalize.case import Case
from normalize.dates import CHINA
from sandbox.hotline import Hotline
from sandbox.ports import free_port
from sandbox.sunshine import SunshinePlatform
from store import ledger
from store.schema import cases, channel
from store.schema import ledger as steps
from tests.dispatch.receiver import Receiver, receiving
from tests.ingest.config_files import ENVIRONMENT, SEALING

MOMENT = timedelta(milliseconds=20)
DAY_SHIFT = range(7, 20)
PATIENCE = 60.0
REPORTS = "whsec_" + "cmVwb3J0cy1rZXktb2YtdGhlLXNpbXVsYXRlZC13ZWVr"


def at(text: str) -> datetime:
    """Such as 12-28 09:00, in the winter of 2026."""
    year = "2026" if text.startswith("12") else "2027"
    return datetime.fromisoformat(f"{year}-{text}").replace(tzinfo=CHINA)


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Rounds:
    """How often a loop that goes by the clock, not by what it is told, has begun its round and ended it."""

    begun: int = 0
    ended: int = 0

    def counting(self, of_round: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def counted(*args: Any) -> None:
            self.begun += 1
            try:
                await of_round(*args)
            finally:
                self.ended += 1

        return counted


@dataclass(frozen=True)
class Told:
    """An alarm that reached its sink."""

    at: datetime
    state: str
    kind: str
    text: str


@dataclass
class World:
    """Two doors, an OA, a sink of alarms and the daemon between them."""

    folder: Path
    clock: Clock
    sunshine: SunshinePlatform
    hotline: Hotline
    oa: Receiver
    robot: Receiver
    port: int = field(default_factory=free_port)
    alarms: list[Told] = field(default_factory=list)
    events: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    """Their ids."""
    daemon: Daemon | None = None
    rounds: tuple[Rounds, ...] = field(default_factory=lambda: (Rounds(), Rounds()))
    """Of the alarms' keeper and the clocks'."""
    answers: Callable[[], bool] = field(default=lambda: True)
    """Whether the OA does."""

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def calendar(self) -> Path:
        return self.folder / "calendar.yaml"

    def write_config(self, more: str = "") -> None:
        self.config.write_text(
            f"""
service: {{language: en}}
listen: {{port: {self.port}}}
{SEALING}
data: {{folder: data}}
calendar: calendar.yaml
channels:
  sunshine: {{kind: sunshine, every: 30m, start_from: all, base_url: '{self.sunshine.url}',
             app_id: xinqiao, app_secret: sunshine-secret}}
  hotline: {{kind: hotline, every: 30m, start_from: all, base_url: '{self.hotline.url}',
            app_id: xinqiao, app_secret: hotline-secret}}
targets:
  oa: {{url: '{self.oa.url}', secret: '${{SECRET}}', restricted: true, reports: {{secret: '${{REPORTS}}'}}}}
alarms:
  sinks: {{robot: {{kind: webhook, url: '{self.robot.url}',
          body: {{kind: '{{{{ kind }}}}', state: '{{{{ state }}}}', text: '{{{{ text }}}}'}}}}}}
  nothing_new: 3
  digest: {{at: '08:10', sinks: [robot]}}
{more}""",
            "utf-8",
        )

    async def pass_to(self, moment: str) -> None:
        """Let the hours go by, each with all that is due in it; at night only some of them."""
        until = at(moment)
        while self.clock.now < until:
            following = self.clock.now + timedelta(minutes=30)
            if following.hour not in DAY_SHIFT:
                following += timedelta(hours=1)
            self.clock.now = min(following, until)
            await self.settle()

    async def settle(self) -> None:
        """Until the doors were visited, nothing can be done any more, and who looks at the clock has looked twice
        since: what one loop ends may be another's beginning.
        """
        assert self.daemon is not None
        for job in self.daemon._scheduler.get_jobs():
            await job.func()
        loop = asyncio.get_running_loop()
        end, quiet_at = loop.time() + PATIENCE, None
        while quiet_at is None or any(one.ended < at + 2 for one, at in zip(self.rounds, quiet_at, strict=True)):
            await asyncio.sleep(0.01)
            if busy := await self.read(self._busy):
                quiet_at = None
            elif quiet_at is None:
                quiet_at = [one.begun for one in self.rounds]
            assert loop.time() < end, f"{self.clock.now}: {busy or 'a loop does not look'}"

    async def read(self, act: Callable[[Connection], Any]) -> Any:
        assert self.daemon is not None
        return await self.daemon.office.store.read(act)

    async def case(self, source_no: str) -> dict[str, Any]:
        """As it stands."""
        assert self.daemon is not None
        office = self.daemon.office
        wanted = select(cases.c.case_id).where(cases.c.source_no == source_no)
        case_id = str(await self.read(lambda conn: conn.execute(wanted).scalar_one()))
        found: Case = await self.read(lambda conn: load_case(conn, office.store.sealer, case_id))
        return found.model_dump(mode="json")

    async def reread(self) -> None:
        """As SIGHUP does, until it is known what came of it."""
        assert self.daemon is not None
        before = self.daemon.in_force.read_at, self.daemon.in_force.refused
        self.daemon.reread()
        async with asyncio.timeout(PATIENCE):
            while (self.daemon.in_force.read_at, self.daemon.in_force.refused) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await self.settle()

    async def report(self, case_id: str, type_: str, **more: Any) -> int:
        """What the OA reports; the status of the answer."""
        body = json.dumps({"case_id": case_id, "type": type_, "at": self.clock.now.isoformat(), **more})
        name = f"rep-{case_id}-{type_}"
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(self.clock.now.timestamp())),
            "webhook-signature": Webhook(REPORTS).sign(name, self.clock.now.astimezone(UTC), body),
        }
        url = f"http://127.0.0.1:{self.port}/api/v1/reports"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status

    async def page(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.text()

    def note(self, body: bytes) -> web.Response | None:
        """The OA takes an event, or is down."""
        if not self.answers():
            return web.Response(status=503)
        self.events.append((self.clock.now, json.loads(body)))
        self.taken.append(self.oa.received[-1].headers["webhook-id"])
        return None

    def hear(self, body: bytes) -> None:
        """An alarm reaches its sink."""
        said = json.loads(body)
        self.alarms.append(Told(self.clock.now, said["state"], said["kind"], said["text"]))

    def told(self, kind: str) -> list[tuple[str, str]]:
        """When, to the minute, and how an alarm was told."""
        return [(f"{one.at:%m-%d %H:%M}", one.state) for one in self.alarms if one.kind == kind]

    def events_of(self, source_no: str) -> list[tuple[str, str, dict[str, Any]]]:
        """When and of what type the OA took events of a matter, with their data."""
        return [
            (f"{moment:%m-%d %H:%M}", told["type"], told["data"])
            for moment, told in self.events
            if told["data"]["case"]["source_no"] == source_no
        ]

    def _busy(self, conn: Connection) -> list[Any]:
        """Doors not visited yet, and what is ready or under way, except for an OA that is down."""
        now = self.clock.now
        unvisited = select(channel.c.name).where(or_(channel.c.last_poll_at.is_(None), channel.c.last_poll_at < now))
        begun = steps.c.leased | (steps.c.due <= now)
        waits = select(steps.c.lane, steps.c.due, steps.c.reason).where(steps.c.state == ledger.READY, begun)
        if not self.answers():
            waits = waits.where(steps.c.lane != "push:oa")
        return [*conn.execute(unvisited), *conn.execute(waits)]


@asynccontextmanager
async def a_world(folder: Path, begins: str, patch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The stand-ins stand; the daemon is begun by `living`."""
    for module, name in (
        (stage, "IDLE"), (worker, "IDLE"), (keeper, "BEAT"), (keeper, "LOOKS_AT_ONCE"), (clock_keeper, "BEAT"),
        (depot_watch, "EVERY"), (poller, "BACKOFF_FIRST"), (poller, "BACKOFF_LONGEST"),
    ):  # fmt: skip
        patch.setattr(module, name, MOMENT)
    for name, value in (ENVIRONMENT | {"REPORTS": REPORTS}).items():
        patch.setenv(name, value)
    clock = Clock(at(begins))

    class Simulated(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Simulated:
            return cls.fromtimestamp(clock.now.timestamp(), tz)

    patch.setattr(feed, "datetime", Simulated)
    async with (
        SunshinePlatform(clock=clock, token_life=timedelta(days=30)) as sunshine,
        Hotline(clock=clock) as hotline,
        receiving() as oa,
        receiving() as robot,
    ):
        world = World(folder, clock, sunshine, hotline, oa, robot)
        oa.judge, robot.judge = world.note, world.hear
        of_alarms, of_clocks = world.rounds
        patch.setattr(keeper.AlarmKeeper, "look", of_alarms.counting(keeper.AlarmKeeper.look))
        patch.setattr(clock_keeper.ClockKeeper, "round", of_clocks.counting(clock_keeper.ClockKeeper.round))
        yield world


@asynccontextmanager
async def living(world: World) -> AsyncIterator[None]:
    """The daemon at work, as its configuration says."""
    config = load(world.config)
    office = await asyncio.to_thread(open_office, config, world.clock)
    world.daemon = daemon = Daemon(office, file=world.config)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(daemon.close)
        await daemon.open()
        working = asyncio.create_task(daemon.work())
        stack.push_async_callback(asyncio.wait, [working])
        stack.callback(daemon.stopping.set)
        yield
    await working

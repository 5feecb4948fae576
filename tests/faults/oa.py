"""The stand-in OA: a durable ledger of all that came, independent verification, and a mood that can be foul.

Its routes: "" takes an event once however often it comes, "discipline" as well, for restricted cases; "workflow" knows
nothing again: every POST opens a case there, and what it has opened can be looked up.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from sandbox.oa import Ledger
from tests.faults.moods import Mood

WORKFLOW = "workflow"
ROUTES = {"oa": "", "discipline": "discipline", WORKFLOW: WORKFLOW}
"""By target."""
DRIP = 0.05


@dataclass(frozen=True)
class Arrival:
    """An event that came for the first time."""

    at: float
    """By the loop's clock."""
    route: str
    case_id: str
    channel: str | None


@dataclass
class StandIn:
    """Made by `standing_in`."""

    secrets: Mapping[str, str]
    ledger: Ledger
    opened: sqlite3.Connection
    think: float
    port: int = 0
    mood: Mood | None = None
    poisoned: str | None = None
    """Events of this case always fail; "next": of the next case that is new."""
    hits: int = 0
    """Answers given in the present mood, or to the poisoned case."""
    arrivals: list[Arrival] = field(default_factory=list)
    cases: set[str] = field(default_factory=set)
    """Those it has, be it openly or in confidence."""
    posts: int = 0
    under_way: int = 0
    _come: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def in_mood(self, mood: Mood) -> AsyncIterator[None]:
        self.mood, self.hits = mood, 0
        try:
            yield
        finally:
            self.mood = None
            async with self._come:
                self._come.notify_all()

    async def until(self, holds: Callable[[], bool], patience: float) -> bool:
        """Wait until something holds that a request may bring about; whether it does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience), self._come:
                await self._come.wait_for(holds)
        return holds()

    async def first_after(self, moment: float, patience: float, channel: str | None = None) -> float | None:
        """When the first new event came after a moment (through one door), by the loop's clock."""

        def found() -> list[Arrival]:
            late: list[Arrival] = []
            for one in reversed(self.arrivals):
                if one.at <= moment:
                    break
                if channel is None or one.channel == channel:
                    late.append(one)
            return late

        await self.until(lambda: bool(found()), patience)
        return found()[-1].at if found() else None

    async def receive(self, request: web.Request) -> web.StreamResponse:
        route = request.match_info.get("route", "")
        try:
            body = await request.read()
        except OSError:  # cut off on its way
            return web.Response(status=400)
        self.posts += 1
        self.under_way += 1
        try:
            return await self._answered(request, route, body)
        finally:
            self.under_way -= 1
            async with self._come:
                self._come.notify_all()

    async def look_up(self, request: web.Request) -> web.StreamResponse:
        number = self.opened.execute("SELECT number FROM opened WHERE event = ?", (request.query["event"],)).fetchone()
        return web.json_response({"found": number is not None, "id": number and f"W-{number[0]}"})

    def opened_twice(self) -> list[str]:
        again = self.opened.execute("SELECT event FROM opened GROUP BY event HAVING count(*) > 1")
        return [event for (event,) in again]

    async def _answered(self, request: web.Request, route: str, body: bytes) -> web.StreamResponse:
        event_id = request.headers.get("webhook-id", "")
        try:
            Webhook(self.secrets[route]).verify(body, {name.lower(): value for name, value in request.headers.items()})
        except (KeyError, WebhookVerificationError) as error:
            self.ledger.refuse(route, event_id, repr(error), datetime.now(UTC))
            return web.json_response({"code": 401}, status=401)
        case = json.loads(body)["data"]["case"]
        if self.poisoned == "next" and self.ledger.case(route, case["case_id"]) is None:
            self.poisoned = case["case_id"]
        if case["case_id"] == self.poisoned:
            await self._note()
            return web.Response(status=500)
        mood = self.mood
        if mood is not None and mood.route in (None, route):
            await self._note()
            if mood.takes:
                self._take(event_id, route, body, case)
            return await self._spoil(request, mood)
        await asyncio.sleep(self.think)
        number = self._take(event_id, route, body, case)
        return web.json_response({"code": 0, "id": number})

    async def _note(self) -> None:
        """It is about to answer foully."""
        self.hits += 1
        async with self._come:
            self._come.notify_all()

    def _take(self, event_id: str, route: str, body: bytes, case: Mapping[str, object]) -> str:
        if route == WORKFLOW:
            self.opened.execute("INSERT INTO opened (event) VALUES (?)", (event_id,))
        kept = self.ledger.take(event_id, route, body, datetime.now(UTC))
        if kept.first:
            channel = case.get("channel")
            now = asyncio.get_running_loop().time()
            if channel:  # else it was told the numbers only
                self.cases.add(str(case["case_id"]))
            self.arrivals.append(Arrival(now, route, str(case["case_id"]), str(channel) if channel else None))
        return kept.oa_id

    async def _spoil(self, request: web.Request, mood: Mood) -> web.StreamResponse:
        answer = mood.answer(request)
        if mood.lasts:
            await self.until(lambda: self.mood is not mood, 600)
        if mood.endless:
            await answer.prepare(request)
            with suppress(OSError):
                while self.mood is mood:
                    await answer.write(b"x" * 8192)
                    await asyncio.sleep(DRIP)
        return answer


@asynccontextmanager
async def standing_in(place: Path, secrets: Mapping[str, str], think: float) -> AsyncIterator[StandIn]:
    opened = sqlite3.connect(place / "opened.db", isolation_level=None)
    opened.executescript(
        "PRAGMA journal_mode = WAL; CREATE TABLE opened (number INTEGER PRIMARY KEY, event TEXT);"
        "CREATE INDEX opened_event ON opened (event);"
    )
    oa = StandIn(secrets, Ledger(place / "oa.db"), opened, think)
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/webhook", oa.receive)
    app.router.add_post("/webhook/{route}", oa.receive)
    app.router.add_get("/webhook/{route}/lookup", oa.look_up)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    oa.port = runner.addresses[0][1]
    try:
        yield oa
    finally:
        await runner.cleanup()
        oa.ledger.close()
        opened.close()

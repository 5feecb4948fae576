"""A petition office for a day: four doors, three targets, a robot that takes alarms, and people with accounts."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook

from sandbox.chinatime import now
from sandbox.hotline import Hotline
from sandbox.matters import Matter, matter
from sandbox.oa import OaInbox
from sandbox.scans import pages_of
from sandbox.sunshine import SunshinePlatform
from tests.dovecot import PASSWORD, Dovecot, running_dovecot
from tests.endtoend import accusations
from tests.endtoend.installation import Installation
from tests.endtoend.letterbox import TO, letters
from tests.endtoend.office import configuration
from tests.endtoend.recorder import Recorder, recording

ROLES = ("operator", "clerk", "discipline", "leader", "auditor")
OTHERS = tuple(role for role in ROLES if role != "discipline")
LOGIN = "桥上有灯-夜航2026"
SEED = 11
_KEY = base64.b64encode(b"k" * 32).decode()
_SECRETS = {
    route: "whsec_" + base64.b64encode(route.encode() * 4).decode() for route in ("oa-main", "office-9", "counts")
}
_REPORTS = "whsec_" + base64.b64encode(b"reports of discipline, signed").decode()
_TOKENS = {
    "oa": "token-of-the-oa-000001",
    "discipline": "token-of-discipline-02",
    "statistics": "token-of-statistics-03",
}
_MORE = """
  statistics:
    url: {oa}/webhook/statistics
    secret: ${{STATISTICS_SECRET}}
    token: ${{STATISTICS_TOKEN}}
    restricted: numbers
alarms:
  sinks:
    duty: {{kind: webhook, url: {robot}}}
  digest: {{at: "00:00", sinks: [duty]}}
"""


class Robot:
    """Takes alarms."""

    def __init__(self) -> None:
        self.told: list[bytes] = []

    async def take(self, request: web.Request) -> web.Response:
        self.told.append(await request.read())
        return web.json_response({"errcode": 0})

    def alarms(self) -> list[str]:
        return [json.loads(body)["text"] for body in self.told]


@dataclass(frozen=True)
class Bureau:
    office: Installation
    sunshine: SunshinePlatform
    hotline: Hotline
    scans: Path
    dovecot: Dovecot
    recorder: Recorder
    oa: OaInbox
    robot: Robot
    temporary: Path
    """The daemon's own TMPDIR."""

    @property
    def url(self) -> str:
        port = self.office.config.read_text("utf-8").partition("port: ")[2].split()[0]
        return f"http://127.0.0.1:{port}"

    async def accuse(self) -> None:
        """Three accusations arrive, each at a door of its own."""
        await self.post(accusations.mail())
        self.hotline.register(accusations.call(), now())
        name, content = await asyncio.to_thread(accusations.letter, now())
        self.drop(name, content)

    async def post(self, *mails: bytes) -> None:
        await asyncio.to_thread(self.dovecot.append, TO, *mails)

    def drop(self, name: str, content: bytes) -> None:
        part = self.scans / f".{name}.part"
        part.write_bytes(content)
        part.rename(self.scans / name)

    @contextmanager
    def refused(self) -> Iterator[None]:
        """Whatever is sent meanwhile, no target takes it."""
        self.recorder.refuse = 422
        try:
            yield
        finally:
            self.recorder.refuse = None

    def told(self, route: str) -> list[dict[str, Any]]:
        """What a target was sent, in order."""
        return [json.loads(one.body) for one in self.recorder.attempts if one.route == route]

    async def report(self, case_id: str, what: str, text: str) -> int:
        """The discipline line's system says what became of a case; the answer's status."""
        at = datetime.now(UTC)
        said = {"case_id": case_id, "type": what, "at": at.isoformat(), "text": text}
        body = json.dumps(said, ensure_ascii=False)
        headers = {
            "webhook-id": f"rep_{case_id}_{what}",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(_REPORTS).sign(f"rep_{case_id}_{what}", at, body),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/api/v1/reports", data=body.encode(), headers=headers) as answer,
        ):
            return answer.status

    async def ask(self, path: str, target: str = "") -> tuple[int, bytes]:
        """Over HTTP, as a target with its token, or as nobody."""
        headers = {"Authorization": f"Bearer {_TOKENS[target]}"} if target else {}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}{path}", headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.read()


@asynccontextmanager
async def a_bureau(place: Path) -> AsyncIterator[Bureau]:
    """At work since this morning: ordinary matters have come, a scan that cannot be read, and three accusations."""
    scans, temporary, robot = place / "scans", place / "tmp", Robot()
    for folder in (scans, temporary):
        folder.mkdir()
    secrets = dict(zip(("", "discipline", "statistics"), _SECRETS.values(), strict=True))
    async with AsyncExitStack() as stack:
        dovecot = stack.enter_context(running_dovecot())
        sunshine = await stack.enter_async_context(SunshinePlatform())
        hotline = await stack.enter_async_context(Hotline())
        oa = await stack.enter_async_context(OaInbox(place / "oa.sqlite", secrets))
        recorder = await stack.enter_async_context(recording(secrets, oa.url))
        url = await stack.enter_async_context(_listening(robot))
        usual = configuration(
            place / "office", sunshine=sunshine.url, hotline=hotline.url, mailbox=dovecot.port, user=TO, letters=scans,
            oa=recorder.url,
        )  # fmt: skip
        patient = usual.replace("settle_after: 100ms", "settle_after: 100ms\n    patience: 1s")
        reporting = patient.replace("restricted: only", "restricted: only\n    reports: {secret: '${REPORTS_SECRET}'}")
        config = reporting + _MORE.format(oa=recorder.url, robot=url).lstrip("\n")
        office = Installation(place / "office", config, {**_environment(), "TMPDIR": str(temporary)})
        stack.push_async_callback(office.end)
        bureau = Bureau(office, sunshine, hotline, scans, dovecot, recorder, oa, robot, temporary)
        await _morning(bureau)
        yield bureau
        assert await office.stop() < 10


async def _morning(bureau: Bureau) -> None:
    for number, one in enumerate(ordinary(8)):
        (bureau.sunshine if number % 2 else bureau.hotline).register(one, now())
    await bureau.post(*(one.raw for one in letters(12) if not one.confidential))
    bureau.drop("half.jpg", _half_written())
    await bureau.accuse()
    await bureau.office.start()
    await asyncio.gather(*(_employ(bureau.office, role) for role in ROLES))
    await bureau.office.at_rest()


async def _employ(office: Installation, role: str) -> None:
    said = await office.command("user", "add", role, "--role", role, "--password-stdin", stdin=f"{LOGIN}\n")
    assert said.status == 0, said.err


def ordinary(count: int) -> list[Matter]:
    """Matters of the invented city in which nobody accuses anybody; the first and the fourth are of one person."""
    matters = (matter(SEED, number) for number in range(4, 1000))
    open_ones = (
        one for one in matters if one.situation.purpose != "检举控告" and one.citizens and not one.confidential
    )
    return list(islice(open_ones, count))


def _half_written() -> bytes:
    """The scanner died within the page: a person can still read how it begins."""
    buffer = BytesIO()
    page = pages_of(replace(matter(SEED, 5), handwritten=False), now())[0]
    page.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()[: buffer.tell() * 2 // 3]


def _environment() -> dict[str, str]:
    names = ("OA_WEBHOOK_SECRET", "OA_DISCIPLINE_SECRET", "STATISTICS_SECRET")
    tokens = ("OA_TOKEN", "OA_DISCIPLINE_TOKEN", "STATISTICS_TOKEN")
    return {
        "XINQIAO_KEY": _KEY, "REPORTS_SECRET": _REPORTS, "MAILBOX_PASSWORD": PASSWORD,
        "SUNSHINE_APP_SECRET": "sunshine-secret", "HOTLINE_APP_SECRET": "hotline-secret",
        **dict(zip(names, _SECRETS.values(), strict=True)), **dict(zip(tokens, _TOKENS.values(), strict=True)),
    }  # fmt: skip


@asynccontextmanager
async def _listening(robot: Robot) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/", robot.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()

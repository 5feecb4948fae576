"""A daemon takes up another configuration while it works: what did not change hears nothing of it."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from sandbox.ports import free_port
from tests.dovecot import PASSWORD, Dovecot, running_dovecot
from tests.endtoend.installation import Installation

pytestmark = pytest.mark.timeout(180)

KEYS = [base64.b64encode(byte * 32).decode() for byte in (b"k", b"x")]
SECRETS = ["whsec_" + base64.b64encode(byte * 32).decode() for byte in (b"s", b"t")]
REREAD, REFUSED = "configuration reread", "configuration refused; the old one stays in force"
NUMBERS = count(1)
WORDS = "局长您好：食堂的菜越来越咸，希望学校商量一下。\n\n欧阳若岚\n电话：13700000001"
ACCUSATION = "举报某某学校校长张某某收受家长贿赂、违规招生，请纪检部门查处。\n\n欧阳若岚\n电话：13700000001"


def mail(text: str = WORDS) -> bytes:
    message, number = EmailMessage(policy=SMTP), next(NUMBERS)
    message["Message-ID"] = f"<reload-{number}@letters.example>"
    message["From"], message["To"] = "w@letters.example", "juzhang@jy.example"
    message["Subject"] = f"来信 {number}"
    message["Date"] = "Mon, 02 Mar 2026 09:14:55 +0800"
    message.set_content(text)
    return message.as_bytes()


@dataclass
class Oa:
    """Takes whatever comes; by route the events with the number of the secret that signed each."""

    url: str = ""
    took: dict[str, list[tuple[str, int | None]]] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        signed = next((number for number, one in enumerate(SECRETS) if _fits(one, body, request.headers)), None)
        self.took.setdefault(request.match_info["route"], []).append((json.loads(body)["type"], signed))
        return web.json_response({})

    def count(self, route: str) -> int:
        return len(self.took.get(route, []))


def _fits(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    except WebhookVerificationError:
        return False
    return True


@dataclass
class Bureau:
    """Two mailboxes, an OA with as many receivers as are wanted, and a configuration to change."""

    office: Installation
    dovecot: Dovecot
    oa: Oa
    port: int

    def text(
        self,
        *,
        second: str = "every: 1s",
        targets: str = "",
        port: int | None = None,
        key: str = KEYS[0],
        level: str = "info",
    ) -> str:
        box = f"kind: mailbox, host: 127.0.0.1, port: {self.dovecot.port}, tls: none, password: {PASSWORD}"
        box += ", start_from: all"
        return f"""
log: {{format: json, level: {level}}}
listen: {{port: {port or self.port}}}
sealing: {{key: {key}}}
channels:
  first: {{{box}, username: first@jy.example, every: 1s}}
  second: {{{box}, username: second@jy.example, {second}}}
targets:
  oa: {{url: "{self.oa.url}/oa", secret: "file:oa.secret"}}
{targets}
"""

    def target(self, name: str, **keys: str) -> str:
        more = "".join(f", {key}: {value}" for key, value in keys.items())
        return f'  {name}: {{url: "{self.oa.url}/{name}", secret: {SECRETS[0]}{more}}}\n'

    def put(self, text: str) -> None:
        """As an editor saves: beside, then in its place."""
        beside = self.office.config.with_suffix(".new")
        beside.write_text(text, "utf-8")
        beside.replace(self.office.config)

    def hang_up(self) -> None:
        self.office.process.send_signal(signal.SIGHUP)

    def logins(self, user: str) -> int:
        """Of the daemon, and one for every mail we put there."""
        return sum(
            "Login: user=" in line and f"<{user}@jy.example>" in line
            for line in self.dovecot.log.read_text("utf-8", "replace").splitlines()
        )

    async def reread(self, times: int, **facts: object) -> None:
        await self.office.until(lambda: self.office.said(REREAD, **facts) >= times, "it takes the file up")

    async def refused(self, times: int) -> list[str]:
        """What was wrong with the last file, once so many were refused."""
        await self.office.until(lambda: self.office.said(REFUSED) >= times, "it refuses the file")
        problems: list[str] = [line for line in self.office.log_lines() if line["event"] == REFUSED][-1]["problems"]
        return problems

    async def took(self, route: str, wanted: int) -> None:
        await self.office.until(lambda: self.oa.count(route) >= wanted, f"{route} takes {wanted}")

    async def metrics(self, port: int | None = None) -> dict[str, float]:
        place = f"http://127.0.0.1:{port or self.port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(place) as answer:
            lines = (await answer.text()).splitlines()
        return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines if one[:1] != "#")}


@pytest.fixture
async def bureau(tmp_path: Path) -> AsyncIterator[Bureau]:
    oa = Oa()
    app = web.Application()
    app.router.add_post("/{route}", oa.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    oa.url = f"http://127.0.0.1:{site.port}"
    with running_dovecot() as dovecot:
        place = tmp_path / "office"
        place.mkdir()
        (place / "oa.secret").write_text(SECRETS[0], "utf-8")
        (place / "oa.secret").chmod(0o600)
        made = Bureau(Installation(place, "", {}), dovecot, oa, free_port())
        made.put(made.text())
        await made.office.start()
        await made.office.until(lambda: made.logins("first") == made.logins("second") == 1, "both doors are open")
        try:
            yield made
        finally:
            await made.office.end()
            await runner.cleanup()


async def post(bureau: Bureau, user: str, text: str = WORDS) -> None:
    await asyncio.to_thread(bureau.dovecot.append, f"{user}@jy.example", mail(text))


async def test_an_imap_connection_outlives_the_reload_of_another_channel(bureau: Bureau) -> None:
    await post(bureau, "first")
    await bureau.took("oa", 1)

    bureau.put(bureau.text(second="every: 2s"))
    bureau.hang_up()
    await bureau.reread(1, changed=["channel second"])
    for user in ("first", "second"):
        await post(bureau, user)
    await bureau.took("oa", 3)

    assert bureau.logins("first") - 2 == 1
    assert bureau.logins("second") - 1 == 2
    assert bureau.office.said("started") == 1
    assert bureau.office.said(REREAD, added=[], removed=[], changed=["channel second"]) == 1


async def test_a_file_written_anew_is_taken_up_without_a_signal(bureau: Bureau) -> None:
    bureau.put(bureau.text(targets=bureau.target("stats")))
    await bureau.reread(1, added=["target stats"])
    await post(bureau, "first")
    await bureau.took("stats", 1)

    bureau.put(bureau.text())
    await bureau.reread(1, removed=["target stats"])
    await post(bureau, "second")
    await bureau.took("oa", 2)
    assert bureau.oa.count("stats") == 1
    assert bureau.office.said("started") == 1
    assert 'xinqiao_target_open{target="stats"}' not in await bureau.metrics()


async def test_a_file_that_is_no_good_changes_nothing_and_says_so_until_it_is_mended(bureau: Bureau) -> None:
    before = await bureau.metrics()
    bureau.put(bureau.text(second="every: soon"))
    (problem,) = await bureau.refused(1)
    lines = bureau.office.config.read_text("utf-8").splitlines()
    number = next(number for number, line in enumerate(lines, 1) if "soon" in line)
    column = lines[number - 1].index("soon") + 1

    assert problem.startswith(f"{bureau.office.config}:{number}:{column}: channels.second.every:")
    during = await bureau.metrics()
    assert during["xinqiao_configuration_refused"] == 1
    await post(bureau, "first")
    await bureau.took("oa", 1)

    bureau.put(bureau.text())
    await bureau.reread(1, changed=[])
    after = await bureau.metrics()
    assert (before["xinqiao_configuration_refused"], after["xinqiao_configuration_refused"]) == (0, 0)
    read_at = "xinqiao_configuration_read_timestamp_seconds"
    assert before[read_at] == during[read_at] < after[read_at]
    assert (bureau.office.said(REFUSED), bureau.logins("second")) == (1, 1)


async def test_a_half_written_file_is_not_taken(bureau: Bureau) -> None:
    whole = bureau.text(targets=bureau.target("stats"))
    with bureau.office.config.open("w", encoding="utf-8") as file:
        for line in whole.splitlines(keepends=True):
            file.write(line)
            file.flush()
            await asyncio.sleep(0.4)  # the slow writer is the test: the daemon looks meanwhile

    await bureau.reread(1)
    assert bureau.office.said(REREAD, added=["target stats"], removed=[], changed=["alarms"]) == 1
    assert bureau.office.said(REFUSED) == 0


async def test_of_a_burst_of_changes_the_last_one_is_in_force(bureau: Bureau) -> None:
    for number in range(30):
        bureau.put(bureau.text(targets=bureau.target(f"t{number}"), second=f"every: {number + 1}s"))
        if number % 3 == 0:
            bureau.hang_up()
        await asyncio.sleep(0.02)
    bureau.hang_up()

    await bureau.office.until(
        lambda: any("target t29" in line.get("added", ()) for line in bureau.office.log_lines()), "the last is taken up"
    )
    await post(bureau, "first")
    await post(bureau, "second")
    await bureau.took("t29", 2)
    assert bureau.office.said("started") == 1
    assert bureau.logins("first") - 1 == 1
    assert await bureau.office.stop() < 9


async def test_a_rotated_secret_concerns_only_who_uses_it(bureau: Bureau) -> None:
    await post(bureau, "first")
    await bureau.took("oa", 1)
    secret = bureau.office.folder / "oa.secret"

    secret.write_text(SECRETS[1], "utf-8")
    await bureau.reread(1, changed=["target oa"])
    await post(bureau, "first")
    await bureau.took("oa", 2)

    assert [number for _, number in bureau.oa.took["oa"]] == [0, 1]
    secret.unlink()
    assert "oa.secret: cannot be read" in (await bureau.refused(1))[0]
    secret.write_text(SECRETS[1], "utf-8")
    await bureau.reread(2)
    assert bureau.office.said(REREAD, changed=[]) == 1
    assert bureau.logins("second") == 1


async def test_a_target_that_may_have_restricted_cases_now_gets_those_held(bureau: Bureau) -> None:
    await post(bureau, "first", ACCUSATION)
    await bureau.office.until(lambda: bureau.office.said("case kept") == 1, "it is read")
    assert (await bureau.office.status())["stages"]["held"] == 1

    bureau.put(bureau.text(targets=bureau.target("discipline", restricted="only")))
    bureau.hang_up()

    await bureau.took("discipline", 1)
    assert bureau.oa.count("oa") == 0
    assert (await bureau.office.status())["stages"]["held"] == 0


async def test_what_waits_for_a_target_that_is_renamed_is_told_of_and_handed_over(bureau: Bureau) -> None:
    bureau.put(bureau.text(targets=bureau.target("old", enabled="false")))
    bureau.hang_up()
    await bureau.reread(1)
    await post(bureau, "first")
    await bureau.took("oa", 1)

    bureau.put(bureau.text(targets=bureau.target("new")))
    bureau.hang_up()
    await bureau.reread(2)
    status = await bureau.office.command("status", "--json")
    said = await bureau.office.command("replay", "--send", "--target", "old", "--to", "new", "--json")
    await bureau.took("new", 1)

    assert bureau.office.said("target left the configuration; what is owed to it is sent nowhere", target="old") == 1
    assert {one["name"]: (one["state"], one["waiting"]) for one in status.json["targets"]}["old"] == ("removed", 1)
    assert status.status == 1
    assert said.json["handed_over"] == 1
    assert bureau.oa.took["new"] == bureau.oa.took["oa"]


async def test_the_console_moves_to_another_address_and_a_taken_one_is_refused(bureau: Bureau) -> None:
    port = free_port()
    bureau.put(bureau.text(port=port))
    bureau.hang_up()
    await bureau.reread(1)
    assert (await bureau.metrics(port))["xinqiao_configuration_refused"] == 0
    with pytest.raises(aiohttp.ClientConnectorError):
        await bureau.metrics()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bureau.put(bureau.text(port=taken.getsockname()[1], second="every: 5s"))
        bureau.hang_up()
        (problem,) = await bureau.refused(1)

    assert "Address already in use" in problem
    assert (await bureau.metrics(port))["xinqiao_configuration_refused"] == 1
    assert bureau.logins("second") == 1


async def test_a_refused_file_is_an_alarm(bureau: Bureau) -> None:
    alarms = 'alarms: {calendar: 0s, sinks: {duty: {kind: webhook, url: "%s/duty", body: {type: "{{ text }}"}}}}\n'
    bureau.put(bureau.text() + alarms % bureau.oa.url)
    await bureau.reread(1, added=["alarm sink duty"], changed=["alarms"])
    bureau.put(bureau.text() + alarms % bureau.oa.url + "nonsense: true\n")
    await bureau.refused(1)
    await bureau.took("duty", 1)  # the first look after a start is twenty seconds later

    ((said, _),) = bureau.oa.took["duty"]
    assert said.startswith("配置文件现有内容未生效：")
    assert "nonsense：没有这个键" in said


Change = Callable[[Bureau], str]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda one: one.text(key=KEYS[1]), "sealing"),
        (lambda one: one.text(level="debug"), "log"),
        (lambda one: one.text() + "data: {folder: elsewhere}\n", "data"),
    ],
    ids=["sealing", "log", "data"],
)
async def test_what_needs_a_restart_is_said_and_nothing_of_the_file_is_taken_up(
    bureau: Bureau, change: Change, key: str
) -> None:
    bureau.put(change(bureau).replace("every: 1s", "every: 3s"))
    bureau.hang_up()
    (problem,) = await bureau.refused(1)

    assert f": {key}: changed, which is not taken up while the daemon runs" in problem
    assert "restart the daemon" in problem
    assert bureau.logins("second") == 1
    bureau.put(bureau.text())
    bureau.hang_up()
    await bureau.reread(1, changed=[])
    status: dict[str, Any] = await bureau.office.status()
    assert [one["state"] for one in status["doors"]] == ["open", "open"]

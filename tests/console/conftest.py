"""A console on a real socket over a real store with the invented town in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from prometheus_client import CollectorRegistry, Counter

from ingest.console import ConsoleSettings, FileAccess, create_console
from ingest.correcting import pens_of
from ingest.health import Health, Readiness
from ingest.office import Office, open_office
from ingest.operations import perform
from store.engine import Store
from tests.console.town import NOW, PASSWORD, Town, populate
from tests.ingest.config_files import ENVIRONMENT, loaded
from tests.ingest.desk import target

TITLES = {"director_mailbox": "局长信箱"}
CHANNELS = {"city_hotline": "hotline", "director_mailbox": "mailbox", "letters": "letter", "sunshine": "sunshine"}
TARGETS = {
    "oa": FileAccess(("token-of-the-oa-0001",), target()),
    "vault": FileAccess(("token-of-vault-0002",), target(restricted=True)),
}
OFFICE = """
data: {{folder: {folder}/data}}
sealing: {{key: '${{KEY}}'}}
channels:
  city_hotline: {{kind: hotline, base_url: http://127.0.0.1:1/, app_id: x, app_secret: '${{TOKEN}}'}}
  director_mailbox: {{kind: mailbox, host: mail.example, username: juzhang, password: '${{PASSWORD}}'}}
  letters: {{kind: letters, folder: {folder}/scans}}
  sunshine: {{kind: sunshine, base_url: http://127.0.0.1:1/, app_id: x, app_secret: '${{TOKEN}}'}}
targets:
  oa: {{url: 'http://127.0.0.1:1/w', secret: '${{SECRET}}'}}
  vault: {{url: 'http://127.0.0.1:1/v', secret: '${{SECRET}}', restricted: only}}
"""


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, gap: timedelta) -> None:
        self.now += gap


@dataclass
class House:
    """The console over an office, its clock and what it says of its health."""

    office: Office
    town: Town
    clock: Clock
    app: Application
    health: list[Health] = field(
        default_factory=lambda: [Health({"city_hotline": Readiness(ready=True, state="open")}, {})]
    )

    @property
    def store(self) -> Store:
        return self.office.store


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    opened = open_office(loaded(tmp_path, OFFICE.format(folder=tmp_path), ENVIRONMENT), Clock())
    yield opened
    await opened.close()


@pytest.fixture
def store(office: Office) -> Store:
    return office.store


def build(office: Office, town: Town, settings: ConsoleSettings | None = None) -> House:
    """The console of an office opened by the fixture, whose clock is the test's."""
    clock, registry = cast("Clock", office.clock), CollectorRegistry()
    Counter("petitions", "how many came", registry=registry).inc(3)
    fields, pen = pens_of(office.config)
    plain = ConsoleSettings(
        secure_cookies=False, targets=TARGETS, channels=CHANNELS, titles=TITLES, fields=fields, pen=pen
    )
    health = [Health({"city_hotline": Readiness(ready=True, state="open")}, {})]
    act = partial(perform, office)
    app = create_console(
        office.store,
        settings or plain,
        desk=office.desk,
        act=act,
        health=lambda: health[0],
        now=clock,
        registry=registry,
    )
    return House(office, town, clock, app, health)


@pytest.fixture
def house(office: Office) -> House:
    return build(office, populate(office.store))


Browser = TestClient[Request, Application]


@pytest.fixture
async def browser(house: House) -> AsyncIterator[Browser]:
    async with TestClient(TestServer(house.app)) as client:
        yield client


def origin(browser: Browser) -> dict[str, str]:
    return {"Origin": str(browser.make_url("/")).rstrip("/")}


async def form_token(browser: Browser, path: str = "/login") -> str:
    """The token in a page's first form."""
    text = await (await browser.get(path)).text()
    return text.partition('name="csrf" value="')[2].partition('"')[0]


async def log_in(browser: Browser, name: str, password: str = PASSWORD, follow: str = "/") -> ClientResponse:
    form = {"csrf": await form_token(browser), "name": name, "password": password, "next": follow}
    return await browser.post("/login", data=form, headers=origin(browser), allow_redirects=False)


async def read(browser: Browser, path: str, status: int = 200) -> str:
    answer = await browser.get(path)
    assert answer.status == status, (path, answer.status)
    return await answer.text()

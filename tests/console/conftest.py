"""A console on a real socket over a real store with the invented town in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from prometheus_client import CollectorRegistry, Counter

from ingest.console import ConsoleSettings, FileAccess, Health, Readiness, create_console
from store.engine import Store, open_store
from tests.console.town import KEY, NOW, PASSWORD, Town, populate
from tests.ingest.desk import target

CHANNELS = {"city_hotline": "hotline", "director_mailbox": "mailbox", "letters": "letter", "sunshine": "sunshine"}
TARGETS = {
    "oa": FileAccess("token-of-the-oa-0001", target()),
    "vault": FileAccess("token-of-vault-0002", target(restricted=True)),
}


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, gap: timedelta) -> None:
        self.now += gap


@dataclass
class House:
    """The console, its clock and what it says of its health."""

    store: Store
    town: Town
    clock: Clock
    app: Application
    health: list[Health] = field(
        default_factory=lambda: [Health({"city_hotline": Readiness(ready=True, state="open")}, {})]
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store("sqlite", tmp_path / "data", KEY, now=NOW)
    yield opened
    opened.close()


def build(store: Store, town: Town, settings: ConsoleSettings | None = None) -> House:
    clock, registry = Clock(), CollectorRegistry()
    Counter("petitions", "how many came", registry=registry).inc(3)
    plain = ConsoleSettings(secure_cookies=False, targets=TARGETS, channels=CHANNELS)
    health = [Health({"city_hotline": Readiness(ready=True, state="open")}, {})]
    app = create_console(store, settings or plain, health=lambda: health[0], now=clock, registry=registry)
    return House(store, town, clock, app, health)


@pytest.fixture
def house(store: Store) -> House:
    return build(store, populate(store))


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

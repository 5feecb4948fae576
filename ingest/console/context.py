"""What every page has at hand: the parts of the application, who asks, and how to answer with a page."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection

from ingest.accounts import Role
from ingest.alarms.words import FOLDER as ALARM_WORDS
from ingest.cases import CaseDesk
from ingest.catalogue import LANGUAGES, PAGES, Language, Words, load_words
from ingest.console import masks
from ingest.console.looks import Look
from ingest.console.roles import Right, may, may_correct, may_read
from ingest.console.sessions import Session
from ingest.console.settings import ConsoleSettings, is_within
from ingest.console.throttle import Throttle
from ingest.console.viewing import Viewer, viewers
from ingest.fields import code_group
from ingest.health import Health
from ingest.in_force import InForce
from ingest.operations import Answer
from ingest.sayings.rewording import rewording
from store.engine import Store

HERE = Path(__file__).parent
Act: TypeAlias = Callable[[str, Mapping[str, Any], str], Awaitable[Answer]]
"""Has an operation done: name, arguments, who asks. Raises OperationRefused."""
SAID = ("done", "count", "number")
"""What the page before has to say, once: not part of what the page shows."""
MEDIA = {".css": "text/css", ".svg": "image/svg+xml"}


T = TypeVar("T")
PROMPT = timedelta(seconds=10)
"""After so long whoever asked is told to come again."""


@dataclass
class Console:
    """The parts of one running console."""

    store: Store
    settings: ConsoleSettings
    """In force: others may stand here at the next request."""
    desk: CaseDesk
    act: Act
    health: Callable[[], Health]
    now: Callable[[], datetime]
    in_force: InForce
    throttle: Throttle
    hashing: asyncio.Semaphore
    """Each password check takes 64 MB for a tenth of a second: a flood of logins must not take the machine."""
    viewer: Viewer
    templates: Environment
    words: Mapping[Language, Words]
    alarms: Mapping[Language, Words]
    """The words alarms are told in."""
    static: Mapping[str, bytes]
    versions: Mapping[str, str]

    async def write(self, act: Callable[[Connection], T]) -> T:
        """As the store's, which waits for a database that is gone for as long as that takes: nobody who waits for a
        page, or repeats his report meanwhile, does. Raises TimeoutError.
        """
        async with asyncio.timeout(PROMPT.total_seconds()):
            return await self.store.write(act)


CONSOLE = web.AppKey("console", Console)


@dataclass(frozen=True)
class Visitor:
    """Who asks: a session or nobody yet, in which language, with the token every form must bring back."""

    session: Session | None
    language: Language
    csrf: str

    @property
    def role(self) -> Role:
        """Only for pages that need a right: there somebody is logged in."""
        if self.session is None:
            raise web.HTTPForbidden
        return self.session.role

    @property
    def name(self) -> str:
        return self.session.account if self.session is not None else "anonymous"

    def may(self, right: Right) -> bool:
        return self.session is not None and may(self.session.role, right)

    def may_read(self, *, restricted: bool) -> bool:
        return self.session is not None and may_read(self.session.role, restricted=restricted)

    def may_correct(self, *, restricted: bool) -> bool:
        return self.session is not None and may_correct(self.session.role, restricted=restricted)


def assemble(
    store: Store,
    settings: ConsoleSettings,
    desk: CaseDesk,
    act: Act,
    health: Callable[[], Health],
    now: Callable[[], datetime],
    in_force: InForce,
) -> Console:
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    static = {path.name: path.read_bytes() for path in (HERE / "static").iterdir() if path.suffix in MEDIA}
    return Console(
        store=store,
        settings=settings,
        desk=desk,
        act=act,
        health=health,
        now=now,
        in_force=in_force,
        throttle=Throttle(),
        hashing=asyncio.Semaphore(2),
        viewer=viewers(),
        templates=templates,
        words={language: load_words(PAGES, language) for language in LANGUAGES},
        alarms={language: load_words(ALARM_WORDS, language) for language in LANGUAGES},
        static=static,
        versions={name: hashlib.sha256(content).hexdigest()[:12] for name, content in static.items()},
    )


VISITOR = web.RequestKey("visitor", Visitor)


def visitor_of(request: web.Request) -> Visitor:
    return request[VISITOR]


def words_of(request: web.Request) -> Words:
    return request.app[CONSOLE].words[visitor_of(request).language]


def page(request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
    """Answer with a rendered page; it is never cached, for it may hold personal data."""
    console, visitor = request.app[CONSOLE], visitor_of(request)
    words = words_of(request)
    body = console.templates.get_template(template).render(
        t=words,
        label=words.label,
        say=rewording(visitor.language),
        code_group=code_group,
        look=Look(words, ZoneInfo(console.settings.time_zone), console.now()),
        service=console.settings.service,
        visitor=visitor,
        Right=Right,
        masks=masks,
        path=request.path,
        query={name: value for name, value in request.query.items() if name not in SAID},
        done=_done(request, words),
        linked=lambda **changes: _link(request, changes),
        static=lambda name: f"/static/{name}?v={console.versions[name]}",
        **values,
    )
    return web.Response(text=body, content_type="text/html", status=status, headers={"Cache-Control": "no-store"})


def _done(request: web.Request, words: Words) -> tuple[str, str] | None:
    """What the page before did, in its tone and words."""
    for tone in ("good", "warn", "bad"):
        key = f"{tone}.{request.query.get('done')}"
        if key in words.entries:
            count, number = request.query.get("count", ""), request.query.get("number", "")
            return tone, words(
                key, count=int(count) if count.isdecimal() and len(count) < 10 else 0, number=number[:20]
            )
    return None


def client_address(request: web.Request) -> str:
    """Where the request comes from; X-Forwarded-For counts only behind a proxy we were told to trust."""
    trusted = request.app[CONSOLE].settings.trusted_proxies
    address = request.remote or "unknown"
    lines = request.headers.getall("X-Forwarded-For", ())  # some proxies add a line, not a word: the last hop counts
    hops = [hop.strip() for hop in ",".join(lines).split(",") if hop.strip()]
    while hops and is_within(address, trusted):
        address = hops.pop()
    return address


def _link(request: web.Request, changes: Mapping[str, object]) -> str:
    """This page's address with some of its query changed; an empty value removes."""
    query = {key: value for key, value in request.query.items() if value and key not in SAID}
    query.update({key: str(value) for key, value in changes.items()})
    kept = {key: value for key, value in query.items() if value and value != "None"}
    return f"{request.path}?{urlencode(kept)}" if kept else request.path

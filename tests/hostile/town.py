"""One office that is sent all of it: each thing through its door, with a sound one behind it."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import Connection, select

from adapters.base import Cursor
from ingest.register import load_case
from normalize.case import Case
from sandbox.ports import free_port
from store.engine import Store, open_store
from store.schema import channel, raw, receipt
from tests.dovecot import PASSWORD, Dovecot, running_dovecot
from tests.endtoend.installation import Installation
from tests.hostile import gifts
from tests.hostile.catalogue import CASE, ITEMS
from tests.ingest.config_files import ENVIRONMENT

USER = "juzhang@jy.example"
PAGES = [name for name, item in ITEMS.items() if item.door == "page"]
OF = {door: [name for name, item in ITEMS.items() if item.door == door] for door in ("mail", "scan", "record")}
ENOUGH = 8
"""Times the long list is handed over: to count it, and to read it till it holds still, since it is in no order."""
EXPECTED = 2 * sum(map(len, OF.values())) + len(PAGES) + sum(ITEMS[name].becomes == CASE for name in PAGES)
"""Raws: each thing and the sound one behind it; of most pages only the sound one."""
_FEED = """
  {name}:
    kind: feed
    channel_kind: sunshine
    every: 1s
    start_from: 2026-01-01
    base_url: {url}
    listing: {{path: /{name}, records: rows, total: total, key: [id], modified: changed}}
    success: {{path: code, values: [0]}}
    map:
      key: id
      modified: changed
      title: title
      content: words
      petitioners: {{name: person}}
      source_registered_at: registered
      attachments: [{{list: files, external: true}}]
"""
_REST = """
  mailbox: {{kind: mailbox, every: 1s, start_from: all, host: 127.0.0.1, port: {mailbox}, tls: none,
    username: '{user}', password: '{password}'}}
  letters: {{kind: letters, every: 1s, start_from: all, folder: '{folder}/scans', settle_after: 50ms, patience: 0s}}
targets:
  oa: {{url: '{url}/oa', secret: '${{SECRET}}'}}
"""


@dataclass
class Platform:
    """A door's answers by its name: the hostile one until it has been asked for twice, then the sound one."""

    asked: dict[str, int] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked[name] = self.asked.get(name, 0) + 1
        if name == "records":
            if self.asked[name] > ENOUGH:
                return web.Response(body=gifts.page(), content_type="application/json")
            listed = [one for number, each in enumerate(OF["record"]) for one in (ITEMS[each].made(), sound(number))]
            return web.Response(body=gifts.page(*listed), content_type="application/json")
        body = ITEMS[name].content() if self.asked[name] <= 2 else gifts.page(gifts.record(f"sound-{name}"))
        return web.Response(body=body, content_type="application/json", charset="utf-8")


async def _taken(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=204)


def sound(number: int) -> dict[str, object]:
    return gifts.record(f"sound-{number}")


@dataclass(frozen=True)
class Kept:
    """What the store has of a Raw."""

    channel: str
    key: str
    state: str
    reason: str | None
    content: bytes
    pointer: str
    case: Case | None


@dataclass(frozen=True)
class Seen:
    """What became of all of it."""

    kept: tuple[Kept, ...]
    log: tuple[Mapping[str, object], ...]
    largest: int
    """Bytes of memory the daemon's own process held at most."""
    cursors: Mapping[str, Cursor | None]
    """How far each door has come."""

    def titles(self, channel: str) -> set[str]:
        return {one.case.title for one in self.kept if one.channel == channel and one.case is not None}


@asynccontextmanager
async def everything_sent(folder: Path) -> AsyncIterator[Installation]:
    """A daemon at rest that was sent the whole catalogue."""
    platform = Platform()
    app = web.Application(client_max_size=2**30)
    app.router.add_get("/{name}", platform.answer)
    app.router.add_post("/oa", _taken)
    with running_dovecot() as dovecot:
        await asyncio.to_thread(_post, dovecot)
        (folder / "scans").mkdir()
        await asyncio.to_thread(_scan, folder / "scans")
        server = TestServer(app)
        await server.start_server()
        office = Installation(folder, _configuration(folder, str(server.make_url("")), dovecot), dict(ENVIRONMENT))
        try:
            await office.start()
            await office.until(lambda: _read(office) >= EXPECTED, "all is read", patience=200)
            yield office
        finally:
            await office.end()
            await server.close()


def _read(office: Installation) -> int:
    return office.said("case kept") + office.said("kept aside")


def _configuration(folder: Path, url: str, dovecot: Dovecot) -> str:
    begin = (
        f"data: {{folder: '{folder}/data'}}\nsealing: {{key: '${{KEY}}'}}\nlog: {{format: json, level: info}}\n"
        f"listen: {{host: 127.0.0.1, port: {free_port()}}}\nchannels:"
    )
    feeds = "".join(_FEED.format(name=name, url=url.rstrip("/")) for name in ("records", *PAGES))
    return (
        begin
        + feeds
        + _REST.format(url=url.rstrip("/"), mailbox=dovecot.port, user=USER, password=PASSWORD, folder=folder)
    )


def _post(dovecot: Dovecot) -> None:
    for number, name in enumerate(OF["mail"]):
        dovecot.append(USER, ITEMS[name].content(), gifts.sound_mail(number))


def _scan(folder: Path) -> None:
    for number, name in enumerate(OF["scan"]):
        for turn, content in enumerate((ITEMS[name].content(), gifts.sound_scan(number))):
            file = folder / f"{number:02}-{turn}-a\\..\\b {name}.pdf"
            file.write_bytes(content)
            os.utime(file, (gifts.SENT.timestamp() + 2 * number + turn,) * 2)


def seen(office: Installation, largest: int) -> Seen:
    """What the store of a daemon that has ended has of it, and what its log said."""
    store = open_store("sqlite", office.data, base64.b64decode(ENVIRONMENT["KEY"]))
    try:
        kept = store.read_now(lambda conn: tuple(_kept(conn, store)))
        doors = store.read_now(lambda conn: conn.execute(select(channel.c.name, channel.c.cursor)).all())
    finally:
        store.close()
    return Seen(kept, tuple(office.log_lines()), largest, {door.name: door.cursor for door in doors})


def _kept(conn: Connection, store: Store) -> Iterator[Kept]:
    made = {row.raw_id: row.case_id for row in conn.execute(select(receipt.c.raw_id, receipt.c.case_id))}
    for row in conn.execute(select(raw).order_by(raw.c.id)).all():
        case = load_case(conn, store.sealer, made[row.id]) if row.id in made else None
        yield Kept(row.channel, row.key, row.state, row.reason, store.blobs.load(conn, row.blob), row.pointer, case)


def memory_of(pid: int) -> int:
    """The most a process has held (resident), in bytes."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024

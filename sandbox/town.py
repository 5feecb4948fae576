"""All stand-ins together, as the command starts them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.control import ControlPage, Place
from sandbox.director import Director
from sandbox.doors import Doors
from sandbox.ecology import Ecology
from sandbox.faults import Switch, Switchboard
from sandbox.hotline import Hotline
from sandbox.journal import Journal
from sandbox.letters import Scanner
from sandbox.mailbox import MailServer
from sandbox.oa import OaInbox
from sandbox.oa_pages import OaPages
from sandbox.oa_reports import Reporter
from sandbox.options import Options
from sandbox.seeyon import Seeyon
from sandbox.sunshine import SunshinePlatform

READY_FILE = "sandbox.json"


@dataclass(frozen=True)
class Town:
    """What runs, and where."""

    director: Director
    places: dict[str, Place]
    control: ControlPage


@asynccontextmanager
async def town(options: Options, keys: dict[str, str]) -> AsyncIterator[Town]:
    """The chosen stand-ins, listening and as the journal left them. Raises PortTaken, UnknownFault.

    DATA/sandbox.json says where each one listens, from then until the end.
    """
    async with AsyncExitStack() as stack:
        doors, places, switches = await _open_doors(options, keys, stack)
        if "oa" in options.only:
            oa = OaInbox(options.data / "oa.sqlite", _routes(keys, "SECRET"), options.ports["oa"])
            console = f"http://127.0.0.1:{options.ports['console']}"
            reporter = Reporter(oa.ledger, f"{console}/api/v1/reports", _reports(keys))
            OaPages(oa.app, oa.ledger, _routes(keys, "TOKEN"), reporter)
            await stack.enter_async_context(oa)
            places["oa"] = Place(oa.url, browsable=True)
            switches.append(oa.switch)
        for own in await _open_own_apis(options, keys, stack):
            places[own.switch.name] = Place(own.url, browsable=True)
            switches += [own.switch, own.login_switch]
        board = Switchboard(switches)
        director = Director(doors, Journal(options.data / "journal.jsonl"), options.seed)
        await director.resume()
        for name, fault, share in options.faults:
            board.set(name, fault, share)
        control = ControlPage(board, director, places, options.ports["control"])
        await stack.enter_async_context(control)
        stack.enter_context(_ready(options.data, places, control.url))
        yield Town(director, places, control)


async def play(director: Director, options: Options) -> None:
    """What was asked to be there, then the changes to it, then life goes on."""
    await director.preload(options.preload)
    if options.revise:
        await asyncio.sleep(options.revise_after.total_seconds())
        await director.revise(options.revise)
    if options.rate:
        await director.live(options.rate)


async def _open_doors(
    options: Options, keys: dict[str, str], stack: AsyncExitStack
) -> tuple[Doors, dict[str, Place], list[Switch]]:
    doors, ports = Doors(), options.ports
    places: dict[str, Place] = {}
    switches: list[Switch] = []
    if "sunshine" in options.only:
        platform = SunshinePlatform(ports["sunshine"], secret=keys["SUNSHINE_APP_SECRET"])
        doors.sunshine = await stack.enter_async_context(platform)
        places["sunshine"], switches = Place(platform.url), [*switches, platform.switch]
    if "hotline" in options.only:
        hotline = Hotline(ports["hotline"], secret=keys["HOTLINE_APP_SECRET"])
        doors.hotline = await stack.enter_async_context(hotline)
        places["hotline"], switches = Place(hotline.url), [*switches, hotline.switch]
    if "mailbox" in options.only:
        server = MailServer(ports["mailbox"], password=keys["MAILBOX_PASSWORD"], uid_validity=int(keys["SANDBOX_BORN"]))
        doors.mailbox = await stack.enter_async_context(server)
        places["mailbox"], switches = Place(server.url), [*switches, server.switch]
    if "letters" in options.only:
        doors.letters = Scanner(options.data / "letters")
        places["letters"], switches = Place(str(doors.letters.folder)), [*switches, doors.letters.switch]
    return doors, places, switches


async def _open_own_apis(options: Options, keys: dict[str, str], stack: AsyncExitStack) -> list[Ecology | Seeyon]:
    found: list[Ecology | Seeyon] = []
    if "ecology" in options.only:
        found.append(await stack.enter_async_context(Ecology(options.ports["ecology"])))
    if "seeyon" in options.only:
        seeyon = Seeyon(options.ports["seeyon"], password=keys["SEEYON_PASSWORD"])
        found.append(await stack.enter_async_context(seeyon))
    return found


def _routes(keys: dict[str, str], kind: str) -> dict[str, str]:
    own = "OA_WEBHOOK_SECRET" if kind == "SECRET" else "OA_TOKEN"
    return {"": keys[own], "discipline": keys[f"OA_DISCIPLINE_{kind}"]}


def _reports(keys: dict[str, str]) -> dict[str, str]:
    return {"": keys["OA_REPORTS_SECRET"], "discipline": keys["OA_DISCIPLINE_REPORTS_SECRET"]}


@contextmanager
def _ready(data: Path, places: dict[str, Place], control: str) -> Iterator[None]:
    """Tell other processes that the sandbox listens, and where."""
    path = data / READY_FILE
    addresses = {**{name: place.address for name, place in places.items()}, "control": control}
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"pid": os.getpid(), "addresses": addresses}, ensure_ascii=False, indent=1), "utf-8")
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)

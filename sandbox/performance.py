"""The sandbox from start to end: secrets, stand-ins, with --run the daemon, life until Ctrl-C, then all in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.configuring import configuration
from sandbox.daemon import ROLES, DaemonFailed, daemon
from sandbox.faults import UnknownFault
from sandbox.keyring import ENV_FILE, keyring
from sandbox.options import Options
from sandbox.ports import free_port
from sandbox.town import Town, play, town
from sandbox.web import PortTaken


def perform(options: Options) -> int:
    """Until Ctrl-C or SIGTERM (0); 1 or 2 with one line on what failed."""
    try:
        return asyncio.run(_play(options))
    except UnknownFault as error:
        return _fail(str(error), 2)
    except (PortTaken, DaemonFailed, OSError) as error:
        return _fail(str(error), 1)


async def _play(options: Options) -> int:

    keys, stop = keyring(options.data), asyncio.Event()
    if options.run and not options.ports["console"]:
        options = replace(options, ports={**options.ports, "console": free_port()})
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        place = await stack.enter_async_context(town(options, keys))
        if options.run:
            options = replace(options, config=_config(options, place))
        process = await stack.enter_async_context(daemon(options, keys)) if options.run else None
        print(_welcome(options, keys, place), flush=True)
        playing = asyncio.create_task(play(place.director, options))
        try:
            await _until(stop, playing, process)
        finally:
            playing.cancel()
        print("stopping …", flush=True)
    return 0


def _config(options: Options, place: Town) -> Path:
    """Where the daemon's configuration stands, knowing what the stand-ins got. Raises DaemonFailed."""
    found = {name: urlsplit(standing.address).port for name, standing in place.places.items()}
    ports = {**options.ports, **{name: port for name, port in found.items() if port}}
    try:
        return configuration(options, ports)
    except OSError as error:
        raise DaemonFailed(f"{options.config}: {error.strerror}") from error


async def _until(stop: asyncio.Event, playing: asyncio.Task[None], process: asyncio.subprocess.Process | None) -> None:
    """Returns when asked to stop; raises what made the play fail, or DaemonFailed when the daemon is gone."""
    stopping = asyncio.create_task(stop.wait())
    gone = asyncio.create_task(process.wait()) if process else None
    watched = {task for task in (stopping, gone, playing) if task}
    while not stopping.done():
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if gone and gone.done() and not stopping.done():
            stopping.cancel()
            raise DaemonFailed(f"the daemon ended with code {gone.result()}; its log says why")
        if playing.done():
            watched.discard(playing)
            playing.result()
    if gone:
        gone.cancel()


def _welcome(options: Options, keys: dict[str, str], place: Town) -> str:
    lines = {name: standing.address for name, standing in place.places.items()}
    if "oa" in lines:
        lines["oa"] += "   (discipline line: /discipline)"
    lines["control"] = f"{place.control.url}   (faults, arrivals)"
    if options.run:
        console = f"http://127.0.0.1:{options.ports['console']}"
        lines = {"console": console, "log in as": _logins(keys), **lines, "log": str(options.data / "daemon.log")}
        lines["configuration"] = str(options.config)
    lines["secrets"] = f"made for this sandbox only, in {options.data / ENV_FILE}"
    wide = max(map(len, lines))
    body = "\n".join(f"  {name:<{wide}}  {value}" for name, value in lines.items())
    return f"xinqiao sandbox 信桥沙箱 — everything in it is invented; Ctrl-C stops it\n\n{body}\n"


def _logins(keys: dict[str, str]) -> str:

    return f"{' / '.join(ROLES)}, password {keys['SANDBOX_DEMO_PASSWORD']}"


def _fail(message: str, code: int) -> int:
    print(f"xinqiao sandbox: {message}", file=sys.stderr)
    return code

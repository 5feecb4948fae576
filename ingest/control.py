"""The door for commands: a running daemon performs operations asked through a socket in its data folder."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web

from ingest.config import Config
from ingest.office import Office, open_office
from ingest.operations import Answer, OperationRefused, perform

SOCKET = "control.sock"
PATIENCE = aiohttp.ClientTimeout(total=60)


async def serve_control(office: Office) -> web.AppRunner:
    """Listen on the socket, which only the account that runs the daemon can open."""

    async def handle(request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            answer = await perform(office, asked["operation"], asked["arguments"], asked["actor"])
        except OperationRefused as error:
            return web.json_response({"refused": str(error)}, status=409)
        return web.json_response(answer)

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    path = office.config.data.folder / SOCKET
    path.unlink(missing_ok=True)  # the folder's lock is ours: whoever made it is gone
    with _socket(office.config) as short:
        await web.UnixSite(runner, short).start()
    path.chmod(0o600)
    return runner


async def ask(config: Config, operation: str, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Have an operation performed: by the daemon if one runs on this data folder, else here and now.

    Raises:
        OperationRefused: it cannot be done as asked.
        StoreBusy: a process has the data folder and does not answer.
    """
    message = {"operation": operation, "arguments": dict(arguments), "actor": actor}
    config.data.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with _socket(config) as path:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(path), timeout=PATIENCE) as session,
                session.post("http://xinqiao/", json=message) as response,
            ):
                answer: Answer = json.loads(await response.read())
    except aiohttp.ClientConnectorError:
        return await _perform_here(config, operation, arguments, actor)
    if response.status == 409:
        raise OperationRefused(answer["refused"])
    if response.status != 200:
        raise OperationRefused(f"{operation}: the daemon failed; its log says why")
    return answer


async def _perform_here(config: Config, operation: str, arguments: Mapping[str, Any], actor: str) -> Answer:
    office = await asyncio.to_thread(open_office, config)
    try:
        return await perform(office, operation, arguments, actor)
    finally:
        await office.close()


@contextmanager
def _socket(config: Config) -> Iterator[str]:
    """The socket's path, through an open folder: a Unix socket's own path may not exceed about 100 bytes."""
    folder = os.open(config.data.folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)

"""The door for commands: a running daemon performs operations asked through a socket in its data folder."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from ingest.catalogue import Language
from ingest.config import Config
from ingest.office import Office, open_office
from ingest.operations import Answer, OperationRefused, perform
from ingest.sayings.rewording import rewording
from ingest.unexpected import log_by_place
from store.beginning import expect_nothing_left, has_begun, nothing_at
from store.engine import StoreClosed

SOCKET = "control.sock"
PATIENCE = timedelta(minutes=10)
"""Ten thousand scans to be read again take a while to be put in line."""
PROMPT = timedelta(seconds=5)
"""Who waits longer is told why."""
EMBEDDED = "sqlite"
BEGINS = frozenset({"user-add"})
"""What may be asked before there is anything."""


async def serve_control(office: Office) -> web.AppRunner:
    """Listen on the socket, which only the account that runs the daemon can open."""

    async def handle(request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            answer = await perform(office, asked["operation"], asked["arguments"], asked["actor"])
        except OperationRefused as error:
            return web.json_response({"refused": str(error)}, status=HTTPStatus.CONFLICT)
        except StoreClosed:
            return web.json_response({"refused": "the daemon is stopping; ask again"}, status=HTTPStatus.CONFLICT)
        return web.json_response(answer)

    app = web.Application(middlewares=[log_by_place])
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    path = office.config.data.folder / SOCKET
    path.unlink(missing_ok=True)  # the folder's lock is ours: whoever made it is gone
    with _socket(office.config.data.folder) as short:
        await web.UnixSite(runner, short).start()
    path.chmod(0o600)
    return runner


async def ask(config: Config, operation: str, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Have an operation performed: by the daemon if one runs on this data folder, else here and now.

    Says on standard error when it takes long.

    Raises:
        OperationRefused: it cannot be done as asked, or the daemon did not say how it went.
        StoreBusy: a process has the data folder and does not answer.
        StoreRefused: there is none, or no more than what is left of one.
    """
    _must_be_there(config, operation)
    if config.shared:  # nobody has it to himself: what is done here, the daemons find
        return await _perform_here(config, operation, arguments, actor)
    answer = await ask_daemon(config.data.folder, config.service.language, operation, arguments, actor)
    return await _perform_here(config, operation, arguments, actor) if answer is None else answer


async def ask_daemon(
    folder: Path, language: Language, operation: str, arguments: Mapping[str, Any], actor: str
) -> Answer | None:
    """Have the daemon on this data folder perform it; None: there is none. Raises OperationRefused."""
    message = {"operation": operation, "arguments": dict(arguments), "actor": actor}
    try:
        with _socket(folder) as path, _said_if_slow(operation, language):
            status, body = await _post(path, message)
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, PermissionError):
            raise OperationRefused(_of_another(folder)) from error
        return None
    except TimeoutError as error:
        minutes = PATIENCE.total_seconds() / 60
        raise OperationRefused(
            f"{operation}: the daemon has not answered for {minutes:g} minutes; it may yet do it, its log says"
        ) from error
    except aiohttp.ClientError as error:
        raise OperationRefused(f"{operation}: the daemon ended before it answered; ask again") from error
    if status == HTTPStatus.CONFLICT:
        raise OperationRefused(json.loads(body)["refused"])
    if status != HTTPStatus.OK:
        raise OperationRefused(f"{operation}: the daemon failed; its log says where")
    answer: Answer = json.loads(body)
    return answer


async def _post(path: str, message: Answer) -> tuple[int, bytes]:
    patience = aiohttp.ClientTimeout(total=PATIENCE.total_seconds())
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path), timeout=patience) as session,
        session.post("http://xinqiao/", json=message) as response,
    ):
        return response.status, await response.read()


def _must_be_there(config: Config, operation: str) -> None:
    """Only who makes the first account begins an installation; asking after one must not."""
    folder = config.data.folder
    try:
        if config.database == EMBEDDED and operation not in BEGINS and not has_begun(folder):
            expect_nothing_left(folder)
            raise OperationRefused(nothing_at(folder))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except PermissionError as error:
        raise OperationRefused(_of_another(folder)) from error
    except OSError as error:
        raise OperationRefused(f"{folder}: {error.strerror}; expected a folder") from error


def _of_another(folder: Path) -> str:
    try:
        owner = folder.owner()
    except (OSError, KeyError):
        owner = "another account"
    return f"{folder}: may not be opened; it belongs to {owner}, give this command as that account"


@contextmanager
def _said_if_slow(operation: str, language: Language) -> Iterator[None]:
    minutes = PATIENCE.total_seconds() / 60
    said = rewording(language)(f"{operation}: the daemon is at it; waiting up to {minutes:g} minutes")
    text = f"xinqiao: {said}"
    telling = asyncio.get_running_loop().call_later(PROMPT.total_seconds(), partial(print, text, file=sys.stderr))
    try:
        yield
    finally:
        telling.cancel()


async def _perform_here(config: Config, operation: str, arguments: Mapping[str, Any], actor: str) -> Answer:
    office = await asyncio.to_thread(open_office, config, begins=operation in BEGINS)
    try:
        office.tell_if_new()
        return await perform(office, operation, arguments, actor)
    finally:
        await office.close()


@contextmanager
def _socket(place: Path) -> Iterator[str]:
    """The socket's path, through an open folder: a Unix socket's own path may not exceed about 100 bytes."""
    folder = os.open(place, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)

"""`--run`: the real daemon as a child process, with demo accounts, its log in the data folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp

from sandbox.options import Options

ROLES = ("clerk", "operator", "leader", "discipline", "auditor")
"""One demo account for each, of the same name."""
START_TIME = timedelta(seconds=60)
STOP_TIME = timedelta(seconds=20)
_LOG = "daemon.log"
_ACCOUNTS = "accounts.json"


class DaemonFailed(Exception):
    """The daemon or one of its commands did not do what it should; the message quotes it."""


@asynccontextmanager
async def daemon(options: Options, keys: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The daemon, answering; stopped at the end. Raises DaemonFailed."""
    environment = {**os.environ, **keys}
    await _make_accounts(options, environment, keys["SANDBOX_DEMO_PASSWORD"])
    log = options.data / _LOG
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches us alone, and we stop the daemon in order.
        process = await asyncio.create_subprocess_exec(
            *_xinqiao("run", options.config), stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        await _answering(process, options.ports["console"], log)
        yield process
    finally:
        await _stop(process)


async def _make_accounts(options: Options, environment: dict[str, str], password: str) -> None:
    """Those not made at an earlier start."""
    path = options.data / _ACCOUNTS
    made: list[str] = json.loads(path.read_text("utf-8")) if path.exists() else []
    for role in ROLES:
        if role in made:
            continue
        arguments = _xinqiao("user", options.config, "add", role, "--role", role, "--password-stdin")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment
        )
        output, _ = await process.communicate(f"{password}\n".encode())
        if process.returncode:
            said = output.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise DaemonFailed(f"the account {role} was not made: {said[-1]}")
        made.append(role)
        path.write_text(json.dumps(made), "utf-8")


def _xinqiao(command: str, config: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "ingest", command, *more, "-c", str(config)]


async def _answering(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    """Returns when the console says it lives."""
    try:
        async with asyncio.timeout(START_TIME.total_seconds()):
            while not await _healthy(port):
                if process.returncode is not None:
                    raise DaemonFailed(f"the daemon ended with code {process.returncode}: {_tail(log)}")
                await asyncio.sleep(0.3)
    except TimeoutError as error:
        raise DaemonFailed(f"the daemon does not answer on port {port}; see {log}") from error


async def _healthy(port: int) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(f"http://127.0.0.1:{port}/healthz") as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIME.total_seconds())
    except TimeoutError:
        process.kill()
        await process.wait()


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else f"see {log}"

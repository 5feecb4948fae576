"""The program as a process, forked from one that has its modules loaded: a fresh interpreter takes a second for that.

Each has its own pid, arguments, environment, folder and files, as if it had been started anew. What must be in the
environment while an interpreter starts (a library to preload) does start anew.
"""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any, Protocol

from store import crashpoint

PROGRAM = "ingest"
_AT_LOADING = ("LD_PRELOAD", "PYTHONASYNCIODEBUG")
_COMMANDS = Path(__file__).resolve().parents[1] / PROGRAM
_LOADED = [f"{PROGRAM}.{one.stem}" for one in _COMMANDS.glob("command_*.py")]
_LOADED += ["sandbox.performance", "tests.faults.cramped"]
_forks = get_context("forkserver")
_forks.set_forkserver_preload(sorted(_LOADED))


class Process(Protocol):
    """What tests ask of asyncio's own and of a forked one."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def send_signal(self, signal: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


async def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    stdin: IO[Any] | None,
    stdout: IO[Any],
    stderr: IO[Any],
    *,
    program: str = PROGRAM,
) -> Process:
    """Run the program's module with these arguments."""
    with open(os.devnull, "rb") as nothing:  # noqa: ASYNC230, PTH123 - a moment
        files = (stdin or nothing, stdout, stderr)
        if any(environment.get(name) for name in _AT_LOADING):
            command = (sys.executable, "-m", program, *arguments)
            first, second, third = files
            return await asyncio.create_subprocess_exec(
                *command, stdin=first, stdout=second, stderr=third, env=environment, cwd=folder
            )
        given = [_Handed(one.fileno()) for one in files]
        process = _forks.Process(target=_be, args=(program, arguments, dict(environment), folder, given), daemon=True)
        await asyncio.to_thread(process.start)
    return Forked(process)


@dataclass(frozen=True)
class Forked:
    """A child of the process that forks, seen as asyncio shows its own."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    async def wait(self) -> int:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.process.sentinel, ended.set)
        try:
            while (status := self.returncode) is None:
                await ended.wait()
        finally:
            loop.remove_reader(self.process.sentinel)
        return status

    def send_signal(self, signal: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@dataclass(frozen=True)
class _Handed:
    """A file that goes along to the process."""

    fd: int

    def __reduce__(self) -> tuple[Callable[[Any], _Handed], tuple[Any]]:
        return _received, (DupFd(self.fd),)


def _received(copy: Any) -> _Handed:
    return _Handed(copy.detach())


def _be(
    program: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, given: Sequence[_Handed]
) -> None:
    """In the new process."""
    for place, one in enumerate(given):
        os.dup2(one.fd, place)
        os.close(one.fd)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    crashpoint.arm()
    os.chdir(folder)
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)

"""One process that parses foreign files: asked over its pipes, watched for time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from normalize.serve import SIZES, Message, pack

T = TypeVar("T")

_PAGE = os.sysconf("SC_PAGE_SIZE")
_WATCH_EVERY = 0.1
_START = 120.0
"""Seconds a worker may take to load its models on a busy machine."""
_GOODBYE = 5.0
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "HOME")
"""The environment a worker sees: none of our secrets."""
_TOLD = {"PYTHONUTF8": "1", "ORT_DISABLE_TELEMETRY": "1"}
"""And what it is told; without the second onnxruntime keeps a file about its use, to report it to its maker."""


class WorkerFailed(Exception):
    """The worker gave no answer: it broke down, took too long or too much memory. Trying again may help."""


class WorkerMissing(WorkerFailed):
    """No worker could be had: the machine's trouble, which says nothing about the work."""


class WorkerRefused(WorkerFailed):
    """The worker understood the work and cannot do it; `kind` as its entry names it, such as `unreadable`.

    Trying again gives the same.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class WorkerLimits:
    """What one worker may take. Memory is what it holds (resident): models reserve far more than they use."""

    memory: int = 3 * 2**30
    tasks: int = 200
    """It is replaced by a fresh one after so many."""
    idle: timedelta = timedelta(minutes=5)
    """Without work for so long, it stops."""
    answer: int = 64 * 2**20
    """Bytes of the longest answer we read."""


class Worker:
    """One process, started by its first call."""

    def __init__(self, entry: str, limits: WorkerLimits) -> None:
        self.served = 0
        self.idle_since = 0.0
        self._entry = entry
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None
        self._tail: deque[bytes] = deque(maxlen=20)
        self._draining: asyncio.Task[None] | None = None
        self._overdrawn = 0

    @property
    def pid(self) -> int | None:
        """Its process, if one lives (one that has ended holds no memory)."""
        process = self._process
        return process.pid if process and process.returncode is None and _resident(process.pid) else None

    async def start(self) -> asyncio.subprocess.Process:
        """Its process, ready for a question. Raises WorkerMissing."""
        return self._process if self._process is not None and self.pid is not None else await self._start()

    async def call(
        self,
        question: Message,
        timeout: timedelta,  # noqa: ASYNC109 - part of the promise: the worker is killed when it passes
    ) -> Message:
        process = await self.start()
        self.served += 1
        watch = asyncio.create_task(self._watch_memory(process))
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                return await self._exchange(process, question)
        except TimeoutError as error:
            raise WorkerFailed(f"worker {self._entry} did not answer within {timeout}") from error
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    async def stop(self) -> None:
        """Kill the process, if it lives, and wait until it is gone."""
        if self._process:
            _kill(self._process)
            await self._process.wait()
        if self._draining:
            await self._draining

    def dismiss(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= _TOLD | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", self._entry,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=environment, cwd="/", start_new_session=True,
        )  # fmt: skip
        self._draining = asyncio.create_task(self._drain(_pipe(process.stderr)))
        try:
            async with asyncio.timeout(_START):
                await self._receive(process)
        except (TimeoutError, WorkerFailed) as error:
            raise WorkerMissing(f"worker {self._entry} does not start: {await self._last_words()}") from error
        return process

    async def _last_words(self) -> str:
        """What it printed last; only asked before it has seen a document, whose words belong in no log."""
        await self.stop()
        lines = b"".join(self._tail).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    async def _drain(self, stderr: asyncio.StreamReader) -> None:
        """Keep the last of what it prints, in memory only: it may quote the document."""
        while chunk := await stderr.read(4096):
            self._tail.append(chunk)
            while sum(map(len, self._tail)) > 4096 and len(self._tail) > 1:
                self._tail.popleft()

    async def _exchange(self, process: asyncio.subprocess.Process, question: Message) -> Message:
        head, body = pack(*question)
        stdin = _pipe(process.stdin)
        try:
            stdin.write(head)
            stdin.write(body)
            await stdin.drain()
        except ConnectionError as error:
            raise WorkerFailed(f"worker {self._entry} ended: {await self._how_it_ended(process)}") from error
        return await self._receive(process)

    async def _receive(self, process: asyncio.subprocess.Process) -> Message:
        stdout = _pipe(process.stdout)
        try:
            head_size, data_size = SIZES.unpack(await stdout.readexactly(SIZES.size))
            if (size := head_size + data_size) > self._limits.answer:
                raise WorkerFailed(f"worker {self._entry} answered {size} bytes; at most {self._limits.answer}")
            answer = json.loads(await stdout.readexactly(head_size))
            data = await stdout.readexactly(data_size)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise WorkerFailed(f"worker {self._entry} ended: {await self._how_it_ended(process)}") from error
        except ValueError as error:
            raise WorkerFailed(f"worker {self._entry} answered something else than JSON") from error
        if not isinstance(answer, dict):
            raise WorkerFailed(f"worker {self._entry} answered something else than a JSON object")
        return answer, data

    async def _how_it_ended(self, process: asyncio.subprocess.Process) -> str:
        try:
            async with asyncio.timeout(_GOODBYE):
                code = await process.wait()
        except TimeoutError:  # it closed its pipe and stayed
            _kill(process)
            code = await process.wait()
        if self._overdrawn:
            return f"it held {self._overdrawn >> 20} MiB of memory; at most {self._limits.memory >> 20}"
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    async def _watch_memory(self, process: asyncio.subprocess.Process) -> None:
        while process.returncode is None:
            held = _resident(process.pid)
            if held > self._limits.memory:
                self._overdrawn = held
                _kill(process)
            await asyncio.sleep(_WATCH_EVERY)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0  # it has ended; the pipe tells


def _kill(process: asyncio.subprocess.Process) -> None:
    """Not `process.kill()`, which may reap the child before asyncio's watcher does: its exit status would be lost."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _pipe(pipe: T | None) -> T:
    if pipe is None:
        raise RuntimeError("the process was started without its pipes")
    return pipe

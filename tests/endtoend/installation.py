"""One installation of xinqiao: its configuration, its daemon as a process that can be killed, its commands."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from ingest.config import Config, load
from ingest.control import ask
from store.ledger import SUSPECT
from tests.program import PROGRAM, Process, start

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Flight:
    """What was under way when the daemon died."""

    leased: int
    """Steps in somebody's hands."""
    waiting: int
    """Other steps to do."""
    lanes: frozenset[str]
    """Lanes of the steps in somebody's hands."""
    queued: frozenset[str]
    """Lanes of the others."""
    suspects: int = 0
    """Of those in somebody's hands: how many may be in those of an earlier life, whose lease is waited for."""


class Installation:
    """Everything of it lies in `folder`; `secrets` become the environment of whatever it runs."""

    def __init__(self, folder: Path, config: str, secrets: dict[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "config.yaml"
        self.log = folder / "daemon.log"
        self.secrets = secrets
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **secrets}
        self._process: Process | None = None
        self.program = PROGRAM
        self._read_to = 0
        self._lines: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(config, "utf-8")

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    async def start(self, *options: str, crash_at: str = "", begun: bool = True) -> None:
        """Start the daemon; with `begun` return when it says that it works."""
        before = self.said("started")
        with self.log.open("ab") as log:
            log.write(b"\n")  # the last life may have died within a line
        with self._output() as output:
            environment = {**self._environment, "XINQIAO_CRASH_AT": crash_at}
            arguments = self._arguments("run", *options)
            self._process = await start(arguments, environment, ROOT, None, output, output, program=self.program)
        if begun:
            await self.until(lambda: self.said("started") > before, "the daemon starts")

    @contextmanager
    def _output(self) -> Iterator[IO[bytes]]:
        """Where the daemon says what it does."""
        with self.log.open("ab") as log:
            yield log

    async def until(self, condition: Callable[[], bool], what: str, patience: float = 60) -> None:
        """Wait for something to be seen from outside; the daemon must live meanwhile."""

        async def holds() -> bool:
            return condition()

        await self.until_it(holds, what, patience, between=0.02)

    async def until_it(
        self, holds: Callable[[], Awaitable[bool]], what: str, patience: float = 60, between: float = 0.2
    ) -> None:
        """As `until`, for what must be asked for; `between` two looks so many seconds pass."""
        async with asyncio.timeout(patience):
            while not await holds():
                assert self.process.returncode is None, f"while waiting that {what}:\n{self.tail()}"
                await asyncio.sleep(between)

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert await self.process.wait() == -signal.SIGKILL

    async def killed(self, patience: float = 90) -> None:
        """Wait until the daemon has died by SIGKILL, by its own hand."""
        assert await asyncio.wait_for(self.process.wait(), patience) == -signal.SIGKILL, self.tail()

    async def stop(self) -> float:
        """SIGTERM; how many seconds it took to end in order."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.process.terminate()
        try:
            status = await asyncio.wait_for(self.process.wait(), 30)
        except TimeoutError:
            self.process.send_signal(signal.SIGABRT)  # it leaves behind where every thread hangs
            await self.process.wait()
            raise AssertionError(f"told to end, it goes on:\n{self.tail(300)}") from None
        assert status == 0, self.tail()
        return loop.time() - began

    async def end(self) -> None:
        """Whatever became of the test, no daemon stays behind."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def said(self, event: str, **facts: object) -> int:
        """How often the daemon's log says so."""
        return sum(
            line["event"] == event and all(line.get(name) == fact for name, fact in facts.items())
            for line in self.log_lines()
        )

    def log_lines(self) -> list[dict[str, Any]]:
        """What the log says, over all lives."""
        if self.log.exists():
            with self.log.open("rb") as log:
                log.seek(self._read_to)
                text = log.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._read_to += len(whole)
            self._lines += [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]
        return self._lines

    def flight(self) -> Flight:
        """The ledger of a daemon that is dead, read from a copy."""
        with TemporaryDirectory() as place:
            for file in self.data.glob("xinqiao.db*"):
                shutil.copy(file, place)
            database = sqlite3.connect(Path(place) / "xinqiao.db")
            rows = database.execute("SELECT lane, leased, attempts FROM ledger WHERE state != 'dead'").fetchall()
            database.close()
        held = [lane for lane, leased, _ in rows if leased]
        others = [lane for lane, leased, _ in rows if not leased]
        suspects = sum(leased and attempts >= SUSPECT for _, leased, attempts in rows)
        return Flight(len(held), len(others), frozenset(held), frozenset(others), suspects)

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    async def command(self, name: str, *arguments: str, stdin: str = "") -> Said:
        """Run a command as a user would, on this installation's configuration."""
        return await self._run(self._arguments(name, *arguments), stdin)

    async def bare(self, *arguments: str) -> Said:
        """Run the program with exactly these arguments."""
        return await self._run(arguments, "")

    async def status(self) -> dict[str, Any]:
        """As the command prints it, asked as the command asks: a process for each question takes a second."""
        return await ask(await self._settings(), "status", {}, "test")

    async def at_rest(self, patience: float = 120) -> dict[str, Any]:
        """The status once every door was asked anew, wholly after now, and nothing waits in the ledger."""
        polls: dict[str, set[str]] = {name: set() for name in (await self._settings()).channels}
        clock = asyncio.get_running_loop().time
        end = clock() + patience
        while True:
            assert self.process.returncode is None, self.tail()
            status = await self.status()
            for door in status["doors"]:
                if door["last_success_at"] is not None:
                    polls.setdefault(door["name"], set()).add(door["last_success_at"])
            # The first end of a poll that we see may belong to one that began before now; the third does not.
            if all(len(ends) > 2 for ends in polls.values()) and not status["stages"]["ledger"]:
                return status
            seen = {name: len(ends) for name, ends in polls.items()}
            assert clock() < end, f"not at rest: {seen} polls, {status}\n{self.tail()}"
            await asyncio.sleep(0.3)

    async def _settings(self) -> Config:
        return await asyncio.to_thread(load, self.config, self._environment)

    def _arguments(self, name: str, *arguments: str) -> list[str]:
        return [name, "-c", str(self.config), *arguments]

    async def _run(self, arguments: Sequence[str], stdin: str) -> Said:
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            process = await start(arguments, self._environment, self.folder, given, out, err, program=self.program)
            try:
                status = await asyncio.wait_for(process.wait(), 120)
            finally:
                if process.returncode is None:
                    process.kill()
            return Said(status, *(_all_of(file) for file in (out, err)))


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()

"""One daemon of a town under faults: its process, its line to the OA and to the database, its clock."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sandbox.ports import free_port
from tests.endtoend.installation import Installation
from tests.faults.cramped import LIMIT_FILE
from tests.faults.oa import WORKFLOW
from tests.faults.proxy import Proxy

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
QUICK = {"first": "300ms", "longest": "2s", "attempts": 8}
TARGET = {
    "success": {"path": "code", "equals": 0},
    "receiver_id": "id",
    "timeout": "3s",
    "concurrency": 4,
    "retry": QUICK,
}
UNWRITTEN = ("delivery failed", "delivery not given back", "step failed", "step not put back")
RECOGNISER = "normalize.ocr"
LOOKUP = {
    "method": "GET",
    "path": "lookup",
    "params": {"event": "{{ event.id }}"},
    "wait": "4s",
    "found": "found == `true`",
    "absent": "found == `false`",
    "receiver_id": "id",
}


@dataclass(frozen=True)
class Lines:
    """Where a worker reaches everybody: each through a proxy."""

    oa: int
    sunshine: int
    hotline: int
    mailbox: int
    letters: Path
    archive: Path
    database: str
    data: Path


def configuration(lines: Lines, user: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """What the worker is told; secrets stand in the environment."""
    door = {"every": "1s", "start_from": "all"}
    platform = {**door, "app_id": "xinqiao", "timeout": "4s"}
    here, oa = "http://127.0.0.1", f"http://127.0.0.1:{lines.oa}/webhook"
    return {
        "database": lines.database,
        "data": {"folder": str(lines.data)},
        "sealing": {"key": "${XINQIAO_KEY}"},
        "listen": {"host": "127.0.0.1", "port": free_port()},
        "log": {"format": "json", "level": "info"},
        "channels": {
            "sunshine": {
                **platform,
                "kind": "sunshine",
                "base_url": f"{here}:{lines.sunshine}",
                "app_secret": "${SUNSHINE_APP_SECRET}",
            },
            "hotline": {
                **platform,
                "kind": "hotline",
                "base_url": f"{here}:{lines.hotline}",
                "app_secret": "${HOTLINE_APP_SECRET}",
            },
            "director_mailbox": {
                **door,
                "kind": "mailbox",
                "host": "127.0.0.1",
                "port": lines.mailbox,
                "tls": "none",
                "timeout": "4s",
                "username": user,
                "password": "${MAILBOX_PASSWORD}",
            },
            "letters": {
                **door,
                "kind": "letters",
                "folder": str(lines.letters),
                "archive": str(lines.archive),
                "settle_after": "100ms",
            },
        },
        "targets": {
            "oa": {**TARGET, **more, "url": oa, "secret": "${OA_WEBHOOK_SECRET}"},
            "discipline": {
                **TARGET,
                "url": f"{oa}/discipline",
                "secret": "${OA_DISCIPLINE_SECRET}",
                "restricted": "only",
            },
            WORKFLOW: {
                **TARGET,
                "url": f"{oa}/{WORKFLOW}",
                "secret": "${OA_WEBHOOK_SECRET}",
                "idempotent": False,
                "lookup": LOOKUP,
            },
        },
    }


class Worker(Installation):
    """A daemon."""

    def __init__(
        self,
        name: str,
        folder: Path,
        config: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        oa: Proxy,
        database: Proxy | None,
        skewable: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name, self.oa, self.database = name, oa, database
        self.skewable = skewable and FAKETIME is not None
        self.pages, self.offset = folder / "pages", folder / "offset"
        self._scribes: list[subprocess.Popen[bytes]] = []
        self._midwife: asyncio.Task[None] | None = None
        self.pages.write_text("")
        self.turn_clock(0)
        environment = {**secrets, LIMIT_FILE: str(self.pages)}
        if self.skewable:
            environment |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self.offset),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_CACHE_DURATION": "1",
            }
        super().__init__(folder, json.dumps(config, ensure_ascii=False), environment)
        self.data = Path(config["data"]["folder"])

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def turn_clock(self, hours: int) -> None:
        """Its clock, if it is skewable, is so far from everybody's."""
        self.offset.write_text(f"{hours * 3600:+d}")

    def recognised(self) -> float:
        """Seconds of processor time for which its recogniser has been at work, as it is only at a scan in hand."""
        return sum(used(child) for child in children(self.process.pid) if RECOGNISER in command_of(child))

    def unwritten(self) -> int:
        """How many steps this life could neither end nor put back, as far as its log says: their leases end them."""
        lines = self.log_lines()
        begun = max((number for number, line in enumerate(lines) if line["event"] == "started"), default=0)
        return sum(len(line.get("rows", "1")) for line in lines[begun:] if line["event"] in UNWRITTEN)

    def kept_doors(self) -> int:
        """How many doors it keeps, as far as its log says."""
        kept: set[str] = set()
        for line in self.log_lines():
            match line["event"]:
                case "started":
                    kept.clear()
                case "door is kept here":
                    kept.add(line["channel"])
                case "door is kept elsewhere now":
                    kept.discard(line["channel"])
        return len(kept) if self.lives else 0

    async def start(self, *options: str, crash_at: str = "", begun: bool = True) -> None:
        if self.skewable and self._midwife is None:
            self._midwife = asyncio.create_task(self._end_the_unborn())
        await super().start(*options, crash_at=crash_at, begun=begun)

    async def _end_the_unborn(self) -> None:
        """A child forked while a thread held libfaketime's lock waits for it before it becomes another program: uvloop
        runs Python there, which asks for the time. The daemon waits for the child, for ever.
        """
        before: set[int] = set()
        while True:
            await asyncio.sleep(2)
            now: set[int] = set()
            with suppress(OSError):  # the daemon or the child has ended meanwhile
                now = self._unborn() if self.lives else now
                for pid in now & before:
                    os.kill(pid, signal.SIGKILL)
            before = now

    def _unborn(self) -> set[int]:
        """Its children that are still itself."""
        itself = command_of(self.process.pid)
        return {child for child in children(self.process.pid) if command_of(child) == itself}

    async def end(self) -> None:
        if self._midwife is not None:
            self._midwife.cancel()
        await super().end()
        for scribe in self._scribes:
            try:
                await asyncio.to_thread(scribe.wait, 60)
            except subprocess.TimeoutExpired as error:
                holders = await asyncio.to_thread(writers_to, scribe.pid)
                if not self.skewable:
                    raise RuntimeError(f"the log of {self.name} is still held open by {holders}") from error
                for pid in holders:  # forked while libfaketime held its lock, it never becomes another program
                    os.kill(pid, signal.SIGKILL)
                await asyncio.to_thread(scribe.wait, 60)

    @contextmanager
    def _output(self) -> Iterator[IO[bytes]]:
        """Through a pipe: a limit on the daemon's files is none on its log."""
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as source, self.log.open("ab") as log:
            self._scribes.append(subprocess.Popen(["cat"], stdin=source, stdout=log, start_new_session=True))
        with os.fdopen(writing, "wb") as output:
            yield output


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def writers_to(reader: int) -> dict[int, str]:
    """The processes that hold the other end of the pipe that this one reads, with their command lines."""
    pipe = Path(f"/proc/{reader}/fd/0").readlink()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if int(folder.name) != reader and any(one.readlink() == pipe for one in (folder / "fd").iterdir()):
                found[int(folder.name)] = command_of(int(folder.name))
    return found


def command_of(pid: int) -> str:
    """Its command line; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(bytes(1), b" ").decode()
    except OSError:
        return ""


def used(pid: int) -> float:
    """Seconds of processor time."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100

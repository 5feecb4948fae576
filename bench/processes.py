"""Processes of a measurement: started, watched through /proc, ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.mails import ROOT

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Watched:
    """A process with all it has started."""

    process: subprocess.Popen[bytes]

    def _all(self) -> list[Path]:
        found, look = [], [self.process.pid]
        while look:
            pid = look.pop()
            place = Path(f"/proc/{pid}")
            try:
                look += [int(one) for one in (place / "task" / str(pid) / "children").read_text().split()]
            except FileNotFoundError:
                continue
            found.append(place)
        return found

    def _memory(self, line: str) -> float:
        """Megabytes, added up over the processes; what they share counts for each."""
        return sum(_field(one / "status", line) for one in self._all()) / 1024

    @property
    def rss(self) -> float:
        return self._memory("VmRSS:")

    @property
    def pss(self) -> float:
        """Megabytes, added up over the processes; what several have is divided among all who have it."""
        return sum(_field(one / "smaps_rollup", "Pss:") for one in self._all()) / 1024

    @property
    def rss_alone(self) -> float:
        """Without the processes it has started."""
        return _field(Path(f"/proc/{self.process.pid}/status"), "VmRSS:") / 1024

    @property
    def descriptors_alone(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def peak_rss(self) -> float:
        return self._memory("VmHWM:")

    @property
    def processor(self) -> float:
        """Seconds of processor time so far."""
        return sum(_used(one) for one in self._all())

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """While it lasts, its memory is read twice a second from outside, so that no host takes it away meanwhile.

        A virtual machine's host may move what was not used for a second or two out of reach; the time to bring it back
        counts as the process's own.
        """
        over = threading.Event()

        def touch() -> None:
            while not over.wait(0.5):
                for one in self._all():
                    _touch(one)

        toucher = threading.Thread(target=touch, daemon=True)
        toucher.start()
        try:
            yield
        finally:
            over.set()
            toucher.join()


def _field(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def _touch(place: Path) -> None:
    """Read what it has in memory."""
    with suppress(OSError), (place / "mem").open("rb", buffering=0) as memory:
        for begin, end in _resident(place):
            with suppress(OSError):  # given back meanwhile
                memory.seek(begin)
                while memory.tell() < end and memory.read(min(end - memory.tell(), 2**20)):
                    pass


def _resident(place: Path) -> Iterator[tuple[int, int]]:
    """The ranges of which anything is in memory."""
    range_ = (0, 0)
    for line in (place / "smaps").read_text().splitlines():
        name, *rest = line.split()
        if name == "Rss:" and rest[0] != "0":
            yield range_
        elif not name.endswith(":"):
            begin, _, end = name.partition("-")
            range_ = (int(begin, 16), int(end, 16))


def _used(place: Path) -> float:
    fields = (place / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


@contextmanager
def started(*module: str, environment: dict[str, str] | None = None, log: Path | None = None) -> Iterator[Watched]:
    """`python -m MODULE …`, ended with the block."""
    command = [sys.executable, "-m", *module]
    with (log or Path(os.devnull)).open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, **(environment or {})}, cwd=ROOT,
        )  # fmt: skip
    try:
        yield Watched(process)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(url: str, *, post: bool = False) -> Any:  # noqa: ANN401 - JSON, of whatever kind was asked for
    """The JSON answered; None: nothing."""
    content = ask_text(url, post=post)
    return json.loads(content) if content else None


def ask_text(url: str, *, post: bool = False) -> str:
    with urlopen(Request(url, method="POST" if post else "GET"), timeout=30) as answer:
        return str(answer.read().decode())


def until(holds: Callable[[], bool], what: str, patience: float, between: float = 0.1) -> None:
    """Look until it holds. Raises TimeoutError."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience:g} s in vain until {what}")
        time.sleep(between)


def middle(numbers: Sequence[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]


def percentile(numbers: Sequence[float], share: float) -> float:
    ordered = sorted(numbers)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

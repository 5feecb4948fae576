"""A real HTTP proxy of our own: tinyproxy, started from a temporary folder, gone afterwards."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.ports import free_port
from tests.missing import missing
from tests.orphans import dying_with_us

USER, PASSWORD = "xinqiao", "proxy-pass-word"
WAIT = 30.0


@dataclass(frozen=True)
class Proxy:
    """Lets in who knows USER and PASSWORD."""

    port: int
    log: Path

    def url(self, password: str = PASSWORD) -> str:
        return f"http://{USER}:{password}@127.0.0.1:{self.port}"

    def connections(self) -> list[str]:
        """Where it was asked to connect to, as its log has it."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return [line.split("): ")[-1] for line in lines if "Request (file descriptor" in line]


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    """Start tinyproxy on a free port and wait until it answers; skip where it is not installed (in CI: fail)."""
    program = shutil.which("tinyproxy")
    if program is None:
        missing("tinyproxy")
    with tempfile.TemporaryDirectory(prefix="tinyproxy-") as place:
        proxy = Proxy(free_port(), Path(place) / "log")
        config = Path(place) / "tinyproxy.conf"
        config.write_text(
            f'Port {proxy.port}\nListen 127.0.0.1\nTimeout 60\nLogFile "{proxy.log}"\nLogLevel Connect\n'
            f"Allow 127.0.0.1\nBasicAuth {USER} {PASSWORD}\n",
            "utf-8",
        )
        process = subprocess.Popen([*dying_with_us(), program, "-d", "-c", str(config)], stdout=subprocess.DEVNULL)
        try:
            _wait(proxy.port, process)
            yield proxy
        finally:
            process.terminate()
            process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    latest = time.monotonic() + WAIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > latest:
                raise RuntimeError("tinyproxy did not start") from error
            time.sleep(0.02)
        else:
            return

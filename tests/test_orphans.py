"""A test run that is killed leaves no server behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUNNING = """
import sys
from importlib import import_module
with getattr(import_module(f"tests.{sys.argv[1]}"), sys.argv[2])():
    print("runs", flush=True)
    sys.stdin.read()
"""
WAIT = 30


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room for that of a socket, which may have a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="xq-", ignore_cleanup_errors=True) as place:
        yield Path(place)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(("dovecot", "running_dovecot"), marks=pytest.mark.dovecot),
        pytest.param(("clamav", "running_clamd"), marks=pytest.mark.clamav),
        pytest.param(("tinyproxy", "running_proxy"), marks=pytest.mark.proxy),
        pytest.param(("postgres", "running_postgres"), marks=pytest.mark.postgres),
    ],
    ids=lambda server: server[0],
)
def test_whoever_started_it_being_killed_nothing_of_it_stays(short: Path, server: tuple[str, str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(short)}
    run = subprocess.Popen(
        [sys.executable, "-c", RUNNING, *server],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True,
    )  # fmt: skip
    with run:
        assert run.stdout is not None
        said = run.stdout.readline()
        if not said and not os.environ.get("CI"):
            pytest.skip(f"{server[0]} does not run here")
        started = descendants(run.pid)
        run.send_signal(signal.SIGKILL)
        run.wait(WAIT)
    latest = time.monotonic() + WAIT
    while (left := [pid for pid in started if is_there(pid)]) and time.monotonic() < latest:
        time.sleep(0.05)  # nothing to wait on: they are not our children
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    assert started
    assert left == []


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(one for child in children for one in descendants(child))]


def is_there(pid: int) -> bool:
    """Not as a zombie, which its new parent may not have noticed yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""A crash point kills at its name and its count, and is nothing otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REACHING = """
from store.crashpoint import reach
for turn in range(1, 6):
    reach("stored")
    print(turn, flush=True)
    reach("settled")
"""


def _run(crash_at: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "XINQIAO_CRASH_AT"}
    if crash_at is not None:
        environment["XINQIAO_CRASH_AT"] = crash_at
    command = [sys.executable, "-c", REACHING]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("crash_at", [None, "", "elsewhere"])
def test_nothing_happens_at_a_point_not_named(crash_at: str | None) -> None:
    ended = _run(crash_at)

    assert (ended.returncode, ended.stdout.split()) == (0, ["1", "2", "3", "4", "5"])


@pytest.mark.parametrize(
    ("crash_at", "printed"),
    [("stored", []), ("settled", ["1"]), ("stored:3", ["1", "2"]), ("settled:3", ["1", "2", "3"])],
)
def test_the_process_dies_at_the_named_time(crash_at: str, printed: list[str]) -> None:
    ended = _run(crash_at)

    assert (ended.returncode, ended.stdout.split()) == (-signal.SIGKILL, printed)


@pytest.mark.parametrize("crash_at", ["stored:0", "stored:x", ":2"])
def test_a_setting_that_cannot_be_meant_is_refused(crash_at: str) -> None:
    ended = _run(crash_at)

    assert ended.returncode == 1
    assert f'"{crash_at}" is neither "name" nor "name:times"' in ended.stderr

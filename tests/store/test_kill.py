"""kill -9 amid writes: what was acknowledged is there, and nothing is there by half.

A killed process leaves its pages to the kernel, so this proves the order of commit and acknowledgement; that the commit
reaches the disk itself is `synchronous=FULL`, held by a test of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from store.engine import StoreBusy, open_store
from store.schema import history, ledger
from store.sqlite import lock
from tests.store.keys import MASTER

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 6


def writing_process(folder: Path, *, workers: int = WORKERS, crash_at: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.writing_process", str(folder), str(workers)],
        cwd=ROOT,
        env={**os.environ, "XINQIAO_CRASH_AT": crash_at},
        stdout=subprocess.PIPE,
        text=True,
    )


def stored(folder: Path) -> list[str]:
    """The names of the transactions found on opening the folder again; each is whole."""
    store = open_store("sqlite", folder, MASTER)
    notes = store.read_now(lambda conn: list(conn.execute(select(history.c.kind).order_by(history.c.id)).scalars()))
    steps = store.read_now(lambda conn: list(conn.execute(select(ledger.c.payload).order_by(ledger.c.id)).scalars()))
    integrity = store.read_now(lambda conn: conn.exec_driver_sql("PRAGMA integrity_check").scalar_one())
    store.close()
    assert integrity == "ok"
    assert notes == [step["name"] for step in steps]
    return notes


@pytest.mark.parametrize("after", [1, 40, 400])
def test_killed_amid_writes_it_keeps_exactly_what_it_acknowledged(tmp_path: Path, after: int) -> None:
    with writing_process(tmp_path) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(after + 1)][1:]
        process.kill()
        acknowledged += process.stdout.read().split()

    found = stored(tmp_path)

    assert len(acknowledged) >= after
    assert set(acknowledged) <= set(found)
    under_way = set(found) - set(acknowledged)
    assert len(under_way) == len({name.split(".")[0] for name in under_way})  # committed, unheard: one a worker at most
    for worker in range(WORKERS):
        mine = [int(name.split(".")[1]) for name in found if name.startswith(f"{worker}.")]
        assert mine == list(range(len(mine)))


@pytest.mark.parametrize(("crash_at", "unheard"), [("store.commit:5", []), ("store.committed:5", ["0.4"])])
def test_killed_at_the_commit_a_transaction_is_there_or_not(tmp_path: Path, crash_at: str, unheard: list[str]) -> None:
    with writing_process(tmp_path, workers=1, crash_at=crash_at) as process:
        assert process.stdout is not None
        acknowledged = process.stdout.read().split()[1:]

    assert process.returncode == -signal.SIGKILL
    assert acknowledged == ["0.0", "0.1", "0.2", "0.3"]
    assert stored(tmp_path) == acknowledged + unheard


def test_while_another_process_writes_a_folder_it_is_busy_and_free_once_that_is_killed(tmp_path: Path) -> None:
    with writing_process(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreBusy, match="another xinqiao process"):
            open_store("sqlite", tmp_path, MASTER)
        process.kill()

    open_store("sqlite", tmp_path, MASTER).close()


def test_a_forked_worker_that_outlives_the_process_does_not_hold_the_folder(tmp_path: Path) -> None:
    held = lock(tmp_path / "lock")
    (alive, child_lives), (ending, parent_ends) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(parent_ends)
        os.write(child_lives, b".")
        os.read(ending, 1)  # until the parent is gone
        os._exit(0)
    assert os.read(alive, 1) == b"."
    held.close()

    lock(tmp_path / "lock").close()
    os.close(parent_ends)
    assert os.waitpid(child, 0)[1] == 0
    for handle in (alive, child_lives, ending):
        os.close(handle)

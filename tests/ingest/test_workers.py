import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.workers import WorkerFailed, WorkerLimits, WorkerPool, WorkerRefused

ODD = "tests.ingest.odd_worker"
SOON = timedelta(seconds=60)
SMALL = WorkerLimits(memory=200 << 20)


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    async with WorkerPool(ODD, limits=SMALL) as pool:
        yield pool


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> None:
    """Wait until the process has ended."""
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    signalled = asyncio.Event()
    asyncio.get_running_loop().add_reader(ended, signalled.set)
    async with asyncio.timeout(60):
        await signalled.wait()
    asyncio.get_running_loop().remove_reader(ended)
    os.close(ended)


async def test_nothing_is_started_before_the_first_call(pool: WorkerPool) -> None:
    assert pool.pids == ()


async def test_a_worker_answers_and_is_used_again(pool: WorkerPool) -> None:
    first = await pool.call({"do": "count"}, b"x" * 3_000_000, SOON)
    again = await pool.call({"do": "count"}, b"", SOON)

    assert first["bytes"] == 3_000_000
    assert first["pid"] == again["pid"] == pool.pids[0]


async def test_work_that_cannot_be_done_keeps_its_kind_and_reason(pool: WorkerPool) -> None:
    with pytest.raises(WorkerRefused, match="page 3 is torn") as refused:
        await pool.call({"do": "refuse"}, b"", SOON)

    assert refused.value.kind == "unreadable"
    assert len(pool.pids) == 1


async def test_a_fault_is_told_without_the_words_of_the_document(pool: WorkerPool) -> None:
    with pytest.raises(WorkerFailed, match=r"ValueError at odd_worker\.py:\d+") as failed:
        await pool.call({"do": "fail"}, b"", SOON)

    assert "citizen" not in str(failed.value)


async def test_what_a_library_prints_disturbs_nobody(pool: WorkerPool) -> None:
    printed = await pool.call({"do": "chatter"}, b"", SOON)

    assert await pool.call({"do": "count"}, b"abc", SOON) == {"bytes": 3, "pid": printed["pid"]}


async def test_a_worker_that_dies_is_replaced(pool: WorkerPool) -> None:
    with pytest.raises(WorkerFailed, match="signal 11"):
        await pool.call({"do": "die"}, b"", SOON)

    assert (await pool.call({"do": "count"}, b"abc", SOON))["bytes"] == 3


async def test_an_idle_worker_that_was_killed_is_replaced(pool: WorkerPool) -> None:
    first = await pool.call({"do": "count"}, b"", SOON)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    await gone(pid)

    assert (await pool.call({"do": "count"}, b"", SOON))["pid"] != first["pid"]


async def test_a_worker_that_hangs_is_killed_at_its_time(pool: WorkerPool) -> None:
    pid = (await pool.call({"do": "count"}, b"", SOON))["pid"]
    with pytest.raises(WorkerFailed, match="did not answer within"):
        await pool.call({"do": "hang"}, b"", timedelta(milliseconds=50))

    assert isinstance(pid, int)
    assert not is_alive(pid)
    assert pool.pids == ()


async def test_a_worker_that_takes_too_much_memory_is_killed(pool: WorkerPool) -> None:
    with pytest.raises(WorkerFailed, match="MiB of memory; at most 200"):
        await pool.call({"do": "swell"}, b"", SOON)

    assert (await pool.call({"do": "count"}, b"", SOON))["bytes"] == 0


async def test_a_worker_writes_no_files(pool: WorkerPool, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailed, match="OSError"):
        await pool.call({"do": "write"}, str(tmp_path / "loot").encode(), SOON)


async def test_a_worker_does_not_see_our_secrets(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINQIAO_KEY", "secret")

    names = (await pool.call({"do": "environment"}, b"", SOON))["names"]

    assert isinstance(names, list)
    assert "PYTHONPATH" in names
    assert "XINQIAO_KEY" not in names


async def test_a_worker_is_replaced_after_its_share_of_work() -> None:
    async with WorkerPool(ODD, limits=replace(SMALL, tasks=2)) as pool:
        pids = [(await pool.call({"do": "count"}, b"", SOON))["pid"] for _ in range(4)]

    assert pids[0] == pids[1] != pids[2] == pids[3]


async def test_no_more_work_at_once_than_the_pool_is_large() -> None:
    async with WorkerPool(ODD, size=2, limits=SMALL) as pool:
        answers = await asyncio.gather(*(pool.call({"do": "count"}, b"", SOON) for _ in range(12)))

        assert {answer["pid"] for answer in answers} == set(pool.pids)
        assert len(pool.pids) <= 2


async def test_an_idle_worker_ends() -> None:
    async with WorkerPool(ODD, limits=replace(SMALL, idle=timedelta(milliseconds=20))) as pool:
        pid = (await pool.call({"do": "count"}, b"", SOON))["pid"]

        assert isinstance(pid, int)
        await gone(pid)
        assert pool.pids == ()
        assert (await pool.call({"do": "count"}, b"", SOON))["pid"] != pid


async def test_closing_ends_a_call_under_way_and_its_worker() -> None:
    pool = WorkerPool(ODD, limits=SMALL)
    pid = (await pool.call({"do": "count"}, b"", SOON))["pid"]
    call = asyncio.ensure_future(pool.call({"do": "hang"}, b"", SOON))
    await asyncio.sleep(0)
    await pool.close()

    with pytest.raises(WorkerFailed):
        await call
    assert isinstance(pid, int)
    assert not is_alive(pid)


async def test_a_cancelled_call_leaves_no_process() -> None:
    async with WorkerPool(ODD, limits=SMALL) as pool:
        pid = (await pool.call({"do": "count"}, b"", SOON))["pid"]
        call = asyncio.ensure_future(pool.call({"do": "hang"}, b"", SOON))
        await asyncio.sleep(0)
        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
        assert isinstance(pid, int)
        assert not is_alive(pid)


async def test_an_entry_that_does_not_start_says_why() -> None:
    async with WorkerPool("tests.ingest.no_such_worker", limits=SMALL) as pool:
        with pytest.raises(WorkerFailed, match=r"does not start: .*no_such_worker"):
            await pool.call({"do": "count"}, b"", SOON)


async def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", textwrap.dedent(f"""
            import asyncio, datetime, sys
            from ingest.workers import WorkerPool
            async def main():
                pool = WorkerPool("{ODD}")
                minute = datetime.timedelta(seconds=60)
                print((await pool.call({{"do": "count"}}, b"", minute))["pid"], flush=True)
                await pool.call({{"do": "hang"}}, b"", minute)
            asyncio.run(main())
        """)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout is not None
    worker = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()

    await gone(worker)

"""A share with the large originals that answers nothing any more, neither yes nor no: a pipe that nobody writes to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ingest.depot_watch import DepotWatch
from ingest.health import Readiness
from ingest.metrics import Metrics
from store import depot_threads
from store.blob_claim import CLAIM
from store.blobs import INLINE_LIMIT, find, key_of
from tests.ingest.desk import Desk, open_desk
from tests.ingest.test_reader import arrive, mail, read, states

LARGE = 50_000


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(depot_threads, "PATIENCE", timedelta(milliseconds=50))
    with open_desk(tmp_path) as opened:
        yield opened


@contextmanager
def hanging(desk: Desk) -> Iterator[None]:
    """Whoever reads a file of the depot waits until this ends."""
    depot = desk.store.folder / "blobs"
    files = [path for path in depot.rglob("*") if path.is_file()]
    contents = {path: path.read_bytes() for path in files}
    for path in (*files, depot / CLAIM):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    try:
        yield
    finally:
        for path in (*files, depot / CLAIM):
            writing = os.open(path, os.O_RDWR)
            path.unlink()
            if path in contents:
                path.write_bytes(contents[path])
            os.close(writing)


def watch_over(desk: Desk) -> DepotWatch:
    return DepotWatch(desk.store.blobs, Metrics(), lambda: desk.now)


async def test_whoever_waits_for_it_keeps_no_thread_of_others_and_is_told(desk: Desk) -> None:
    blobs, content, watch = desk.store.blobs, b"x" * (INLINE_LIMIT + 1), watch_over(desk)
    prepared = await blobs.prepared(content)
    desk.write(lambda conn: blobs.keep(conn, prepared, desk.now))
    kept = desk.store.read_now(lambda conn: find(conn, prepared.sha256))
    with hanging(desk):
        waiting = [asyncio.create_task(blobs.opened(kept)) for _ in range(40)]
        await asyncio.sleep(0)
        small = await blobs.prepared(b"small")
        await asyncio.to_thread(str)
        await watch.look()
        seen, trouble = watch.state, watch.trouble
        ends = await asyncio.gather(*waiting, blobs.opened(kept), blobs.prepared(content), return_exceptions=True)
    await watch.look()

    assert small.sealed
    assert seen == Readiness(ready=False, state="unavailable")
    assert trouble is not None
    assert "has not answered" in trouble.error
    assert all(isinstance(end, OSError) for end in ends)
    assert watch.state.ready
    assert (await blobs.opened(kept), (await blobs.prepared(content)).sha256) == (content, kept.sha256)
    assert (desk.store.folder / "blobs" / key_of(kept.sha256)).is_file()


async def test_trouble_seen_by_a_clock_that_was_ahead_began_no_later_than_now(desk: Desk) -> None:
    watch, right = watch_over(desk), desk.now
    with hanging(desk):
        desk.now += timedelta(hours=8)
        await watch.look()
        desk.now = right
        await watch.look()

    assert watch.trouble is not None
    assert watch.trouble.since == right


async def test_what_is_small_is_read_meanwhile_and_what_is_large_waits(desk: Desk) -> None:
    claims = arrive(desk, mail("large", LARGE), mail("small"))
    with hanging(desk):
        reading = asyncio.create_task(read(desk, claims))
        while states(desk)[1][0] == "waiting" and not reading.done():  # noqa: ASYNC110 - as anybody else would see it
            await asyncio.sleep(0.01)
        await watch_over(desk).look()
        with pytest.raises(OSError, match="has not answered"):
            await reading

    assert states(desk) == [("waiting", None), ("read", None)]

"""An installation whose large originals lie in a bucket, and what becomes of its work while the bucket is shut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ingest import inbox
from ingest.depot_watch import DepotWatch, said_of
from ingest.health import Readiness
from ingest.metrics import Metrics
from ingest.probing_store import probe_blobs, probe_database
from store import ledger
from store.blob_bucket import BlobBucket, Bucket
from store.engine import READERS, open_store
from store.failure import is_passing
from store.ledger import Claim
from tests.ingest.desk import NOW, Desk, desk_over
from tests.ingest.test_reader import arrive, mail, read, states
from tests.object_store import ObjectStore
from tests.postgres import Server

LARGE = 50_000


@pytest.fixture
def bucket(object_store: ObjectStore) -> Bucket:
    return object_store.bucket()


@pytest.fixture
def desk(tmp_path: Path, bucket: Bucket) -> Iterator[Desk]:
    store = open_store("sqlite", tmp_path, b"k" * 32, NOW, bucket)
    yield desk_over(store)
    store.close()


@pytest.fixture
async def shut(object_store: ObjectStore, desk: Desk) -> AsyncIterator[list[Claim]]:
    """Nobody answers for the bucket; the claims of two mails that arrived before."""
    claims = arrive(desk, mail("small"), mail("large", LARGE))
    object_store.stop()
    yield claims
    object_store.start()


async def test_a_large_original_is_read_from_its_bucket(desk: Desk, object_store: ObjectStore, bucket: Bucket) -> None:
    await read(desk, arrive(desk, mail("large", LARGE)))

    assert states(desk) == [("read", None)]
    assert len(object_store.keys(bucket)) == 2  # the original, and the claim


async def test_while_the_bucket_is_shut_what_lies_in_it_waits_and_is_not_kept_aside(
    desk: Desk, shut: list[Claim], object_store: ObjectStore
) -> None:
    with pytest.raises(OSError, match="cannot be connected to") as trouble:
        await read(desk, shut)

    assert is_passing(trouble.value)
    assert states(desk) == [("read", None), ("waiting", None)]
    object_store.start()
    await read(desk, shut[1:])
    assert [state for state, _ in states(desk)] == ["read", "read"]


@pytest.mark.usefixtures("shut")
async def test_while_the_bucket_is_shut_nothing_large_is_taken_in(desk: Desk) -> None:
    with pytest.raises(OSError, match="cannot be connected to"):
        arrive(desk, mail("another", LARGE))


async def test_a_bucket_that_hangs_does_not_hold_up_the_database(desk: Desk, bucket: Bucket) -> None:
    claims = arrive(desk, *(mail(str(number), LARGE) for number in range(2 * READERS)))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        desk.store.blobs.depot = BlobBucket(replace(bucket, endpoint=endpoint, timeout=timedelta(seconds=3)))
        readings = [asyncio.create_task(read(desk, [held])) for held in claims]
        asking = await asyncio.to_thread(lambda: [silent.accept()[0] for _ in range(READERS)])
        async with asyncio.timeout(2):
            waiting = await desk.store.read(ledger.counts)
        ends = await asyncio.gather(*readings, return_exceptions=True)
        for conn in asking:
            conn.close()

    assert waiting[inbox.READ_LANE]["ready"] == len(claims)
    assert all(isinstance(end, OSError) for end in ends)
    assert {state for state, _ in states(desk)} == {"waiting"}


async def test_a_bucket_that_is_shut_is_told_of_once_and_once_when_it_is_back(
    desk: Desk, object_store: ObjectStore
) -> None:
    watch = DepotWatch(desk.store.blobs, metrics := Metrics(), lambda: desk.now)
    with capture_logs() as logged:
        await watch.look()
        object_store.stop()
        await watch.look()
        await watch.look()
        seen, gauge = watch.state, metrics.registry.get_sample_value("xinqiao_blobs_open")
        object_store.start()
        await watch.look()

    assert (seen, gauge) == (Readiness(ready=False, state="unavailable"), 0)
    assert [line["event"] for line in logged] == [
        "large originals cannot be kept; work waits",
        "large originals can be kept again",
    ]
    assert watch.state.ready


async def test_a_folder_is_watched_alike(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path, b"k" * 32)
    before = await said_of(store.blobs)
    (tmp_path / "blobs").rename(tmp_path / "gone")

    assert before is None
    assert "is the share still mounted" in str(await said_of(store.blobs))
    store.close()


async def test_a_probe_writes_reads_and_removes_and_leaves_nothing(bucket: Bucket, object_store: ObjectStore) -> None:
    seen = await probe_blobs(bucket, removing=True)

    assert (seen.ok, seen.name, seen.text) == (True, bucket.address, "an object was written, read back and removed")
    assert object_store.keys(bucket) == []


async def test_a_bucket_that_lets_nothing_be_removed_can_be_used_but_for_retention(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_depot: BlobBucket, _key: str) -> None:
        raise OSError(5, "the key may not do this")

    monkeypatch.setattr(BlobBucket, "remove", refuse)
    seen = await probe_blobs(bucket, removing=False)
    with_retention = await probe_blobs(bucket, removing=True)

    assert seen.ok
    assert "cannot be removed: the key may not do this" in seen.text
    assert not with_retention.ok
    assert with_retention.text == "nothing can be removed, as `retention.originals` demands: the key may not do this"


async def test_a_bucket_with_a_wrong_secret_is_said_to_have_one(bucket: Bucket) -> None:
    seen = await probe_blobs(replace(bucket, secret_key="wrong"), removing=False)

    assert not seen.ok
    assert seen.text == "access key and secret key do not belong together (SignatureDoesNotMatch)"


@pytest.mark.postgres
async def test_a_database_is_asked_what_it_is_and_left_as_it_is(postgres: Server) -> None:
    fresh, made = postgres.database(), postgres.migrated()
    seen = [await probe_database(address) for address in (fresh, made, fresh)]

    assert [one.ok for one in seen] == [True] * 3
    assert seen[0].text.startswith("PostgreSQL ")
    assert seen[0].text.endswith("no tables yet")
    assert "tables of migration" in seen[1].text
    assert seen[2] == seen[0]
    nobody = await probe_database(fresh.replace("xinqiao_", "nothing_"))
    assert not nobody.ok
    assert "does not exist" in nobody.text

"""Bytes come back as they were kept, or not at all; small ones from the row, large ones from a folder or a bucket."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from store.blob_bucket import BlobBucket
from store.blob_claim import CLAIM
from store.blobs import INLINE_LIMIT, Prepared, key_of
from store.engine import Store, StoreRefused, open_store
from store.failure import is_passing
from store.schema import blob
from store.sealing import SealBroken
from tests.endtoend.searching import Secret
from tests.object_store import ObjectStore
from tests.postgres import Server
from tests.store.keys import MASTER, NOW, OTHER_MASTER
from tests.store.shelves import Folder, Objects, Shelf, blobs_on, opened
from tests.store.written import written

LARGE = bytes(range(256)) * (INLINE_LIMIT // 256) + b"."


def keep(store: Store, content: bytes) -> Prepared:
    prepared = store.blobs.prepare(content)
    store.submit(lambda conn: store.blobs.keep(conn, prepared, NOW)).result(60)
    return prepared


def load(store: Store, sha256: str) -> bytes:
    return store.read_now(lambda conn: store.blobs.load(conn, sha256))


@pytest.fixture(params=["folder", "bucket"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Both depots."""
    if request.param == "folder":
        return Folder(tmp_path / "data" / "blobs")
    server: ObjectStore = request.getfixturevalue("object_store")
    return Objects(server, server.bucket())


@pytest.fixture
def store(tmp_path: Path, database: str, shelf: Shelf) -> Iterator[Store]:
    """On both engines, over both depots."""
    store = opened(database, tmp_path / "data", shelf)
    yield store
    store.close()


@pytest.fixture
def foldered(tmp_path: Path) -> Iterator[Store]:
    store = open_store("sqlite", tmp_path / "data", MASTER)
    yield store
    store.close()


def files(store: Store) -> list[Path]:
    return [path for path in (store.folder / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("length", "outside"), [(0, 0), (1, 0), (INLINE_LIMIT, 0), (INLINE_LIMIT + 1, 1), (10**6, 1)])
def test_small_bytes_are_in_the_row_and_large_ones_in_the_depot(
    store: Store, shelf: Shelf, length: int, outside: int
) -> None:
    content = os.urandom(length)
    prepared = keep(store, content)

    assert (prepared.sha256, prepared.size) == (hashlib.sha256(content).hexdigest(), length)
    assert load(store, prepared.sha256) == content
    assert len(blobs_on(shelf)) == outside


@pytest.mark.parametrize("content", [b"twice", LARGE], ids=["small", "large"])
def test_the_same_bytes_are_kept_once(store: Store, shelf: Shelf, content: bytes) -> None:
    first, second = keep(store, content), keep(store, content)

    assert first.sha256 == second.sha256
    assert store.read_now(lambda conn: conn.execute(select(func.count()).select_from(blob)).scalar_one()) == 1
    assert len(blobs_on(shelf)) <= 1
    assert load(store, first.sha256) == content


def test_the_same_large_bytes_are_not_written_again(store: Store, shelf: Shelf) -> None:
    keep(store, LARGE)
    (key,) = blobs_on(shelf)
    before = shelf.get(key)
    keep(store, LARGE)

    assert shelf.get(key) == before  # sealed anew they would be other bytes


def test_what_is_not_kept_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError, match="blob abc is not in this store"):
        load(store, "abc")


def test_nothing_readable_is_on_disk_nor_leaves_for_the_bucket(store: Store, shelf: Shelf) -> None:
    keep(store, LARGE)
    digest = keep(store, b"a short complaint").sha256

    everything = [*written(store), *(shelf.get(key) for key in shelf.names())]
    assert any(digest.encode() in content for content in everything)
    secret = Secret(("a short complaint",), (LARGE,))
    assert [found for content in everything if (found := secret.found_in(content))] == []


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "missing"])
def test_what_is_damaged_is_noticed_and_healed_when_the_same_bytes_come_again(
    store: Store, shelf: Shelf, damage: str
) -> None:
    sha = keep(store, LARGE).sha256
    (key,) = blobs_on(shelf)
    sealed = shelf.get(key)
    match damage:
        case "flipped":
            shelf.put(key, sealed[:1000] + bytes([sealed[1000] ^ 1]) + sealed[1001:])
        case "cut":
            shelf.put(key, sealed[:-1])
        case "empty":
            shelf.put(key, b"")
        case "missing":
            shelf.delete(key)

    with pytest.raises(SealBroken, match=sha) as broken:
        load(store, sha)
    keep(store, LARGE)
    assert load(store, sha) == LARGE
    assert not is_passing(broken.value)


def test_ones_bytes_under_another_ones_name_are_refused(store: Store, shelf: Shelf) -> None:
    first, second = keep(store, LARGE), keep(store, LARGE + b"!")
    shelf.put(key_of(first.sha256), shelf.get(key_of(second.sha256)))

    with pytest.raises(SealBroken, match="damaged or moved"):
        load(store, first.sha256)


def test_one_rows_bytes_in_another_row_are_refused(store: Store) -> None:
    first, second = keep(store, b"one"), keep(store, b"two")
    store.submit(
        lambda conn: conn.execute(update(blob).where(blob.c.sha256 == first.sha256).values(sealed=second.sealed))
    ).result(60)

    with pytest.raises(SealBroken, match="damaged or moved"):
        load(store, first.sha256)


def test_a_file_left_by_an_earlier_store_under_another_key_is_written_anew(tmp_path: Path) -> None:
    earlier = open_store("sqlite", tmp_path / "earlier", OTHER_MASTER)
    keep(earlier, LARGE)
    earlier.close()
    store = open_store("sqlite", tmp_path / "new", MASTER)
    shutil.copytree(tmp_path / "earlier" / "blobs", tmp_path / "new" / "blobs", dirs_exist_ok=True)

    assert load(store, keep(store, LARGE).sha256) == LARGE
    store.close()


def test_bytes_whose_row_was_lost_in_a_crash_are_found_again(store: Store, shelf: Shelf) -> None:
    store.blobs.prepare(LARGE)  # and the process dies before the transaction
    (key,) = blobs_on(shelf)
    written = shelf.get(key)

    assert load(store, keep(store, LARGE).sha256) == LARGE
    assert shelf.get(key) == written


@pytest.mark.postgres
def test_what_is_removed_is_gone_and_removing_it_twice_is_removing_it(store: Store, shelf: Shelf) -> None:
    key = key_of(keep(store, LARGE).sha256)
    store.blobs.depot.remove(key)
    store.blobs.depot.remove(key)

    assert store.blobs.depot.read(key) is None
    assert key not in shelf.names()


def test_two_installations_do_not_share_a_depot(tmp_path: Path, postgres: Server, shelf: Shelf) -> None:
    first, second = postgres.migrated(), postgres.migrated()
    store = opened(first, tmp_path / "data", shelf)
    sha = keep(store, LARGE).sha256

    with pytest.raises(StoreRefused, match="another installation keeps its blobs here"):
        opened(second, tmp_path / "data", shelf)
    assert load(store, sha) == LARGE
    store.close()


@pytest.mark.postgres
def test_a_depot_that_has_none_of_the_blobs_is_not_taken_for_the_stores(
    tmp_path: Path, postgres: Server, shelf: Shelf
) -> None:
    address = postgres.migrated()
    store = opened(address, tmp_path / "data", shelf)
    keep(store, LARGE)
    store.close()
    for key in shelf.names():  # as behind a mount point whose share is not there
        shelf.delete(key)

    with pytest.raises(StoreRefused, match="this store's blobs are not here; is the share mounted"):
        opened(address, tmp_path / "data", shelf)


@pytest.mark.postgres
def test_a_depot_from_before_there_were_claims_is_claimed(tmp_path: Path, postgres: Server, shelf: Shelf) -> None:
    address = postgres.migrated()
    store = opened(address, tmp_path / "data", shelf)
    sha = keep(store, LARGE).sha256
    store.close()
    shelf.delete(CLAIM)
    store = opened(address, tmp_path / "data", shelf)

    assert load(store, sha) == LARGE
    assert CLAIM in shelf.names()
    store.close()


def test_a_folder_that_is_gone_is_trouble_and_no_damage(foldered: Store) -> None:
    sha = keep(foldered, LARGE).sha256
    (foldered.folder / "blobs").rename(foldered.folder / "elsewhere")
    (foldered.folder / "blobs").mkdir()  # a mount point without its share

    for ask in (lambda: load(foldered, sha), lambda: foldered.blobs.prepare(LARGE + b"!")):
        with pytest.raises(OSError, match="is the share still mounted") as trouble:
            ask()
        assert is_passing(trouble.value)
    assert list((foldered.folder / "blobs").iterdir()) == []


def test_a_file_half_written_by_a_crash_is_swept_away_on_opening(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path, MASTER)
    sha = keep(store, LARGE).sha256
    store.close()
    left = tmp_path / "blobs" / "partial" / f"{sha}.00c0ffee"
    left.write_bytes(b"half of")

    store = open_store("sqlite", tmp_path, MASTER)

    assert not left.exists()
    assert load(store, sha) == LARGE
    store.close()


@pytest.mark.postgres
def test_where_others_write_too_only_what_is_old_is_swept_away(tmp_path: Path, postgres: Server) -> None:
    address = postgres.migrated()
    open_store(address, tmp_path, MASTER).close()
    young, old = (tmp_path / "blobs" / "partial" / name for name in ("young", "old"))
    for path in (young, old):
        path.write_bytes(b"half of")
    os.utime(old, (0, 0))
    open_store(address, tmp_path, MASTER).close()

    assert young.exists()
    assert not old.exists()


def test_a_disk_that_fills_while_a_file_is_written_leaves_nothing_behind(
    foldered: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = foldered

    def full(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.blobs.prepare(LARGE)

    assert files(store) == []
    assert load(store, keep(store, LARGE).sha256) == LARGE


def test_a_file_that_got_its_name_meanwhile_is_no_trouble_to_who_sweeps(tmp_path: Path) -> None:
    with closing(open_store("sqlite", tmp_path, MASTER)):
        (tmp_path / "blobs" / "partial" / "gone").symlink_to(tmp_path / "nothing")  # listed, and not there

    open_store("sqlite", tmp_path, MASTER).close()


class Contested(BlobBucket):
    """A bucket into which another host writes in the moment in which we have."""

    theirs = b""
    _asked = 0

    def read(self, key: str) -> bytes | None:
        self._asked += 1
        if self._asked == 2:
            self._store.put(key, self.theirs, use_multipart=False)
        return super().read(key)


def test_what_two_hosts_put_into_the_bucket_at_once_is_there(tmp_path: Path, object_store: ObjectStore) -> None:
    bucket = object_store.bucket()
    with closing(open_store("sqlite", tmp_path, MASTER, bucket=bucket)) as store:
        sha256 = hashlib.sha256(LARGE).hexdigest()
        depot = store.blobs.depot = Contested(bucket)
        depot.theirs = store.sealer.seal(LARGE, f"blob:{sha256}")
        keep(store, LARGE)

        assert load(store, sha256) == LARGE
        depot = store.blobs.depot = Contested(bucket)
        depot.theirs = b"something else"
        with pytest.raises(OSError, match="does not come back"):
            store.blobs.prepare(LARGE + b"!")


def test_only_we_may_read_files_and_folders(foldered: Store) -> None:
    store = foldered
    previous = os.umask(0)
    try:
        keep(store, LARGE)
    finally:
        os.umask(previous)
    folders = [store.folder / "blobs", *(p for p in (store.folder / "blobs").rglob("*") if p.is_dir())]

    assert {oct(path.stat().st_mode & 0o777) for path in files(store)} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}

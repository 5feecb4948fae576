"""Bytes come back as they were kept, or not at all; small ones from the row, large ones from a file of their own."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from store.blobs import INLINE_LIMIT, Prepared
from store.engine import Store, open_store
from store.schema import blob
from store.sealing import SealBroken
from tests.postgres import Server
from tests.store.keys import MASTER, NOW, OTHER_MASTER

LARGE = bytes(range(256)) * (INLINE_LIMIT // 256) + b"."


def keep(store: Store, content: bytes) -> Prepared:
    prepared = store.blobs.prepare(content)
    store.submit(lambda conn: store.blobs.keep(conn, prepared, NOW)).result(60)
    return prepared


def load(store: Store, sha256: str) -> bytes:
    return store.read_now(lambda conn: store.blobs.load(conn, sha256))


def files(store: Store) -> list[Path]:
    return [path for path in (store.folder / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("length", "in_files"), [(0, 0), (1, 0), (INLINE_LIMIT, 0), (INLINE_LIMIT + 1, 1), (10**6, 1)])
def test_small_bytes_are_in_the_row_and_large_ones_in_a_file(store: Store, length: int, in_files: int) -> None:
    content = os.urandom(length)
    prepared = keep(store, content)

    assert (prepared.sha256, prepared.size) == (hashlib.sha256(content).hexdigest(), length)
    assert load(store, prepared.sha256) == content
    assert len(files(store)) == in_files


@pytest.mark.parametrize("content", [b"twice", LARGE], ids=["small", "large"])
def test_the_same_bytes_are_kept_once(store: Store, content: bytes) -> None:
    first, second = keep(store, content), keep(store, content)

    assert first.sha256 == second.sha256
    assert store.read_now(lambda conn: conn.execute(select(func.count()).select_from(blob)).scalar_one()) == 1
    assert len(files(store)) <= 1
    assert load(store, first.sha256) == content


def test_the_same_large_bytes_do_not_write_their_file_again(store: Store) -> None:
    keep(store, LARGE)
    (path,) = files(store)
    before = path.stat()
    keep(store, LARGE)

    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_is_not_kept_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError, match="blob abc is not in this store"):
        load(store, "abc")


def test_nothing_readable_is_on_disk(store: Store) -> None:
    keep(store, LARGE)
    keep(store, b"a short complaint")

    on_disk = [path.read_bytes() for path in store.folder.rglob("*") if path.is_file()]
    assert not any(LARGE[:64] in data or b"a short complaint" in data for data in on_disk)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "missing"])
def test_a_damaged_file_is_noticed_and_healed_when_the_same_bytes_come_again(store: Store, damage: str) -> None:
    sha = keep(store, LARGE).sha256
    (path,) = files(store)
    sealed = path.read_bytes()
    match damage:
        case "flipped":
            path.write_bytes(sealed[:1000] + bytes([sealed[1000] ^ 1]) + sealed[1001:])
        case "cut":
            path.write_bytes(sealed[:-1])
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()

    with pytest.raises(SealBroken, match=sha):
        load(store, sha)
    keep(store, LARGE)
    assert load(store, sha) == LARGE


def test_one_files_bytes_under_another_ones_name_are_refused(store: Store) -> None:
    first, second = keep(store, LARGE), keep(store, LARGE + b"!")
    paths = {path.parent.name + path.name: path for path in files(store)}
    paths[first.sha256].write_bytes(paths[second.sha256].read_bytes())

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
    (tmp_path / "new").mkdir(mode=0o700)
    (tmp_path / "earlier" / "blobs").rename(tmp_path / "new" / "blobs")
    store = open_store("sqlite", tmp_path / "new", MASTER)

    assert load(store, keep(store, LARGE).sha256) == LARGE
    store.close()


def test_a_file_whose_row_was_lost_in_a_crash_is_found_again(store: Store) -> None:
    store.blobs.prepare(LARGE)  # and the process dies before the transaction
    (path,) = files(store)
    written = path.stat().st_mtime_ns

    assert load(store, keep(store, LARGE).sha256) == LARGE
    assert path.stat().st_mtime_ns == written


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
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.blobs.prepare(LARGE)

    assert files(store) == []
    assert load(store, keep(store, LARGE).sha256) == LARGE


def test_only_we_may_read_files_and_folders(store: Store) -> None:
    previous = os.umask(0)
    try:
        keep(store, LARGE)
    finally:
        os.umask(previous)
    folders = [store.folder / "blobs", *(p for p in (store.folder / "blobs").rglob("*") if p.is_dir())]

    assert {oct(path.stat().st_mode & 0o777) for path in files(store)} == {"0o600"}
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}

"""Tries where everything is kept: data folder, database, bucket; nothing is left behind."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sqlite3
from contextlib import closing
from errno import EIO
from pathlib import Path

from ingest.probing import Probe
from store.beginning import DATABASE, expect_nothing_left, has_begun
from store.blob_bucket import BlobBucket, Bucket
from store.engine import StoreRefused, StoreUnreachable

PROBE_BYTES = 256 * 1024
"""As large as the smallest blobs."""


async def probe_database_folder(folder: Path) -> Probe:
    """Write into the data folder, and open its database for reading; one that is not made yet is made at the start."""
    try:
        text = await asyncio.to_thread(lambda: f"{_try_folder(folder)}; {_try_database(folder)}")
    except StoreRefused as error:
        return Probe("database", "sqlite", ok=False, text=str(error))
    except OSError as error:
        return Probe("database", "sqlite", ok=False, text=_unwritable(folder, error))
    except sqlite3.Error as error:
        return Probe("database", "sqlite", ok=False, text=f"{folder / DATABASE}: {error}")
    return Probe("database", "sqlite", ok=True, text=text)


async def probe_blobs_folder(folder: Path) -> Probe:
    """Write into the folder in which large blobs lie beside a PostgreSQL."""
    try:
        text = await asyncio.to_thread(_try_folder, folder)
    except OSError as error:
        return Probe("blobs", str(folder), ok=False, text=_unwritable(folder, error))
    return Probe("blobs", str(folder), ok=True, text=text)


def _unwritable(folder: Path, error: OSError) -> str:
    return f"{folder}: may not be written: {error.strerror}; expected a folder of this account's"


def _try_folder(folder: Path) -> str:
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    trial = nearest / f".xinqiao-probe-{secrets.token_hex(8)}"
    trial.touch(mode=0o600, exist_ok=False)
    trial.unlink()
    usage = shutil.disk_usage(nearest)
    return f"{folder} may be written, {100 * usage.free / usage.total:.0f} % of the disk free"


def _try_database(folder: Path) -> str:
    """Raises StoreRefused."""
    if not has_begun(folder):
        expect_nothing_left(folder)
        return "nothing in it yet"
    path = folder / DATABASE
    still = "" if path.with_name(f"{DATABASE}-wal").exists() else "&immutable=1"  # else it would leave files of ours
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{still}", uri=True)) as conn:
        conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return f"its database has {path.stat().st_size // 2**20} MB"


async def probe_blobs(bucket: Bucket, *, removing: bool) -> Probe:
    """Put an object of random bytes into the bucket, read it back, remove it; whether that must be possible."""
    try:
        text = await asyncio.to_thread(_try_bucket, bucket, removing=removing)
    except OSError as error:
        return Probe("blobs", bucket.address, ok=False, text=error.strerror or str(error))
    return Probe("blobs", bucket.address, ok=True, text=text)


def _try_bucket(bucket: Bucket, *, removing: bool) -> str:
    depot, key = BlobBucket(bucket), f"probe-{secrets.token_hex(8)}"
    if depot.read(key) is not None:
        raise OSError(EIO, f"it has an object under {key}, which nobody wrote")
    depot.write(key, secrets.token_bytes(PROBE_BYTES))
    try:
        depot.remove(key)
    except OSError as error:
        if removing:
            raise OSError(EIO, f"nothing can be removed, as `retention.originals` demands: {error.strerror}") from error
        # a bucket that keeps everything for good suits evidence
        return f"an object was written and read back; it cannot be removed: {error.strerror}"
    if depot.read(key) is not None:
        return "an object was written and read back; removed, it is still there (the bucket keeps versions, or is slow)"
    return "an object was written, read back and removed"


async def probe_database(url: str) -> Probe:
    """Ask a PostgreSQL what it is; no table is made."""
    from store.postgres import look  # noqa: PLC0415 - its driver takes 0.1 s to load: only who needs it waits

    try:
        return Probe("database", "postgresql", ok=True, text=await asyncio.to_thread(look, url))
    except StoreUnreachable as error:
        return Probe("database", "postgresql", ok=False, text=str(error))

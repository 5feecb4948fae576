"""Brings a backup back: proved whole, opened with the key and counted before it becomes an installation."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from store import sqlite
from store.acts import SCHEME, StoreRefused
from store.backup import FORMAT, Manifest
from store.backup_files import SUMS, empty, read_sums, take_out
from store.backups import MANIFEST
from store.beginning import LOCK, RESTORING
from store.blob_claim import claimed, mark
from store.blobs import Depot
from store.crashpoint import reach
from store.migrate import refuse_unknown
from store.restore_database import Room
from store.sealing import LOOKUP, Sealer, unwrap
from store.snapshot import DUMP, EMBEDDED, DatabaseFile, Tell


@dataclass(frozen=True)
class Place:
    """Where a backup is brought."""

    folder: Path
    """To be the data folder: a new or an empty one."""
    database: str
    """As `open_store` takes it; a PostgreSQL must be empty."""
    bucket: Depot | None = None
    """For the large originals; none: in the folder."""


def restore(backup: Path, to: Place, master: bytes, tell: Tell) -> Manifest:
    """Make of the place what the backup was made of.

    An interrupted run leaves nothing that could be taken for an installation, and may be given again.

    Raises:
        StoreRefused: the backup is not whole, of the other engine or a later version; or there is something already.
        StoreBusy: a process works in the folder.
        SealBroken: the key is not the one it was sealed with.
        StoreUnreachable: PostgreSQL does not answer.
        OSError: the disk's, or the bucket's.
    """
    if not to.database.startswith(SCHEME):
        _expect_room(to.folder)
        lock = to.folder / LOCK
        with closing(sqlite.lock(lock)):
            brought = _restore(backup, to, None, master, tell)
            lock.unlink()
        return brought
    with closing(Room(to.database)) as room:
        return _restore(backup, to, room, master, tell)


def _restore(backup: Path, to: Place, room: Room | None, master: bytes, tell: Tell) -> Manifest:
    place = _place_in(to.folder)
    manifest = _proved(backup, place, take_out(backup, place, lambda name: tell(f"copied {name}")))
    reach("restore.proved")
    refuse_unknown({manifest.migration}, str(backup))
    if (room is not None) != (manifest.engine == "postgresql"):
        raise StoreRefused(f"{backup}: is of {manifest.engine}, and the configuration's database is not")
    keys = [(purpose, unwrap(master, purpose, bytes.fromhex(wrapped))) for purpose, wrapped in manifest.keys]
    if to.bucket is not None:
        lookup = next(key for purpose, key in keys if purpose.startswith(LOOKUP))
        _into_bucket(place / "blobs", to.bucket, Sealer({}, 0, lookup), tell)
    if room is not None:
        _into_postgres(place / DUMP, room, manifest, tell)
    else:
        _check_file(place / EMBEDDED, manifest, tell)
    tell("writing to disk")
    os.sync()
    _settle(place, to.folder)
    if room is not None:
        room.open(manifest.migration)  # the last thing that can fail
    _clear(place)
    return manifest


def _expect_room(to: Path) -> None:
    """Make sure the folder is there, with nothing in it but what an interrupted run left. Raises StoreRefused."""
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = {path.name for path in to.iterdir()} - {LOCK}
    if there and not (RESTORING in there and there <= {RESTORING, "blobs"}):
        raise StoreRefused(f"{to}: is not empty ({min(there)} is in it); expected a new or an empty folder")


def _place_in(to: Path) -> Path:
    """A folder within it, which keeps daemons out; what an interrupted run left is cleared away."""
    _expect_room(to)
    place = to / RESTORING
    place.mkdir(mode=0o700, exist_ok=True)
    for left in (place, to / "blobs"):
        if left.exists():
            empty(left)
    return place


def _proved(backup: Path, place: Path, hashes: Mapping[str, str]) -> Manifest:
    """What the backup says of itself, once every file is as it was written. Raises StoreRefused."""
    expected = read_sums(place / SUMS)
    found = {name: sha256 for name, sha256 in hashes.items() if name != SUMS}
    wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        what = "is missing" if name not in found else "is not in its list" if name not in expected else "was changed"
        raise StoreRefused(f"{backup}: is not whole: {name} {what}; {len(wrong)} of {len(expected)} files differ")
    try:
        manifest = Manifest(**json.loads((place / MANIFEST).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise StoreRefused(f"{backup}: its {MANIFEST} cannot be read; a later version has made it") from error
    if manifest.format != FORMAT:
        raise StoreRefused(f"{backup}: is of format {manifest.format}; a later version has made it")
    if manifest.files != len(found):
        raise StoreRefused(f"{backup}: has {len(found)} files; its manifest counts {manifest.files}")
    return manifest


def _check_file(path: Path, manifest: Manifest, tell: Tell) -> None:
    tell("database: checked")
    file = DatabaseFile(path)
    file.check()
    _counted(file.rows(), manifest, path.name)


def _into_postgres(dump: Path, room: Room, manifest: Manifest, tell: Tell) -> None:
    tell("database: pg_restore")
    room.shut(manifest.migration, {bytes.fromhex(wrapped) for _, wrapped in manifest.keys})
    _counted(room.fill(dump), manifest, room.place)


def _into_bucket(blobs: Path, bucket: Depot, sealer: Sealer, tell: Tell) -> None:
    """Carry the files over, as far as they are not there. Raises StoreRefused: it is another installation's."""
    if not claimed(bucket, sealer):
        mark(bucket, sealer)
    for number, path in enumerate(sorted(blobs.glob("*/*")), 1):
        key, sealed = str(path.relative_to(blobs)), path.read_bytes()
        if bucket.read(key) != sealed:
            bucket.write(key, sealed)
        tell(f"large originals: {number} in {bucket.place}")
    if blobs.exists():
        empty(blobs)
        blobs.rmdir()


def _counted(rows: Mapping[str, int], manifest: Manifest, where: str) -> None:
    differing = sorted(name for name in {*rows, *manifest.rows} if rows.get(name) != manifest.rows.get(name))
    if differing:
        name = differing[0]
        raise StoreRefused(
            f"{where}: table {name} has {rows.get(name)} rows, when the backup was made {manifest.rows.get(name)}"
        )


def _settle(place: Path, to: Path) -> None:
    """Put everything in its place, the database last: with it the folder is an installation."""
    blobs, file = place / "blobs", place / EMBEDDED
    if blobs.exists():
        blobs.rename(to / "blobs")
    reach("restore.blobs")
    if file.exists():
        file.rename(to / EMBEDDED)
    os.sync()


def _clear(place: Path) -> None:
    empty(place)
    place.rmdir()
    os.sync()

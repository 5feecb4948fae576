"""A backup of an installation at work: a snapshot of its database, then the files its rows refer to.

Made beside its name and given the name when it is whole and on disk. The sealing key is never in it: whoever finds the
one without the other has nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from store.backup_files import SUMS, Archive, Folder, Shelf, in_the_making, sum_of
from store.backups import ARCHIVE, MANIFEST
from store.blob_claim import CLAIM, SAMPLE, elsewhere
from store.blob_folder import PARTIAL, not_mounted
from store.blobs import Depot, key_of
from store.crashpoint import reach
from store.snapshot import Contents, Snapshot, Tell

FORMAT = 1
OFTEN = 200
"""So many files are copied between two words about how far it is."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds, as counted when it was made."""

    format: int
    program: str
    made_at: str
    engine: str
    migration: str
    """At which the tables stand."""
    rows: Mapping[str, int]
    """Of each table."""
    keys: Sequence[tuple[str, str]]
    """Purpose and hexadecimal of each data key, wrapped: they tell whether a sealing key is the right one."""
    originals: bool
    """Whether the large ones are in it."""
    blobs: int
    """How many of them."""
    missing: Sequence[str]
    """Blobs whose file was not there any more when the backup was made."""
    files: int
    """All files, without SHA256SUMS itself."""


def back_up(
    taken: Snapshot,
    originals: Path | Depot | None,
    to: Path,
    others: Mapping[str, bytes],
    program: str,
    now: datetime,
    tell: Tell,
) -> Manifest:
    """Make the backup `to`: a folder, or one file if it is called so. `others` are small files to go with it.

    The large originals are taken from their folder or bucket, or left out. Files on the same disk are linked, not
    copied: they are never changed, only replaced.

    Raises:
        StoreRefused: it is there already or being made, the database cannot be read, or the originals lie elsewhere.
        OSError: the disk's, the share's or the bucket's.
    """
    with in_the_making(to) as place:
        made = place / "made"
        with _Making(made, place, archive=to.suffix == ARCHIVE) as making:
            lying = None if originals is None else _Originals(originals, taken.engine)
            held = taken.dump(place / "dump", tell)
            reach("backup.dumped")  # from here on only files are looked at
            making.put(taken.file, place / "dump")
            missing = [] if lying is None else _put_blobs(making, held, lying, tell)
            for name, content in others.items():
                making.put_bytes(name, content)
            manifest = Manifest(
                format=FORMAT,
                program=program,
                made_at=now.isoformat(timespec="seconds"),
                engine=taken.engine,
                migration=held.migration(),
                rows=held.rows(),
                keys=[(purpose, wrapped.hex()) for purpose, wrapped in held.wrapped_keys()],
                originals=originals is not None,
                blobs=making.files - 1 - len(others),
                missing=missing,
                files=making.files + 1,
            )
            making.put_bytes(MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        tell("writing to disk")
        os.sync()
        made.rename(to)
        _sync_folder(to.parent)
    return manifest


def _put_blobs(making: _Making, held: Contents, originals: _Originals, tell: Tell) -> list[str]:
    """Put every large blob; the hashes of those that are not there.

    Raises StoreRefused: none is, nor anything that says that they lay here.
    """
    missing: list[str] = []
    number = 0
    for number, sha256 in enumerate(held.large_blobs(), 1):
        if not originals.put(making, key_of(sha256)):
            missing.append(sha256)
            if number == len(missing) == SAMPLE:
                originals.expect_mark()
        if number % OFTEN == 0:
            tell(f"large originals: {number}")
    if missing and number == len(missing):
        originals.expect_mark()
    return missing


class _Originals:
    """Where the large originals lie. A share that is not mounted, or another bucket, would look like one that has lost
    them all.
    """

    def __init__(self, place: Path | Depot, engine: str) -> None:
        self._place = place
        ours = isinstance(place, Path) and engine == "sqlite"  # what nobody shares nobody claims
        self._mark = PARTIAL if ours else CLAIM
        self._marked = isinstance(place, Path) and self._has_mark()  # a bucket is asked only where something is missing

    def put(self, making: _Making, key: str) -> bool:
        """Whether it is there. Raises OSError: the share is gone meanwhile."""
        if isinstance(self._place, Path):
            try:
                making.put(f"blobs/{key}", self._place / key, keeps=True)
            except FileNotFoundError as error:
                if self._marked and not self._has_mark():
                    raise not_mounted(str(self._place)) from error
                return False
            return True
        sealed = self._place.read(key)
        if sealed is not None:
            making.put_bytes(f"blobs/{key}", sealed)
        return sealed is not None

    def expect_mark(self) -> None:
        """Raises StoreRefused."""
        if not self._marked and not self._has_mark():
            raise elsewhere(str(self._place) if isinstance(self._place, Path) else self._place.place)

    def _has_mark(self) -> bool:
        place = self._place
        return (place / self._mark).exists() if isinstance(place, Path) else place.read(self._mark) is not None


class _Making:
    """Puts files on a shelf, and at the end their sums."""

    def __init__(self, made: Path, place: Path, *, archive: bool) -> None:
        self.files = 0
        self._passing = place / "passing"
        self._sums = (place / SUMS).open("x", encoding="utf-8")
        if not archive:
            made.mkdir(mode=0o700)
        self._shelf: Shelf = Archive(made) if archive else Folder(made)

    def put(self, name: str, source: Path, *, keeps: bool = False) -> None:
        """Raises FileNotFoundError: there is no such file."""
        self._sums.write(sum_of(name, self._shelf.put(name, source, keeps=keeps)))
        self.files += 1

    def put_bytes(self, name: str, content: bytes) -> None:
        self._passing.write_bytes(content)
        self.put(name, self._passing)

    def __enter__(self) -> _Making:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._sums.close()
        if kind is None:
            self._shelf.put(SUMS, Path(self._sums.name), keeps=False)
        self._shelf.close()


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

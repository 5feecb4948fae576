"""Files a read scan away: out of the watched folder into the archive, never over another file, as often as asked."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from pathlib import Path, PurePosixPath

from adapters.base import ChannelRefused, Json
from adapters.letters_watch import Seen

_CHINA = timezone(timedelta(hours=8))
_BYTES = "//bytes:"
"""Marks, in a token, a path that is no UTF-8 (no relative path begins with a slash)."""


@dataclass(frozen=True)
class Taken:
    """A scan that was handed over: where it lay and what it was."""

    path: str
    inode: int
    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, file: Seen, sha256: str) -> Taken:
        return cls(file.path, file.inode, file.size, file.mtime_ns, sha256)

    def token(self) -> Json:
        return {**self.__dict__, "path": _as_json(self.path)}

    @classmethod
    def from_token(cls, token: Json) -> Taken:
        match token:
            case {
                "path": str(path),
                "inode": int(inode),
                "size": int(size),
                "mtime_ns": int(mtime),
                "sha256": str(sha),
            }:
                return cls(_from_json(path), inode, size, mtime, sha)
        raise ValueError("a letter's settle token names path, inode, size, mtime_ns and sha256; this one does not")


def file_away(folder: Path, archive: Path, taken: Taken) -> Path | None:
    """Move the scan to `archive/YYYY-MM/<its path>` (the month of its file time); raises OSError.

    Does nothing when it is already gone or when something else lies at its path by now: that is a new letter. What
    it was is decided by its size and hash. None: nothing was moved.
    """
    source = folder / taken.path
    # Under a name of our own nobody can replace it between the check and the move. A dot: polling passes it over.
    claimed = source.with_name(f".settling-{_sha256(os.fsencode(taken.path))[:8]}-{taken.sha256[:16]}")
    if not claimed.exists():
        if not _is(source, taken):
            return None
        source.rename(claimed)
    if not _is(claimed, taken):
        _move(claimed, _free_place(source))
        return None
    return _move(claimed, _free_place(archive / _month(taken.mtime_ns) / PurePosixPath(taken.path)))


def try_moving(folder: Path, archive: Path) -> None:
    """Move an empty hidden file, which polling passes over, the way scans will go, and remove it: what rights on a
    share are worth shows only so. Raises ChannelRefused.
    """
    nearest = next(place for place in (archive, *archive.absolute().parents) if place.exists())
    name = f".xinqiao-probe-{secrets.token_hex(8)}"
    here, there = folder / name, nearest / name
    place = folder
    try:
        here.touch(mode=0o600, exist_ok=False)
        place = nearest
        shutil.move(here, there)
        there.unlink()
    except OSError as error:
        here.unlink(missing_ok=True)
        said = f"folder {place} may not be written ({error.strerror}); read scans are moved from and to it"
        raise ChannelRefused(said) from error


def _is(path: Path, taken: Taken) -> bool:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != taken.size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == taken.sha256
    except FileNotFoundError:
        return False


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _free_place(wanted: Path) -> Path:
    """A path nobody has yet, reserved with an empty file: `name.pdf`, else `name-2.pdf`, `name-3.pdf`…"""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        place = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        return place
    raise AssertionError("count never ends")


def _move(source: Path, place: Path) -> Path:
    try:
        source.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            place.unlink()
            raise
        _copy_over(source, place)
    return place


def _copy_over(source: Path, place: Path) -> None:
    """To another file system: the copy is complete and on disk before it takes its name and the source goes."""
    part = place.with_name(f".{place.name}.part")
    try:
        shutil.copy2(source, part)
        with part.open("rb") as copied:
            os.fsync(copied.fileno())
    except OSError:
        part.unlink(missing_ok=True)
        place.unlink()
        raise
    part.replace(place)
    source.unlink()


def _month(mtime_ns: int) -> str:
    try:
        return f"{datetime.fromtimestamp(mtime_ns / 1e9, UTC).astimezone(_CHINA):%Y-%m}"
    except (OverflowError, OSError, ValueError):
        return "undated"


def _as_json(path: str) -> str:
    raw = os.fsencode(path)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _BYTES + raw.hex()


def _from_json(path: str) -> str:
    return os.fsdecode(bytes.fromhex(path.removeprefix(_BYTES))) if path.startswith(_BYTES) else path

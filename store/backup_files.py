"""The files of a backup, in a folder or in one tar: written with their hashes, read back only as they were written."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from store.acts import StoreRefused

SUMS = "SHA256SUMS"
"""As sha256sum(1) writes and checks it: nobody needs xinqiao to look whether a backup is whole."""
CHUNK = 2**20
_MAKING = ".{}.partial"
_PARTS = {SUMS, "dump", "dump-journal", "made", "passing"}
"""What lies beside each other while a backup is made."""
_NAME = re.compile(
    r"SHA256SUMS|manifest\.json|xinqiao\.(?:db|pgdump)|config/[\w.-]{1,100}|blobs/[0-9a-f]{2}/[0-9a-f]{62}"
)


class Shelf(Protocol):
    """Where a backup's files are put, each once; the hash of what was put is the answer."""

    def put(self, name: str, source: Path, *, keeps: bool) -> str:
        """`keeps`: whoever writes there puts a new file in its place and never changes this one."""

    def close(self) -> None: ...


class Folder:
    """Files in a folder. What keeps is linked where that can be: on the same disk a copy would save nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, source: Path, *, keeps: bool) -> str:
        target = self._folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if keeps:
            try:
                target.hardlink_to(source)
            except FileNotFoundError:
                raise
            except OSError:  # another disk, one that knows no links, too many of them
                keeps = False
            else:
                with target.open("rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
        with source.open("rb") as file, target.open("xb") as copy:
            os.fchmod(copy.fileno(), 0o600)
            return _copy(file, copy)

    def close(self) -> None:
        """Each file is written already."""


class Archive:
    """Files in one tar, as they come: what citizens wrote is sealed, and sealed bytes cannot be packed tighter."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "x")  # noqa: SIM115 - lives as long as the archive
        path.chmod(0o600)

    def put(self, name: str, source: Path, *, keeps: bool) -> str:
        del keeps  # a tar holds copies
        with source.open("rb") as file:
            about = tarfile.TarInfo(name)
            stat = os.fstat(file.fileno())
            about.size, about.mtime, about.mode = stat.st_size, int(stat.st_mtime), 0o600
            hashing = _Hashing(file)
            self._tar.addfile(about, hashing)
        return hashing.sha256.hexdigest()

    def close(self) -> None:
        self._tar.close()


class _Hashing(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        found = self._file.read(size)
        self.sha256.update(found)
        return found


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    sha256 = hashlib.sha256()
    while chunk := source.read(CHUNK):
        sha256.update(chunk)
        target.write(chunk)
    return sha256.hexdigest()


def take_out(backup: Path, into: Path, told: Callable[[str], None]) -> dict[str, str]:
    """Bring every file of a backup into a folder and tell its name; their hashes by name.

    Raises:
        StoreRefused: it is no backup, or holds what a backup does not.
    """
    shelf = Folder(into)
    found: dict[str, str] = {}
    try:
        for name, source in _files(backup, into):
            if not _NAME.fullmatch(name):
                raise StoreRefused(f"{backup}: {name!r} is no file of a backup")
            found[name] = shelf.put(name, source, keeps=name.startswith("blobs/"))
            told(name)
    except tarfile.TarError as error:
        raise StoreRefused(f"{backup}: is no whole tar: {error}") from error
    return found


def _files(backup: Path, into: Path) -> Iterator[tuple[str, Path]]:
    if backup.is_dir():
        for folder, _, names in os.walk(backup):
            for name in names:
                path = Path(folder) / name
                yield str(path.relative_to(backup)), path
        return
    passing = into / "passing"
    with tarfile.open(backup, "r:") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise StoreRefused(f"{backup}: {member.name!r} is no file of a backup")
            with passing.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK)
            yield member.name, passing
            passing.unlink()


def sum_of(name: str, sha256: str) -> str:
    """A line of SHA256SUMS."""
    return f"{sha256}  {name}\n"


def read_sums(path: Path) -> dict[str, str]:
    """The hashes it holds, by name. Raises StoreRefused."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreRefused(f"{path.parent}: is no backup, it has no {SUMS}") from error
    return {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}


@contextmanager
def in_the_making(path: Path) -> Iterator[Path]:
    """A folder beside what is to be made, gone when that is made or has failed. Those that crashes left are removed.

    Raises:
        StoreRefused: the thing is there already, or is being made.
    """
    if path.exists():
        raise StoreRefused(f"{path}: is there already; nothing is written over")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in path.parent.glob(_MAKING.format("*")):
        _clear_away(left)
    place = path.with_name(_MAKING.format(path.name))
    place.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        empty(place)
        yield place
        shutil.rmtree(place)
    except BlockingIOError as error:
        raise StoreRefused(f"{path}: is being made by another process") from error
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    finally:
        os.close(handle)


def _clear_away(left: Path) -> None:
    """Remove a folder of a backup in the making whose process is gone; anything else is somebody's."""
    with suppress(OSError):  # another account's, or its process is at work
        handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if SUMS in (names := {path.name for path in left.iterdir()}) and names <= _PARTS:
                shutil.rmtree(left)
        finally:
            os.close(handle)


def empty(folder: Path) -> None:
    """Remove everything in it."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

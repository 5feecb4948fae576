"""Which files lie in a folder and which of them have come to rest, by looking twice: it works on network shares too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from adapters.base import ChannelRefused, ChannelUnavailable


@dataclass(frozen=True)
class Seen:
    """A file at one look; `path` is relative to the folder, with `/`."""

    path: str
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @property
    def state(self) -> tuple[int, int]:
        """What changes when somebody writes to it. A share may number its inodes anew when it is mounted again."""
        return self.size, self.mtime_ns

    @property
    def reached_ns(self) -> int:
        """When it came to lie here: a copied file keeps its old mtime, its ctime is the copy's."""
        return max(self.mtime_ns, self.ctime_ns)


@dataclass(frozen=True)
class Look:
    """What one look found, the subfolders that would not open, and the device the folder lies on."""

    files: tuple[Seen, ...]
    closed: tuple[str, ...]
    device: int


@dataclass(frozen=True)
class Wanted:
    """Which names count; hidden files and folders never do."""

    patterns: tuple[str, ...]
    ignore: tuple[str, ...]

    def file(self, name: str) -> bool:
        return self.folder(name) and any(fnmatchcase(name.lower(), pattern.lower()) for pattern in self.patterns)

    def folder(self, name: str) -> bool:
        return not name.startswith(".") and not any(fnmatchcase(name.lower(), each.lower()) for each in self.ignore)


def look(folder: Path, wanted: Wanted, archive: Path) -> Look:
    """Every wanted file in the folder and below it, except in the archive; symbolic links are not followed.

    Raises ChannelUnavailable when the folder is not there, ChannelRefused when it may not be read.
    """
    closed: list[str] = []
    try:
        device = folder.stat().st_dev
        files = tuple(_walk(folder, "", wanted, archive.absolute(), closed))
    except PermissionError as error:
        raise ChannelRefused(f"folder {folder} may not be read: {error.strerror}") from error
    except OSError as error:
        raise ChannelUnavailable(f"folder {folder} cannot be read: {error.strerror}") from error
    return Look(files, tuple(closed), device)


def _walk(folder: Path, below: str, wanted: Wanted, archive: Path, closed: list[str]) -> Iterator[Seen]:
    with os.scandir(folder / below) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        path = f"{below}/{entry.name}" if below else entry.name
        try:
            if entry.is_dir(follow_symlinks=False):
                if wanted.folder(entry.name) and (folder / path).absolute() != archive:
                    yield from _subfolder(folder, path, wanted, archive, closed)
            elif entry.is_file(follow_symlinks=False) and wanted.file(entry.name):
                yield _seen(path, (folder / path).lstat())
        except FileNotFoundError:
            continue  # taken away between listing and looking


def _subfolder(folder: Path, path: str, wanted: Wanted, archive: Path, closed: list[str]) -> Iterator[Seen]:
    try:
        yield from _walk(folder, path, wanted, archive, closed)
    except PermissionError:
        closed.append(path)


def _seen(path: str, stat: os.stat_result) -> Seen:
    return Seen(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class Rest:
    """Remembers since when each file has looked the same."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[tuple[int, int], float]] = {}

    def note(self, files: Iterable[Seen], now: float) -> None:
        """Take down one look, at `now` seconds of a steady clock; what is no longer there is forgotten."""
        before: Mapping[str, tuple[tuple[int, int], float]] = self._since
        self._since = {}
        for file in files:
            state, since = before.get(file.path, (file.state, now))
            self._since[file.path] = (file.state, since if state == file.state else now)

    def rested(self, file: Seen, now: float) -> float:
        """For how many seconds it has been seen unchanged."""
        state, since = self._since.get(file.path, (file.state, now))
        return now - since if state == file.state else 0.0


def looks_unfinished(data: bytes) -> bool:
    """Whether a file's end is missing, as while it is being written: empty, or without its format's closing mark."""
    if not data:
        return True
    tail = data[-4096:]
    if b"%PDF-" in data[:1024]:
        return b"%%EOF" not in tail
    if data.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in tail
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in tail
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return not _has_all_directories(data)
    return False


def _has_all_directories(tiff: bytes) -> bool:
    """Whether every page's directory is there whole: each says where the next one lies (TIFF 6.0, section 2)."""
    order: Literal["little", "big"] = "little" if tiff.startswith(b"II") else "big"
    place, seen = int.from_bytes(tiff[4:8], order), set[int]()
    while place and place not in seen:
        seen.add(place)
        entries = int.from_bytes(tiff[place : place + 2], order)
        end = place + 2 + 12 * entries
        if not entries or end + 4 > len(tiff):
            return False
        place = int.from_bytes(tiff[end : end + 4], order)
    return bool(seen)

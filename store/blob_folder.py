"""Large blobs in a folder, on a disk or a share: a file appears whole under its name, on disk, or not at all.

What a crash leaves half written never gets its name, and is swept away when the store opens.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from datetime import timedelta
from errno import EIO
from pathlib import Path

PARTIAL = "partial"
"""In the folder as long as it is the one that was opened."""


class BlobFolder:
    """A depot that several processes, and through a share several machines, may use."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self._folder = folder
        self._partial = folder / PARTIAL
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_folder(folder)
        _make_folder(self._partial)

    def read(self, key: str) -> bytes | None:
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError as error:
            if not self._partial.is_dir():
                raise not_mounted(self.place) from error
            return None

    def write(self, key: str, sealed: bytes) -> None:
        path = self._folder / key
        if path.parent != self._folder:
            _make_folder(path.parent)
        partial = self._partial / f"{path.name}.{secrets.token_hex(4)}"
        try:
            with partial.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)

    def remove(self, key: str) -> None:
        (self._folder / key).unlink(missing_ok=True)

    def sweep(self, older: timedelta) -> int:
        latest = time.time() - older.total_seconds()
        left = 0
        for path in self._partial.iterdir():
            with suppress(FileNotFoundError):  # whoever wrote it has just given it its name
                if path.stat().st_mtime <= latest:
                    path.unlink()
                    left += 1
        return left


def not_mounted(place: str) -> OSError:
    return OSError(EIO, "this is not the folder it was; is the share still mounted?", place)


def _make_folder(path: Path) -> None:
    """A folder only we may enter, on disk together with its name, whoever made it."""
    path.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

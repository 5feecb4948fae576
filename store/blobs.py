"""Bytes kept under their SHA-256: small ones in the row, large ones in a file, sealed either way.

`prepare` does the slow part (hash, seal, write and fsync a large file) outside any transaction; `keep` inserts the
row inside the caller's. A file without a row, left by a crash between the two, is harmless and found again by its name;
a file half written never gets its name, and is swept away when the store opens.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from store.schema import blob
from store.sealing import SealBroken, Sealer
from store.upsert import insert_into

INLINE_LIMIT = 128 * 1024
"""Below this a row is cheaper than a file: one fsync of its own costs more than the bytes in the commit."""


@dataclass(frozen=True)
class Prepared:
    sha256: str
    size: int
    sealed: bytes | None  # None: already in its file


class Blobs:
    """The content-addressed bytes of one store."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._folder = folder
        self._partial = folder / "partial"
        self._sealer = sealer
        _make_folder(folder)
        _make_folder(self._partial)

    def prepare(self, content: bytes) -> Prepared:
        """Hash and seal; a large content is on disk, synced, when this returns."""
        sha = hashlib.sha256(content).hexdigest()
        if len(content) <= INLINE_LIMIT:
            return Prepared(sha, len(content), self._sealer.seal(content, f"blob:{sha}"))
        path = self._path(sha)
        if not self._is_intact(path, sha):
            self._write_durably(path, self._sealer.seal(content, f"blob:{sha}"))
        return Prepared(sha, len(content), None)

    def keep(self, conn: Connection, prepared: Prepared, now: datetime) -> None:
        """Insert the row unless the same bytes are kept already."""
        self.keep_all(conn, [prepared], now)

    def keep_all(self, conn: Connection, prepared: Sequence[Prepared], now: datetime) -> None:
        """As `keep` for each."""
        rows = [{"sha256": one.sha256, "size": one.size, "sealed": one.sealed, "created_at": now} for one in prepared]
        if rows:
            conn.execute(insert_into(conn, blob).on_conflict_do_nothing(), rows)

    def load_all(self, conn: Connection, hashes: Iterable[str]) -> dict[str, bytes | SealBroken | KeyError | OSError]:
        """The bytes under each of these hashes, or why they cannot be had."""
        rows = conn.execute(select(blob.c.sha256, blob.c.sealed).where(blob.c.sha256.in_(set(hashes))))
        sealed = {row.sha256: row.sealed for row in rows}
        return {sha256: self._opened(sealed, sha256) for sha256 in hashes}

    def _opened(self, sealed: Mapping[str, bytes | None], sha256: str) -> bytes | SealBroken | KeyError | OSError:
        try:
            return self._open(sealed, sha256)
        except (SealBroken, KeyError, OSError) as error:
            return error

    def load(self, conn: Connection, sha256: str) -> bytes:
        """The bytes under this hash.

        Raises:
            KeyError: nothing is kept under it.
            SealBroken: what is kept is not what was put there.
        """
        rows = conn.execute(select(blob.c.sha256, blob.c.sealed).where(blob.c.sha256 == sha256))
        return self._open({row.sha256: row.sealed for row in rows}, sha256)

    def _open(self, sealed: Mapping[str, bytes | None], sha256: str) -> bytes:
        if sha256 not in sealed:
            raise KeyError(f"blob {sha256} is not in this store")
        content = self._sealer.open(self._sealed(sealed[sha256], sha256), f"blob:{sha256}")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SealBroken(f"blob {sha256}: its content has another hash")
        return content

    def sweep(self, older: timedelta) -> int:
        """Remove what a crash left half written so long ago that nobody can be writing it; how many files."""
        latest = time.time() - older.total_seconds()
        left = [path for path in self._partial.iterdir() if path.stat().st_mtime <= latest]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _sealed(self, inline: bytes | None, sha256: str) -> bytes:
        if inline is not None:
            return inline
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise SealBroken(f"blob {sha256}: its file {self._path(sha256)} is missing") from error

    def _is_intact(self, path: Path, sha256: str) -> bool:
        """A file of this name may be damaged, or of an earlier store under another key: then it is written anew."""
        try:
            content = self._sealer.open(path.read_bytes(), f"blob:{sha256}")
        except (FileNotFoundError, SealBroken):
            return False
        return hashlib.sha256(content).hexdigest() == sha256

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:]

    def _write_durably(self, path: Path, data: bytes) -> None:
        _make_folder(path.parent)
        partial = self._partial / f"{path.name}.{secrets.token_hex(4)}"
        try:
            with partial.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _make_folder(path: Path) -> None:
    """A folder only we may enter, on disk together with its name, whoever made it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

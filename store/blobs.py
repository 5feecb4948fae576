"""Bytes kept under their SHA-256: small ones in the row, large ones in a file, sealed either way.

`prepare` does the slow part (hash, seal, write and fsync a large file) outside any transaction; `keep` inserts the
row inside the caller's. A file without a row, left by a crash between the two, is harmless and found again by its name.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from store.schema import blob
from store.sealing import Sealer, SealBroken

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
        self._sealer = sealer

    def prepare(self, content: bytes) -> Prepared:
        """Hash and seal; a large content is on disk, synced, when this returns."""
        sha = hashlib.sha256(content).hexdigest()
        if len(content) <= INLINE_LIMIT:
            return Prepared(sha, len(content), self._sealer.seal(content, f"blob:{sha}"))
        path = self._path(sha)
        if not path.exists():
            _write_durably(path, self._sealer.seal(content, f"blob:{sha}"))
        return Prepared(sha, len(content), None)

    def keep(self, conn: Connection, prepared: Prepared, now: datetime) -> None:
        """Insert the row unless the same bytes are kept already."""
        insert = (postgresql if conn.dialect.name == "postgresql" else sqlite).insert
        row = {"sha256": prepared.sha256, "size": prepared.size, "sealed": prepared.sealed, "created_at": now}
        conn.execute(insert(blob).values(row).on_conflict_do_nothing())

    def load(self, conn: Connection, sha256: str) -> bytes:
        """The bytes under this hash.

        Raises:
            KeyError: nothing is kept under it.
            SealBroken: what is kept is not what was put there.
        """
        row = conn.execute(select(blob.c.sealed).where(blob.c.sha256 == sha256)).one_or_none()
        if row is None:
            raise KeyError(f"blob {sha256} is not in this store")
        sealed = row.sealed if row.sealed is not None else self._path(sha256).read_bytes()
        content = self._sealer.open(sealed, f"blob:{sha256}")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SealBroken(f"blob {sha256}: its content has another hash")
        return content

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:]


def _write_durably(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with partial.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    for folder in (path.parent, path.parent.parent):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

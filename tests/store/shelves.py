"""What lies in a depot, seen and changed behind the store's back: a folder's files, or a bucket's objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from store.blob_bucket import Bucket
from store.blob_claim import CLAIM
from store.engine import Store, open_store
from tests.object_store import ObjectStore
from tests.store.keys import MASTER


class Shelf(Protocol):
    @property
    def bucket(self) -> Bucket | None: ...
    def names(self) -> list[str]: ...
    def get(self, key: str) -> bytes: ...
    def put(self, key: str, content: bytes) -> None: ...
    def delete(self, key: str) -> None: ...


@dataclass(frozen=True)
class Folder:
    path: Path
    bucket: Bucket | None = None

    def names(self) -> list[str]:
        return [str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file()]

    def get(self, key: str) -> bytes:
        return (self.path / key).read_bytes()

    def put(self, key: str, content: bytes) -> None:
        (self.path / key).write_bytes(content)

    def delete(self, key: str) -> None:
        (self.path / key).unlink()


@dataclass(frozen=True)
class Objects:
    server: ObjectStore
    bucket: Bucket

    def names(self) -> list[str]:
        return self.server.keys(self.bucket)

    def get(self, key: str) -> bytes:
        return self.server.get(self.bucket, key)

    def put(self, key: str, content: bytes) -> None:
        self.server.put(self.bucket, key, content)

    def delete(self, key: str) -> None:
        self.server.delete(self.bucket, key)


def blobs_on(shelf: Shelf) -> list[str]:
    """The keys of what a store keeps there, without its claim."""
    return [key for key in shelf.names() if key != CLAIM]


def opened(database: str, folder: Path, shelf: Shelf, master: bytes = MASTER, now: datetime | None = None) -> Store:
    return open_store(database, folder, master, now, shelf.bucket)

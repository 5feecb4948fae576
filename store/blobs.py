"""Bytes kept under their SHA-256: small ones in the row, large ones in a depot, sealed either way.

`prepare` does the slow part (hash, seal, carry a large content to the depot) outside any transaction; `keep` inserts
the row inside the caller's. What lies in the depot without a row, left by a crash between the two, is harmless and
found again by its name. No transaction waits for a depot, and nothing that needs none does.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection, select, update

from store.depot_threads import DepotThreads
from store.schema import blob
from store.sealing import SealBroken, Sealer
from store.upsert import insert_into

T = TypeVar("T")
INLINE_LIMIT = 128 * 1024
"""Below this a row is cheaper than a file: one fsync of its own costs more than the bytes in the commit."""


class Depot(Protocol):
    """Where sealed bytes lie under a key: a folder, or a bucket. It blocks: call it off the event loop.

    What is wrong with the depot itself (a full disk, a network, a password) raises OSError, whose words name the depot:
    it says nothing of what lies there, and passes.
    """

    place: str
    """Where it is, for people."""

    def read(self, key: str) -> bytes | None:
        """What lies under the key; None only if it is certain that nothing does."""

    def write(self, key: str, sealed: bytes) -> None:
        """Put it under the key, over whatever lies there: whole and durable when this returns."""

    def remove(self, key: str) -> None:
        """Away with it, if it is there."""

    def sweep(self, older: timedelta) -> int:
        """Remove what a crash left half written so long ago that nobody can be writing it; how many there were."""


@dataclass(frozen=True)
class Prepared:
    sha256: str
    size: int
    sealed: bytes | None  # None: already in the depot
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Kept:
    """A blob's row."""

    sha256: str
    sealed: bytes | None  # None: in the depot
    removed_at: datetime | None = None
    size: int = 0
    """Bytes, unsealed."""

    @property
    def in_depot(self) -> bool:
        return self.sealed is None and self.removed_at is None


class BlobRemoved(SealBroken):
    """Its time had come: the bytes were removed, that they were there is known."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(f"blob {kept.sha256}: was removed by retention on {kept.removed_at:%Y-%m-%d}")


class Blobs:
    """The content-addressed bytes of one store."""

    def __init__(self, depot: Depot, sealer: Sealer) -> None:
        self.depot = depot
        self._sealer = sealer
        self._threads = DepotThreads()

    async def apart(self, act: Callable[[], T], *, at_depot: bool) -> T:
        """Run it off the event loop. What may ask the depot is done where only that waits; it raises OSError while the
        depot hangs.
        """
        return await (self._threads.run(act, self.depot.place) if at_depot else asyncio.to_thread(act))

    async def prepared(self, content: bytes) -> Prepared:
        """As `prepare`, off the event loop."""
        return await self.apart(partial(self.prepare, content), at_depot=is_large(content))

    async def opened(self, kept: Kept) -> bytes:
        """As `open`, off the event loop."""
        return await self.apart(partial(self.open, kept), at_depot=kept.in_depot)

    async def ask(self, key: str) -> None:
        """Whether the depot answers, by what lies under this key. Raises OSError: it does not; who waits is told."""
        await self._threads.ask(partial(self.depot.read, key), self.depot.place)

    def close(self) -> None:
        """Let go of the threads; what a depot holds up is not waited for."""
        self._threads.close()

    def prepare(self, content: bytes) -> Prepared:
        """Hash and seal; a large content is in the depot, durable, when this returns. Raises OSError: the depot's."""
        sha = hashlib.sha256(content).hexdigest()
        if not is_large(content):
            return Prepared(sha, len(content), self._seal(sha, content), content)
        if not self._lies_intact(sha):
            self._write(sha, content)
        return Prepared(sha, len(content), None, content)

    def keep(self, conn: Connection, prepared: Prepared, now: datetime) -> None:
        """Insert the row unless the same bytes are kept already."""
        self.keep_all(conn, [prepared], now)

    def keep_all(self, conn: Connection, prepared: Sequence[Prepared], now: datetime) -> None:
        """As `keep` for each."""
        rows = [{"sha256": one.sha256, "size": one.size, "sealed": one.sealed, "created_at": now} for one in prepared]
        if rows:
            conn.execute(insert_into(conn, blob).on_conflict_do_nothing(), rows)
            self._revive(conn, {one.sha256: one for one in prepared}, now)

    def removal(self, sha256: str, now: datetime) -> dict[str, object]:
        """What the row of a blob becomes that is removed; large bytes lie in the depot still."""
        return {"removed_at": now, "sealed": self._sealer.seal(now.isoformat().encode(), _removal(sha256))}

    def expect_removed(self, kept: Kept) -> None:
        """Raises SealBroken: it was not this store that removed it."""
        self._sealer.open(kept.sealed or b"", _removal(kept.sha256))

    def load(self, conn: Connection, sha256: str) -> bytes:
        """The bytes under this hash.

        Raises:
            KeyError: nothing is kept under it.
            SealBroken: what is kept is not what was put there; BlobRemoved: its time had come.
            OSError: the depot cannot tell now.
        """
        return self.open(find(conn, sha256))

    def open(self, kept: Kept) -> bytes:
        """The bytes of a row, outside its transaction: a depot may take its time. Raises as `load` does."""
        if kept.removed_at is not None:
            raise BlobRemoved(kept)
        sealed = kept.sealed if kept.sealed is not None else self.depot.read(key_of(kept.sha256))
        if sealed is None:
            raise SealBroken(f"blob {kept.sha256}: it is missing in {self.depot.place}")
        return unsealed(self._sealer, kept.sha256, sealed)

    def _revive(self, conn: Connection, prepared: Mapping[str, Prepared], now: datetime) -> None:
        """What was removed and comes again is kept again. Until this transaction ends none of these is removed.

        It lies in its row from then on, however large: its file may be being deleted at this moment.
        """
        named = select(blob.c.sha256, blob.c.removed_at).where(blob.c.sha256.in_(prepared))
        for row in conn.execute(named.with_for_update(read=True, key_share=True)).all():
            if row.removed_at is None:
                continue
            one = prepared[row.sha256]
            sealed = self._seal(one.sha256, one.content) if one.sealed is None else one.sealed
            values = {"sealed": sealed, "removed_at": None, "created_at": now}
            conn.execute(update(blob).where(blob.c.sha256 == row.sha256).values(values))

    def _write(self, sha256: str, content: bytes) -> None:
        try:
            self.depot.write(key_of(sha256), self._seal(sha256, content))
        except OSError:  # another may have written the same over it at this moment, sealed anew
            if not self._lies_intact(sha256):
                raise

    def _seal(self, sha256: str, content: bytes) -> bytes:
        return self._sealer.seal(content, f"blob:{sha256}")

    def _lies_intact(self, sha256: str) -> bool:
        """What lies there may be damaged, or of an earlier store under another key: then it is written anew."""
        sealed = self.depot.read(key_of(sha256))
        try:
            return sealed is not None and bool(unsealed(self._sealer, sha256, sealed))
        except SealBroken:
            return False


def is_large(content: bytes) -> bool:
    """Whether it lies in the depot."""
    return len(content) > INLINE_LIMIT


def find(conn: Connection, sha256: str) -> Kept:
    """The row of a blob. Raises KeyError."""
    found = find_all(conn, [sha256])
    if sha256 not in found:
        raise missing(sha256)
    return found[sha256]


def find_all(conn: Connection, hashes: Sequence[str]) -> dict[str, Kept]:
    """The rows of these blobs, as far as there are any."""
    columns = (blob.c.sha256, blob.c.sealed, blob.c.removed_at, blob.c.size)
    rows = conn.execute(select(*columns).where(blob.c.sha256.in_(hashes)))
    return {row.sha256: Kept(*row) for row in rows}


def missing(sha256: str) -> KeyError:
    return KeyError(f"blob {sha256} is not in this store")


def key_of(sha256: str) -> str:
    """Under which key a blob lies in its depot, whatever kind of depot: one can be copied into another."""
    return f"{sha256[:2]}/{sha256[2:]}"


def _removal(sha256: str) -> str:
    return f"blob.removed:{sha256}"


def unsealed(sealer: Sealer, sha256: str, sealed: bytes) -> bytes:
    """The content of sealed bytes. Raises SealBroken: they are not those of this blob."""
    content = sealer.open(sealed, f"blob:{sha256}")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SealBroken(f"blob {sha256}: its content has another hash")
    return content

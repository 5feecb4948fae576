"""Whose a shared depot is: an object in it says so, and a store keeps off the depot of another one.

A share that is not mounted, a mistyped bucket or prefix would look like an empty depot, and every large original like
a missing one; a second installation on the same bucket would overwrite the first one's blobs with its own.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from store.acts import StoreRefused
from store.blobs import Depot, key_of
from store.schema import blob
from store.sealing import Sealer

CLAIM = "installation"
"""The key under which it lies; no blob's key is like it."""
SAMPLE = 20
"""One of so many blobs must be there, where nothing says yet whose the depot is: one may have been lost."""


def claim(conn: Connection, depot: Depot, sealer: Sealer) -> None:
    """Make sure that this store's blobs lie here, or will from now on.

    Raises:
        StoreRefused: another store's do, or this store's lie elsewhere.
        OSError: the depot cannot tell now.
    """
    if claimed(depot, sealer):
        return
    known = conn.execute(select(blob.c.sha256).where(blob.c.sealed.is_(None)).limit(SAMPLE)).scalars().all()
    if known and all(depot.read(key_of(sha256)) is None for sha256 in known):
        raise elsewhere(depot.place)
    mark(depot, sealer)


def elsewhere(place: str) -> StoreRefused:
    """Of what a store's rows refer to nothing is found."""
    return StoreRefused(f"{place}: this store's blobs are not here; is the share mounted, are bucket and prefix right?")


def claimed(depot: Depot, sealer: Sealer) -> bool:
    """Whether the depot is marked as this store's. Raises StoreRefused: it is another's."""
    said = depot.read(CLAIM)
    if said is not None and said != _name(sealer):
        raise StoreRefused(f"{depot.place}: another installation keeps its blobs here; give each a place of its own")
    return said is not None


def take_over(depot: Depot, sealer: Sealer, given_up: Sealer | None) -> None:
    """Make sure that nobody else's blobs lie here, before anything is carried; the mark of a store that was opened once
    and is `given_up` for this one becomes this one's. Raises StoreRefused.
    """
    said = depot.read(CLAIM)
    if given_up is not None and said == _name(given_up):
        mark(depot, sealer)
    elif said not in (None, _name(sealer)):
        raise StoreRefused(
            f"{depot.place}: another installation keeps its blobs here; expected a place of its own, or, if that one"
            f" was only tried and holds nothing, that {depot.place}/{CLAIM} is removed"
        )


def mark(depot: Depot, sealer: Sealer) -> None:
    depot.write(CLAIM, _name(sealer))


def _name(sealer: Sealer) -> bytes:
    """A store's own for all its life, and after it has moved."""
    return sealer.lookup("installation", "").hex().encode() + b"\n"

"""A look at an installation from outside, daemon at work or not: nothing is changed, nobody is kept waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError

from store import sqlite
from store.acts import SCHEME, StoreRefused, StoreUnreachable
from store.address import shown
from store.blob_bucket import Bucket
from store.blobs import Blobs
from store.engine import depot_at
from store.migrate import head, refuse_half_filled
from store.sealing import Sealer, data_keys, opened_sealer
from store.snapshot import EMBEDDED

T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """What is there, and the means to open it."""

    engine: Engine
    sealer: Sealer
    blobs: Blobs

    def read(self, act: Callable[[Connection], T]) -> T:
        """Run `act` on a snapshot, which should be short: a database keeps what a snapshot may still want."""
        with self.engine.begin() as conn:
            return act(conn)


@contextmanager
def looked_at(database: str, folder: Path, master: bytes, bucket: Bucket | None = None) -> Iterator[Look]:
    """The installation that `open_store` would open.

    Raises:
        StoreRefused: there is none, or its tables are not of this version.
        StoreUnreachable: PostgreSQL does not answer.
        SealBroken: the master key is not this store's.
    """
    engine = _engine(database, folder)
    try:
        with engine.begin() as conn:
            _expect_tables(conn, str(folder))
            keys = conn.engine

            def load_keys() -> dict[int, bytes]:
                with keys.begin() as other:
                    return data_keys(other, master)

            sealer = opened_sealer(conn, master, load_keys)
        yield Look(engine, sealer, Blobs(depot_at(folder, bucket), sealer))
    except DBAPIError as error:
        said = str(error.orig).partition("\n")[0]
        if database.startswith(SCHEME) and error.connection_invalidated:
            raise StoreUnreachable(f"{shown(engine.url)}: {said}") from error
        raise StoreRefused(f"{folder}: the database refuses: {said}") from error
    finally:
        engine.dispose()


def _engine(database: str, folder: Path) -> Engine:
    if not database.startswith(SCHEME):
        if not (folder / EMBEDDED).exists():
            raise StoreRefused(f"{folder}: there is no installation in it")
        return sqlite.looking(folder / EMBEDDED)
    from store.postgres_connections import reading  # noqa: PLC0415 - its driver takes 0.1 s to load

    try:
        engine = reading(database, 1)
        engine.connect().close()
    except (ArgumentError, ValueError) as error:
        raise StoreUnreachable(f"database: not a usable address, expected {SCHEME}user@host/name") from error
    except DBAPIError as error:
        raise StoreUnreachable(f"database: {' '.join(str(error.orig).split())}") from error
    return engine


def _expect_tables(conn: Connection, where: str) -> None:
    at = MigrationContext.configure(conn).get_current_revision()
    if at is None:
        raise StoreRefused(f"{where}: there is no installation in it")
    refuse_half_filled({at}, where)
    if at != head():
        raise StoreRefused(
            f"{where}: its tables are of migration {at}, this version's of {head()}; `xinqiao status` brings them up"
            " to date"
        )

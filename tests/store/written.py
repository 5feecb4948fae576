"""All that a store has written, whatever keeps it: for tests that look for what must stand nowhere in the clear."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from store.engine import Store
from store.schema import metadata


def written(store: Store) -> Iterator[bytes]:
    """Each file of its folder, and each row of each table: of those PostgreSQL's files lie elsewhere."""
    yield from (path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    for table in metadata.sorted_tables:
        for row in store.read_now(lambda conn, table=table: conn.execute(select(table)).all()):  # type: ignore[misc]
            yield b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in row)

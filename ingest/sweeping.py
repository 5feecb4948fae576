"""Clears up what nobody else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import Connection, delete

from store import ledger
from store.engine import Store
from store.schema import session

log = structlog.get_logger()


async def sweep(store: Store, clock: Callable[[], datetime]) -> None:
    """Open blocked steps whose predecessor is gone; forget sessions that ran out."""
    now = clock()

    def act(conn: Connection) -> int:
        conn.execute(delete(session).where(session.c.expires_at < now))
        return ledger.open_strays(conn, now=now)

    if strays := await store.write(act):
        log.warning("strays opened", count=strays)

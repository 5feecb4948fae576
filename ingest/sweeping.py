"""Clears up what nobody else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import Connection, delete

from ingest import inbox
from store import ledger
from store.engine import Store
from store.schema import session

log = structlog.get_logger()


async def sweep(store: Store, clock: Callable[[], datetime]) -> None:
    """Open blocked steps whose predecessor is gone; forget sessions that ran out; where several processes read, let no
    earlier version of a record wait for a person.
    """
    now = clock()

    def act(conn: Connection) -> int:
        conn.execute(delete(session).where(session.c.expires_at < now))
        if not store.exclusive:
            inbox.overtake_unseen(conn, now)
        return ledger.open_strays(conn, now=now)

    if strays := await store.write(act):
        log.warning("strays opened", count=strays)

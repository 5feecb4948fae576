"""How much of the database an act looks at, counted and not timed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from sqlalchemy import Connection, Engine, text

READ = text("SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'ledger'")


def effort(conn: Connection, act: Callable[[Connection], object]) -> int:
    """Rows of the ledger that PostgreSQL reads for an act, or steps that SQLite takes; in a transaction of its own."""
    with conn.begin():
        if conn.dialect.name != "postgresql":
            return _steps(conn, act)
        before = int(conn.execute(READ).scalar_one())  # other transactions' may not have been put aside yet
        act(conn)
        return int(conn.execute(READ).scalar_one()) - before


def come_to_rest(engine: Engine) -> None:
    """As after a quiet night: the database has looked at its tables, and plans for what it has seen."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.execute(text("VACUUM ANALYZE ledger"))


def _steps(conn: Connection, act: Callable[[Connection], object]) -> int:
    steps = count()
    raw = conn.connection.dbapi_connection
    assert raw is not None
    raw.set_progress_handler(lambda: next(steps) and 0, 1)
    try:
        act(conn)
    finally:
        raw.set_progress_handler(None, 1)
    return next(steps)

"""PostgreSQL as we connect to it: a dead server is noticed in half a minute, a commit is on disk, a reader reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import psycopg
from psycopg import IsolationLevel
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import URL, Engine, create_engine, event, make_url

from store.database_clock import DatabaseClock

ARGUMENTS = {
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "target_session_attrs": "read-write",  # of several hosts the one that is not a standby
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""What the address does not say itself."""
SETTINGS = (
    # A worker that froze amid a transaction must not hold its locks for ever.
    "SET idle_in_transaction_session_timeout = '60s'; "
    # What we acknowledge at a source must have survived, on the standby's disk too: whoever set less for the server did
    # not mean us.
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')"
)
PLANNING = "SET enable_seqscan = off; SET jit = off"
"""For who writes. The plan of a statement is kept: made while its table is empty, as a queue at rest is, it would read
the whole table, and go on so while that fills. What must be read whole seems so dear now that it would be compiled."""

Raw: TypeAlias = psycopg.Connection[tuple[Any, ...]]
Greeting: TypeAlias = Callable[[Raw, object], None]


def writing(url: str, connections: int, clock: DatabaseClock) -> Engine:
    """An engine for READ COMMITTED transactions, which keeps the clock right.

    Raises:
        ArgumentError, ValueError: this is not an address.
    """

    def greet(raw: Raw, _record: object) -> None:
        raw.isolation_level = IsolationLevel.READ_COMMITTED
        _prepare(raw)
        raw.execute(PLANNING)
        ask(clock, raw)
        raw.commit()

    return _engine(url, connections, greet, ping=False)  # a batch that finds its connection dead is begun anew


def reading(url: str, connections: int) -> Engine:
    """An engine for transactions that see a snapshot and cannot write."""

    def greet(raw: Raw, _record: object) -> None:
        _prepare(raw)
        raw.commit()
        raw.isolation_level = IsolationLevel.REPEATABLE_READ
        raw.read_only = True

    return _engine(url, connections, greet, ping=True)


def filling(url: str, name: str) -> Engine:
    """An engine for the one connection of a move or a restore, whose rows can be copied again: a commit need not wait
    for the disk.

    Raises:
        ArgumentError, ValueError: this is not an address.
    """

    def greet(raw: Raw, _record: object) -> None:
        _prepare(raw)
        raw.execute("SET synchronous_commit = off; SET statement_timeout = 0")
        raw.commit()

    return _engine(url, 1, greet, ping=False, name=name)


def ask(clock: DatabaseClock, raw: Raw) -> None:
    """Set the clock by the server's."""

    def look() -> datetime:
        row = raw.execute("SELECT clock_timestamp()").fetchone()
        if row is None or not isinstance(row[0], datetime):
            raise TypeError(f"clock_timestamp(): the database said {row}, expected a time")
        return row[0]

    clock.ask(look)


class Storable(StrDumperUnknown):
    """PostgreSQL keeps no NUL in a text; what a source wrote with one is kept, byte for byte, in its Raw."""

    def dump(self, obj: str) -> bytes | bytearray | memoryview | None:
        return super().dump(obj.replace("\0", "\ufffd"))


def arguments_for(address: URL) -> dict[str, str]:
    """How to connect there, beside what the address says itself."""
    return {name: value for name, value in ARGUMENTS.items() if name not in address.query}


def _engine(url: str, connections: int, greet: Greeting, *, ping: bool, name: str = "xinqiao") -> Engine:
    address = make_url(url)
    known = {} if "application_name" in address.query else {"application_name": name}
    engine = create_engine(
        address,
        connect_args=known | arguments_for(address),
        pool_size=connections,
        pool_pre_ping=ping,
        hide_parameters=True,
    )
    event.listen(engine, "connect", greet)
    return engine


def _prepare(raw: Raw) -> None:
    raw.adapters.register_dumper(str, Storable)
    raw.execute(SETTINGS)

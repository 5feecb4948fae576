"""The standby on whose disk a commit is before it is acknowledged."""

from __future__ import annotations

from sqlalchemy import Connection


def is_missed(conn: Connection) -> bool:
    """Whether the address names several hosts, as it does where there is a standby, and a commit waits for none."""
    if conn.dialect.name != "postgresql":
        return False
    _, there = conn.dialect.create_connect_args(conn.engine.url)
    several = "," in str(there.get("host", ""))
    return several and not conn.exec_driver_sql("SHOW synchronous_standby_names").scalar_one()

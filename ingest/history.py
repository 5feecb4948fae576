"""The append-only history: what happened to a case, or to the system, when and by whom; never a citizen's words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from store import chain

MACHINE = "xinqiao"
"""The actor of what nobody asked for."""


def record_history(
    conn: Connection, case_id: str | None, kind: str, actor: str, detail: dict[str, Any], now: datetime
) -> None:
    """Append an entry; `case_id` None for what concerns no single case, such as a login."""
    record_each(conn, kind, actor, [(case_id, detail)], now)


def record_each(
    conn: Connection, kind: str, actor: str, happened: Sequence[tuple[str | None, dict[str, Any]]], now: datetime
) -> None:
    """Append an entry for each case, with its own detail."""
    record_all(conn, actor, [(case_id, kind, detail) for case_id, detail in happened], now)


def record_all(
    conn: Connection, actor: str, happened: Sequence[tuple[str | None, str, dict[str, Any]]], now: datetime
) -> None:
    """Append entries, each of its own kind, in their order."""
    common = {"actor": actor, "at": now}
    chain.append(conn, [{**common, "case_id": one, "kind": kind, "detail": detail} for one, kind, detail in happened])

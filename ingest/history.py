"""The append-only history: what happened to a case, or to the system, when and by whom; never a citizen's words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from store.schema import history

MACHINE = "xinqiao"
"""The actor of what nobody asked for."""


def record_history(
    conn: Connection, case_id: str | None, kind: str, actor: str, detail: dict[str, Any], now: datetime
) -> None:
    """Append an entry; `case_id` None for what concerns no single case, such as a login."""
    conn.execute(insert(history).values(case_id=case_id, kind=kind, actor=actor, detail=detail, at=now))

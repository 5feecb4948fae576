"""Every attempt to deliver, with the receiver's words sealed: they may repeat the case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from store.schema import attempt, delivery
from store.sealing import Sealer


@dataclass(frozen=True)
class Attempt:
    """One exchange with a receiver."""

    at: datetime
    took: timedelta
    outcome: str
    """A verdict, or what looking up came to."""
    status: int | None = None
    detail: str | None = None
    """In the clear: our words."""
    excerpt: str | None = None
    """The receiver's words, to be sealed."""


def attempt_row(sealer: Sealer, delivery_id: int, made: Attempt) -> dict[str, object]:
    """An attempt as it is kept."""
    words = None if made.excerpt is None else made.excerpt.encode("utf-8", "backslashreplace")
    return {
        "delivery_id": delivery_id,
        "at": made.at,
        "milliseconds": made.took // timedelta(milliseconds=1),
        "outcome": made.outcome,
        "status": made.status,
        "detail": made.detail,
        "sealed_answer": None if words is None else sealer.seal(words, _context(delivery_id, made.at)),
    }


def answers_of(conn: Connection, sealer: Sealer, case_id: str) -> Mapping[tuple[int, datetime], str]:
    """What receivers said to the attempts for a case, by delivery and moment: for those who may read the case."""
    wanted = select(attempt).join(delivery, delivery.c.id == attempt.c.delivery_id)
    rows = conn.execute(wanted.where(delivery.c.case_id == case_id, attempt.c.sealed_answer.is_not(None)))
    return {
        (row.delivery_id, row.at): sealer.open(row.sealed_answer, _context(row.delivery_id, row.at)).decode()
        for row in rows
    }


def _context(delivery_id: int, at: datetime) -> str:
    return f"attempt:{delivery_id}:{at.astimezone(UTC).isoformat()}"

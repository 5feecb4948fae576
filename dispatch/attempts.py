"""Every attempt to deliver, with the receiver's words sealed: they may repeat the case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, select

from dispatch.webhook import Answer
from store.schema import attempt, delivery
from store.sealing import Sealer


def note_attempt(
    conn: Connection, sealer: Sealer, delivery_id: int, answer: Answer, at: datetime, took: timedelta
) -> None:
    """Write down one attempt."""
    words = None if answer.excerpt is None else answer.excerpt.encode("utf-8", "backslashreplace")
    conn.execute(
        insert(attempt).values(
            delivery_id=delivery_id,
            at=at,
            milliseconds=took // timedelta(milliseconds=1),
            outcome=answer.verdict.value,
            status=answer.status,
            detail=answer.detail,
            sealed_answer=None if words is None else sealer.seal(words, _context(delivery_id, at)),
        )
    )


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

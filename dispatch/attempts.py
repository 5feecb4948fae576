"""Every attempt to deliver, with the receiver's words sealed: they may repeat the case."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from store.schema import attempt, delivery
from store.sealing import Sealer

DOUBTFUL = "doubtful"
"""Outcome of an attempt that may have arrived, at a receiver that knows it again: it is sent again all the same."""
ABSENT = "absent"
INTERRUPTED = "it was being sent when we stopped"
"""Of an attempt whose process died; it is noted when somebody finds out."""


@dataclass(frozen=True)
class Attempt:
    """One exchange with a receiver."""

    at: datetime
    took: timedelta
    outcome: str
    """A verdict, `doubtful`, or what looking up came to."""
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


def note_interrupted(conn: Connection, deliveries: Collection[int], at: datetime) -> None:
    """An attempt for each of these deliveries was interrupted."""
    facts = {"at": at, "milliseconds": 0, "outcome": DOUBTFUL, "detail": INTERRUPTED}
    for number in deliveries:
        conn.execute(insert(attempt).values(delivery_id=number, **facts))
        conn.execute(update(delivery).where(delivery.c.id == number).values(attempts=delivery.c.attempts + 1))


def in_doubt(conn: Connection, deliveries: Collection[int]) -> set[int]:
    """Those of these deliveries of which an attempt may have arrived, and nobody has looked since."""
    absent = attempt.alias("absent")
    looked = select(func.max(absent.c.id)).where(
        absent.c.delivery_id == attempt.c.delivery_id, absent.c.outcome == ABSENT
    )
    doubtful = select(attempt.c.delivery_id).where(attempt.c.delivery_id.in_(deliveries), attempt.c.outcome == DOUBTFUL)
    return set(conn.execute(doubtful.where(attempt.c.id > func.coalesce(looked.scalar_subquery(), 0))).scalars())


def settle_doubt(conn: Connection, delivery_id: int) -> None:
    """A person has looked: none of its attempts has arrived."""
    here = (attempt.c.delivery_id == delivery_id) & (attempt.c.outcome == DOUBTFUL)
    conn.execute(update(attempt).where(here).values(outcome="again"))


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

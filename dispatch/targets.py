"""Whether a target answers: said once when it stops and once when it is back, kept where every page can see it."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import Connection, insert, select, update

from dispatch.webhook import Answer, Verdict
from store.schema import target

log = structlog.get_logger()
OPEN, UNAVAILABLE, PAUSED = "open", "unavailable", "paused"


def state_of(conn: Connection, name: str) -> str | None:
    found: str | None = conn.execute(select(target.c.state).where(target.c.name == name)).scalar_one_or_none()
    return found


def set_state(conn: Connection, name: str, state: str, error: str | None, now: datetime) -> bool:
    """Write the state; True when it differs from before (a first sight of an open target is no news)."""
    before = state_of(conn, name)
    success = {"last_success_at": now} if state == OPEN else {}
    if before is None:
        conn.execute(insert(target).values(name=name, state=state, since=now, error=error, **success))
        return state != OPEN
    moved = {"state": state, "since": now} if before != state else {}
    conn.execute(update(target).where(target.c.name == name).values(error=error, **success, **moved))
    return before != state


def note_answer(conn: Connection, name: str, answer: Answer, now: datetime) -> str | None:
    """Note what an attempt showed; the new state if that is news. A paused target waits for a person, not an answer."""
    if state_of(conn, name) == PAUSED:
        return None
    state = {Verdict.AGAIN: UNAVAILABLE, Verdict.GONE: PAUSED}.get(answer.verdict, OPEN)
    return state if set_state(conn, name, state, answer.detail, now) else None


def say(name: str, state: str, answer: Answer) -> None:
    """Tell the log of a change, once."""
    if state == OPEN:
        log.info("target answers", target=name)
    elif state == PAUSED:
        log.error("target says it is gone (410) and is paused until resumed", target=name)
    else:
        log.warning("target does not take events; they wait", target=name, status=answer.status)

"""Acts in one PostgreSQL transaction: as many as their locks let go together, each with an outcome of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Connection, RootTransaction
from sqlalchemy.exc import DBAPIError

from store.acts import Job, TransactionLost
from store.crashpoint import reach
from store.database_clock import DatabaseClock
from store.postgres_connections import Raw, ask
from store.waiting import Outcome

TRIES = 5
"""So often an act is begun at most, if it is undone through no fault of its own."""
COLLISIONS = frozenset({"40001", "40P01", "55P03"})
"""serialization_failure, deadlock_detected, lock_not_available: an act is begun anew."""
TAKEN = "23505"
"""unique_violation: perhaps another transaction made the row after this one had looked for it. It looks again, once."""
STANDBY = "25006"
"""read_only_sql_transaction: this server has become a standby; another one is the primary now."""

FIRST_ACT = b"BEGIN ISOLATION LEVEL READ COMMITTED; SAVEPOINT act"
SECOND_ACT = b"RELEASE act; SET LOCAL lock_timeout = '50ms'; SAVEPOINT act"
NEXT_ACT = b"RELEASE act; SAVEPOINT act"
UNDO_ACT = b"ROLLBACK TO act"


class ConnectionBroken(Exception):
    """The connection is gone before COMMIT was said: nothing of the transaction was written."""


def raw_of(conn: Connection) -> Raw:
    return cast("Raw", conn.connection.dbapi_connection)


def transact(conn: Connection, jobs: Iterable[Job], clock: DatabaseClock) -> list[Outcome]:
    """Run acts in order and commit them together; the outcomes of the first so many.

    It stops before one that collides with another transaction. The first act may wait for locks as long as it takes;
    the later ones, who would hold those of the earlier ones meanwhile, hardly. No outcome: the first one collided.

    Raises:
        ConnectionBroken: the connection has been thrown away.
    """
    raw = raw_of(conn)
    outcomes: list[Outcome] = []
    with conn.begin() as transaction:
        try:
            for job in jobs:
                _say(raw, (FIRST_ACT, SECOND_ACT, NEXT_ACT)[min(len(outcomes), 2)])
                if clock.stale:
                    ask(clock, raw)
                outcome = _attempt(conn, raw, job)
                if outcome is None:
                    break
                outcomes.append(outcome)
        except TransactionLost as error:
            return [Outcome(failure=error)] * (len(outcomes) + 1)
        except psycopg.Error as error:
            conn.invalidate()
            raise ConnectionBroken from error
        return _commit(transaction, raw, outcomes)


def _attempt(conn: Connection, raw: Raw, job: Job) -> Outcome | None:
    """Run one act; its own failure is its outcome, and undone. None: it collided and was undone."""
    job.tries += 1
    try:
        result = job.act(conn)
    except BaseException as error:
        _expect_transaction(raw, error)
        _say(raw, UNDO_ACT)
        cause = error.orig if isinstance(error, DBAPIError) else None
        state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
        if state == STANDBY:
            raise psycopg.OperationalError("this server has become a standby") from error
        return None if _is_begun_anew(job, state) else Outcome(failure=error)
    _expect_transaction(raw, None)
    if raw.info.transaction_status == TransactionStatus.INERROR:
        _say(raw, UNDO_ACT)
        return Outcome(failure=RuntimeError("an act went on after one of its statements had failed"))
    return Outcome(result)


def _is_begun_anew(job: Job, state: str | None) -> bool:
    if state == TAKEN and not job.looked_again:
        job.looked_again = True
        return True
    return state in COLLISIONS and job.tries < TRIES


def _say(raw: Raw, statements: bytes) -> None:
    """Execute statements that have neither parameters nor rows, in one round trip, at a fifth of `execute`'s cost."""
    said = raw.pgconn.exec_(statements)
    if said.status != ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(said)


def _expect_transaction(raw: Raw, error: BaseException | None) -> None:
    """Raises OperationalError when the connection is gone, TransactionLost when an act ended the transaction."""
    if raw.closed:
        raise psycopg.OperationalError("the connection is closed") from error
    if raw.info.transaction_status == TransactionStatus.IDLE:
        raise TransactionLost(f"the transaction was ended under an act: {error}") from error


def _commit(transaction: RootTransaction, raw: Raw, outcomes: list[Outcome]) -> list[Outcome]:
    reach("store.commit")
    try:
        transaction.commit()
    except BaseException as error:  # noqa: BLE001 - whatever it is, every waiter must hear of it
        lost = TransactionLost("the connection broke at COMMIT: what was written is not known")
        return [Outcome(failure=lost if raw.closed else error)] * len(outcomes)
    reach("store.committed")
    return outcomes

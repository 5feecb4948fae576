"""Who is logged in: sessions on the server, of which the browser holds only a random token.

The token ends in the second it was issued; as only the hash of the whole is stored, nobody can make it look younger.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from ingest.accounts import Role
from store.schema import account, session

LONGEST = timedelta(hours=12)
IDLE = timedelta(hours=2)
SLIDE_AFTER = timedelta(minutes=5)
"""A session is extended at most this often, so that reading pages is not writing rows."""


@dataclass(frozen=True)
class Session:
    digest: str
    account: str
    role: Role
    csrf: str
    expires_at: datetime
    issued_at: datetime

    def extended(self, now: datetime) -> datetime | None:
        """The later end its use has earned; None: not worth a row."""
        end = min(now + IDLE, self.issued_at + LONGEST)
        return end if end - self.expires_at > SLIDE_AFTER else None


def open_session(conn: Connection, name: str, now: datetime) -> str:
    """Begin a session and sweep away the ended ones; returns the token, which is stored nowhere."""
    token = f"{secrets.token_urlsafe(32)}.{int(now.timestamp())}"
    row = {"digest": _digest(token), "account": name, "csrf": secrets.token_urlsafe(32), "expires_at": now + IDLE}
    conn.execute(delete(session).where(session.c.expires_at <= now))
    conn.execute(insert(session).values(row))
    return token


def find_session(conn: Connection, token: str, now: datetime) -> Session | None:
    """The live session of this token, with its account's role of today; None also when the account is disabled."""
    row = conn.execute(
        select(session, account.c.role)
        .join(account, account.c.name == session.c.account)
        .where(session.c.digest == _digest(token), session.c.expires_at > now, ~account.c.disabled)
    ).one_or_none()
    if row is None:
        return None
    issued = datetime.fromtimestamp(int(token.rpartition(".")[2]), UTC)
    if issued + LONGEST <= now:
        return None
    return Session(row.digest, row.account, Role(row.role), row.csrf, row.expires_at, issued)


def extend_session(conn: Connection, digest: str, until: datetime) -> None:
    conn.execute(update(session).where(session.c.digest == digest).values(expires_at=until))


def end_session(conn: Connection, token: str) -> None:
    conn.execute(delete(session).where(session.c.digest == _digest(token)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

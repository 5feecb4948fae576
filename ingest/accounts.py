"""Who may enter the console: accounts, their roles and passwords."""

from __future__ import annotations

import base64
import os
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy import Connection, delete, insert, select, update

from ingest.history import MACHINE, record_history
from store.schema import account, session

_NAME = re.compile(r"[a-z0-9\u4e00-\u9fff][a-z0-9\u4e00-\u9fff._-]{1,31}")
RESERVED = frozenset({MACHINE, "anonymous", "created", "source", "mailbox", "letters"})
"""Who or what else the record says has acted."""
SHORTEST, LONGEST = 10, 256
_hasher = PasswordHasher()


class Role(StrEnum):
    OPERATOR = "operator"  # the IT staff: doors, deliveries, quarantine; never content
    CLERK = "clerk"  # the petition office
    DISCIPLINE = "discipline"  # the discipline line: restricted cases too
    LEADER = "leader"
    AUDITOR = "auditor"  # who did what; never content


class AccountRefused(ValueError):
    """The account cannot be made or changed like this; the message says what was expected."""


@dataclass(frozen=True)
class Account:
    name: str
    role: Role
    created_at: datetime
    disabled: bool


def hash_password(name: str, password: str) -> str:
    """Judge a new password and hash it (argon2id, about 0.1 s: not inside a transaction, not on the event loop).

    Raises:
        AccountRefused: shorter than ten characters, absurdly long, or nothing but the account's name.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountRefused(f"password: {len(password)} characters, expected {SHORTEST} to {LONGEST}")
    if password.casefold().replace(name.casefold(), "").strip("0123456789") == "" or len(set(password)) < 5:
        raise AccountRefused("password: too easy to guess; expected five different characters and not the account name")
    return _hasher.hash(password)


def verify_password(hashed: str, password: str) -> bool:
    """Whether the password is the one (about 0.1 s, see `hash_password`)."""
    try:
        return len(password) <= LONGEST and _hasher.verify(hashed, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def nobodys_hash() -> str:
    """What no password matches, and takes as long to refuse as one of today's hashes; made without hashing."""
    salt, hashed = (base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (16, 32))
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${hashed}"


def needs_rehash(hashed: str) -> bool:
    """Whether this was hashed with weaker parameters than today's."""
    return _hasher.check_needs_rehash(hashed)


def rehash(password: str) -> str:
    """Today's hash of a password that was just verified: the policy is not asked again."""
    return _hasher.hash(password)


def clean_name(name: str) -> str:
    """The name as it is kept: NFKC, lower case. Raises AccountRefused."""
    cleaned = unicodedata.normalize("NFKC", name).strip().lower()
    if not _NAME.fullmatch(cleaned):
        raise AccountRefused(
            f"account name {cleaned!r}: expected 2 to 32 letters a-z, digits, Chinese characters, '.', '_', '-'"
        )
    return cleaned


def add_account(conn: Connection, name: str, role: Role, hashed: str, *, by: str, now: datetime) -> Account:
    """Make an account with a password from `hash_password`. Raises AccountRefused."""
    name = clean_name(name)
    if name in RESERVED:
        raise AccountRefused(f"account name {name!r}: the record means something else by it, expected another")
    if find_account(conn, name) is not None:
        raise AccountRefused(f"account {name}: exists already")
    conn.execute(insert(account).values(name=name, role=role, password=hashed, created_at=now, disabled=False))
    record_history(conn, None, "account_added", by, {"account": name, "role": role}, now)
    return Account(name, role, now, disabled=False)


def list_accounts(conn: Connection) -> list[Account]:
    rows = conn.execute(select(account).order_by(account.c.name)).all()
    return [Account(row.name, Role(row.role), row.created_at, row.disabled) for row in rows]


def find_account(conn: Connection, name: str) -> Account | None:
    row = conn.execute(select(account).where(account.c.name == name)).one_or_none()
    return None if row is None else Account(row.name, Role(row.role), row.created_at, row.disabled)


def password_of(conn: Connection, name: str) -> str | None:
    """The hash of an account that may log in; None for an unknown or disabled one."""
    wanted = select(account.c.password).where(account.c.name == name, ~account.c.disabled)
    found: str | None = conn.execute(wanted).scalar_one_or_none()
    return found


def still_stands(conn: Connection, name: str, hashed: str) -> bool:
    """Whether an account that may log in has this hash, and has it until this transaction ends."""
    wanted = select(account.c.password).where(account.c.name == name, ~account.c.disabled)
    found: str | None = conn.execute(wanted.with_for_update(key_share=True)).scalar_one_or_none()
    return found == hashed


def set_password(conn: Connection, name: str, hashed: str, *, by: str, now: datetime) -> None:
    """Change a password and end the account's sessions. Raises AccountRefused."""
    _change(conn, name, password=hashed)
    end_sessions(conn, name)
    record_history(conn, None, "password_changed", by, {"account": name}, now)


def renew_hash(conn: Connection, name: str, old: str, new: str) -> None:
    """Keep the same password under a stronger hash, unless it was changed meanwhile."""
    conn.execute(update(account).where(account.c.name == name, account.c.password == old).values(password=new))


def set_role(conn: Connection, name: str, role: Role, *, by: str, now: datetime) -> None:
    """Change what an account may, and end its sessions. Raises AccountRefused."""
    _change(conn, name, role=role)
    end_sessions(conn, name)
    record_history(conn, None, "role_changed", by, {"account": name, "role": role}, now)


def disable_account(conn: Connection, name: str, *, by: str, now: datetime) -> None:
    """Keep an account out, at once. Raises AccountRefused."""
    _change(conn, name, disabled=True)
    end_sessions(conn, name)
    record_history(conn, None, "account_disabled", by, {"account": name}, now)


def enable_account(conn: Connection, name: str, *, by: str, now: datetime) -> None:
    """Let a disabled account in again. Raises AccountRefused."""
    _change(conn, name, disabled=False)
    record_history(conn, None, "account_enabled", by, {"account": name}, now)


def end_sessions(conn: Connection, name: str) -> None:
    conn.execute(delete(session).where(session.c.account == name))


def _change(conn: Connection, name: str, **values: object) -> None:
    if conn.execute(update(account).where(account.c.name == name).values(**values)).rowcount != 1:
        raise AccountRefused(f"account {name}: there is no such account")

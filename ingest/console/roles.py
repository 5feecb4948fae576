"""Who may see and do what: the one table."""

from __future__ import annotations

from enum import Enum, auto

from ingest.accounts import Role

__all__ = ["MAY", "Right", "Role", "may", "may_read"]


class Right(Enum):
    OVERVIEW = auto()  # doors, counts, deadlines by number
    CASES = auto()  # the list and the page of a case, as numbers unless one of the next two says more
    CONTENT = auto()  # everything of unrestricted cases
    RESTRICTED = auto()  # everything of restricted cases
    DELIVERIES = auto()
    QUARANTINE = auto()  # what is kept aside and why
    QUARANTINED_ORIGINALS = auto()  # the thing itself
    HISTORY = auto()  # who did what, also logins
    ACCOUNTS = auto()


MAY: dict[Role, frozenset[Right]] = {
    Role.OPERATOR: frozenset({Right.OVERVIEW, Right.CASES, Right.DELIVERIES, Right.QUARANTINE}),
    Role.CLERK: frozenset(
        {Right.OVERVIEW, Right.CASES, Right.CONTENT, Right.DELIVERIES, Right.QUARANTINE, Right.QUARANTINED_ORIGINALS}
    ),
    Role.DISCIPLINE: frozenset(
        {
            Right.OVERVIEW,
            Right.CASES,
            Right.CONTENT,
            Right.RESTRICTED,
            Right.DELIVERIES,
            Right.QUARANTINE,
            Right.QUARANTINED_ORIGINALS,
        }
    ),
    Role.LEADER: frozenset({Right.OVERVIEW, Right.CASES, Right.CONTENT}),
    Role.AUDITOR: frozenset({Right.OVERVIEW, Right.CASES, Right.HISTORY, Right.ACCOUNTS}),
}


def may(role: Role, right: Right) -> bool:
    return right in MAY[role]


def may_read(role: Role, *, restricted: bool) -> bool:
    """Whether this role sees a case's content; otherwise only its number, channel kind and deadlines."""
    return may(role, Right.RESTRICTED if restricted else Right.CONTENT)

"""Who may see and do what: the one table."""

from __future__ import annotations

from enum import Enum, auto

from ingest.accounts import Role

__all__ = ["MAY", "Right", "Role", "may", "may_correct", "may_read"]


class Right(Enum):
    OVERVIEW = auto()  # doors, counts, deadlines by number
    CASES = auto()  # the list and the page of a case, as numbers unless one of the next two says more
    CONTENT = auto()  # everything of unrestricted cases
    RESTRICTED = auto()  # everything of restricted cases
    DELIVERIES = auto()
    QUARANTINE = auto()  # what is kept aside and why
    QUARANTINED_ORIGINALS = auto()  # the thing itself
    CORRECT = auto()  # fields of unrestricted cases
    CORRECT_RESTRICTED = auto()  # fields of restricted cases
    READ_AGAIN = auto()  # what is kept aside
    REGISTER = auto()  # by hand, or lay aside as no petition
    PRINT = auto()  # sheets of cases whose content may be read
    SEND = auto()  # deliveries again, skip them, say that they have arrived
    PAUSE = auto()  # doors and targets, and resume them
    CONFIGURATION = auto()  # what is wrong with it
    HISTORY = auto()  # who did what, also logins
    ACCOUNTS = auto()


MAY: dict[Role, frozenset[Right]] = {
    Role.OPERATOR: frozenset(
        {
            Right.OVERVIEW,
            Right.CASES,
            Right.DELIVERIES,
            Right.QUARANTINE,
            Right.READ_AGAIN,
            Right.SEND,
            Right.PAUSE,
            Right.CONFIGURATION,
        }
    ),
    Role.CLERK: frozenset(
        {
            Right.OVERVIEW,
            Right.CASES,
            Right.CONTENT,
            Right.CORRECT,
            Right.PRINT,
            Right.DELIVERIES,
            Right.QUARANTINE,
            Right.QUARANTINED_ORIGINALS,
            Right.READ_AGAIN,
            Right.REGISTER,
        }
    ),
    Role.DISCIPLINE: frozenset(
        {
            Right.OVERVIEW,
            Right.CASES,
            Right.CONTENT,
            Right.RESTRICTED,
            Right.CORRECT_RESTRICTED,
            Right.PRINT,
            Right.DELIVERIES,
            Right.QUARANTINE,
            Right.QUARANTINED_ORIGINALS,
            Right.READ_AGAIN,
            Right.REGISTER,
        }
    ),
    Role.LEADER: frozenset({Right.OVERVIEW, Right.CASES, Right.CONTENT, Right.PRINT}),
    Role.AUDITOR: frozenset({Right.OVERVIEW, Right.CASES, Right.HISTORY, Right.ACCOUNTS}),
}


def may(role: Role, right: Right) -> bool:
    return right in MAY[role]


def may_read(role: Role, *, restricted: bool) -> bool:
    """Whether this role sees a case's content; otherwise only its number, channel kind and deadlines."""
    return may(role, Right.RESTRICTED if restricted else Right.CONTENT)


def may_correct(role: Role, *, restricted: bool) -> bool:
    """Whether this role may correct a case's fields."""
    return may(role, Right.CORRECT_RESTRICTED if restricted else Right.CORRECT)

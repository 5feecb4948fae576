"""What an unexpected error is: how it is spoken of without repeating its words, and whether it will pass."""

from __future__ import annotations

import sqlite3
import traceback

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, OperationalError, ProgrammingError

from store.acts import StoreClosed, StoreFailed

_THE_ACTS_OWN = (DataError, IntegrityError, NotSupportedError, ProgrammingError)


def place_of(error: BaseException) -> str:
    """An error's kind and place; its message is left out, since it may quote a citizen."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return f"{type(error).__name__} in {last.name} ({'/'.join(last.filename.rsplit('/', 2)[-2:])}:{last.lineno})"


def is_databases(error: BaseException | None) -> bool:
    """Whether the database could not do its part (a full disk, a broken connection), whatever was asked of it."""
    return isinstance(error, OperationalError | sqlite3.OperationalError | StoreFailed)


def is_passing(error: BaseException) -> bool:
    """Whether the store or the machine is in trouble (a full disk, a lost connection), not the work: again later."""
    if isinstance(error, DBAPIError):
        return not isinstance(error, _THE_ACTS_OWN)
    return isinstance(error, StoreFailed | StoreClosed | sqlite3.OperationalError | OSError)

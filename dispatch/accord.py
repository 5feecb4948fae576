"""Whether all processes on one database go by the same rights: each says by which, for the others to see.

Another configuration reaches one host before the others. Until it has reached all, none of them takes from a target,
for the sake of its own copy alone, what another may just have given it: it sends nothing that its own forbids, and
leaves it to whoever may, or until they agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, exists, select

from dispatch.settings import TargetSettings
from store import duties
from store.schema import duty

LASTS = timedelta(minutes=15)
"""So long what a process said counts, were it gone since: others may take so long to get the same configuration."""
_NAME = "rights:"


def announce(conn: Connection, process: str, targets: Mapping[str, TargetSettings], now: datetime) -> None:
    """Say by which rights this process goes from now on."""
    duties.note(conn, f"{_NAME}{process}", mark_of(targets), now=now, lease=LASTS)


def leave(conn: Connection, process: str) -> None:
    """This process goes by no rights any more."""
    duties.end(conn, f"{_NAME}{process}")


def agreed(conn: Connection, targets: Mapping[str, TargetSettings], now: datetime) -> bool:
    """Whether no process has said of late that it goes by other rights than these."""
    others = duty.c.name.startswith(_NAME, autoescape=True) & (duty.c.had_until > now)
    return not conn.execute(select(exists().where(others, duty.c.holder != mark_of(targets)))).scalar_one()


def mark_of(targets: Mapping[str, TargetSettings]) -> str:
    """A mark of all that decides what each of them may see."""
    rights = [(name, str(one.restricted), sorted(one.channels)) for name, one in sorted(targets.items())]
    return hashlib.sha256(repr(rights).encode()).hexdigest()

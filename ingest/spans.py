"""From when to when a list is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.sql import ColumnElement


@dataclass(frozen=True)
class Span:
    """From when to before when."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, column: ColumnElement[datetime]) -> list[ColumnElement[bool]]:
        """The conditions under which a moment lies in it."""
        bounds = []
        if self.since is not None:
            bounds.append(column >= self.since)
        if self.until is not None:
            bounds.append(column < self.until)
        return bounds


ALWAYS = Span()

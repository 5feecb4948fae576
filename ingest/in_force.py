"""Which configuration is in force, and why what its files say by now is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.config_errors import in_a_line


@dataclass(frozen=True)
class Refusal:
    """Why the files as they stand are not in force."""

    since: datetime
    problems: tuple[str, ...]


@dataclass
class InForce:
    """The configuration in force: when it was read, and why what the files say by now is not, if so."""

    read_at: datetime
    refused: Refusal | None = None

    def said(self) -> str | None:
        """Why it is refused, in a line; None: it is not."""
        return None if self.refused is None else in_a_line(self.refused.problems)

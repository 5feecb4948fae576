"""Whether an installation can do its work now, door by door and target by target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Readiness:
    ready: bool
    state: str
    """open, silent, unavailable, refused, paused or not polled yet; no error's words: anybody may ask."""


@dataclass(frozen=True)
class Health:
    """Whether each door, each target, the database and the place of large originals can be used now."""

    doors: Mapping[str, Readiness] = field(default_factory=dict)
    targets: Mapping[str, Readiness] = field(default_factory=dict)
    database: Readiness = Readiness(ready=True, state="open")
    blobs: Readiness = Readiness(ready=True, state="open")

    @property
    def ready(self) -> bool:
        parts = (*self.doors.values(), *self.targets.values(), self.database, self.blobs)
        return all(part.ready for part in parts)

"""Where a store under test is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    folder: Path
    database: str = "sqlite"
    """As `open_store` takes it."""

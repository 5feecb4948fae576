"""The backups in a folder: how they are named, and when the latest was made."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

MANIFEST = "manifest.json"
"""In each; a folder has it before it has its name."""
ARCHIVE = ".tar"
"""How the name of a backup in one file ends."""


def newest(folder: Path) -> datetime | None:
    """When the latest whole backup in a folder was made; None: there is none. Raises OSError: nobody can look."""
    made = [one for one in folder.iterdir() if one.suffix == ARCHIVE]
    made += folder.glob(f"*/{MANIFEST}")
    times = []
    for one in made:
        with suppress(FileNotFoundError):  # it was just thrown away, for a newer one
            times.append(datetime.fromtimestamp(one.stat().st_mtime, UTC))
    return max(times, default=None)

"""Where an installation on SQLite begins: in a folder that holds none, nor what is left of one."""

from __future__ import annotations

from pathlib import Path

from store.acts import StoreRefused

DATABASE, LOCK = "xinqiao.db", "lock"
RESTORING = "restoring"
"""In a folder into which a backup is being brought, until everything is proved."""
_LEFT = (f"{DATABASE}-wal", "blobs/*/*", "backups/*", "set-aside-*")
"""What only lies where a database has been."""


def has_begun(folder: Path) -> bool:
    """Whether its database is there; an empty file is none. Raises OSError."""
    path = folder / DATABASE
    return path.exists() and path.stat().st_size > 0


def nothing_at(place: Path) -> str:
    """What is said to who asks after an installation where none is."""
    return f"{place}: nothing here yet; start `xinqiao run` (or restart it, if it still works in another folder)"


def expect_nothing_left(folder: Path) -> None:
    """Refuse to begin where an installation is half restored, or has lost its database. Raises StoreRefused."""
    if (folder / RESTORING).exists():
        raise StoreRefused(f"{folder}: `xinqiao restore` has not finished here; give it again")
    left = next((found.relative_to(folder) for one in _LEFT for found in folder.glob(one)), None)
    if left is not None:
        raise StoreRefused(
            f"{folder}: holds {left}, but not the database it belongs to; put {DATABASE} back, or restore a backup into"
            " an empty folder (a new installation begins in an empty one too)"
        )

"""The note in a data folder whose installation was moved: whoever starts on it by mistake is told where it went."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from store.acts import StoreRefused

NAME = "moved"


@dataclass(frozen=True)
class Moved:
    """Where to, without a password, and when."""

    to: str
    at: str


def read(folder: Path) -> Moved | None:
    try:
        return Moved(**json.loads((folder / NAME).read_text("utf-8")))
    except FileNotFoundError:
        return None


def write(folder: Path, moved: Moved) -> None:
    """On disk, whole, when this returns."""
    partial = folder / f"{NAME}.partial"
    with partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(moved)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.rename(folder / NAME)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_if_moved(folder: Path) -> None:
    """Raises StoreRefused: this installation goes on somewhere else."""
    if (moved := read(folder)) is not None:
        raise StoreRefused(
            f"{folder}: this installation was moved to {moved.to} at {moved.at} and goes on there; write that as "
            f"`database` in the configuration (or go back to this state: remove {folder / NAME})"
        )

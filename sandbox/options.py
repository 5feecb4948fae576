"""What the command line asks of the sandbox, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

STANDINS = ("sunshine", "hotline", "mailbox", "letters", "oa")
"""Those that run unless others are chosen."""
OWN_APIS = ("ecology", "seeyon")
"""OAs with an interface of their own, for who chooses them."""
PORTS = {
    "console": 8650, "oa": 8651, "control": 8652, "sunshine": 8653, "hotline": 8654, "mailbox": 8655,
    "ecology": 8656, "seeyon": 8657,
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    data: Path = Path("sandbox-data")
    config: Path = Path("config.yaml")
    run: bool = False
    seed: int = 1
    rate: timedelta = timedelta(seconds=10)
    """Zero: nothing arrives by itself."""
    ports: Mapping[str, int] = field(default_factory=lambda: dict(PORTS))
    only: tuple[str, ...] = STANDINS
    preload: Mapping[str, int] = field(default_factory=dict)
    revise: float = 0.0
    revise_after: timedelta = timedelta(seconds=5)
    faults: tuple[tuple[str, str, float], ...] = ()


def numbers(text: str, what: str, names: tuple[str, ...]) -> dict[str, int]:
    """`sunshine=100,hotline=5` as a dictionary; ValueError names what is wrong."""
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, number = part.partition("=")
        if name not in names or not number.isdigit():
            raise ValueError(f"{what} {part!r}: expected NAME=NUMBER with NAME one of {', '.join(names)}")
        found[name] = int(number)
    return found


def chosen(text: str) -> tuple[str, ...]:
    """`oa,sunshine` as stand-ins' names; ValueError for one that does not exist."""
    names = tuple(filter(None, (piece.strip() for piece in text.split(","))))
    there = (*STANDINS, *OWN_APIS)
    if not names or set(names) - set(there):
        raise ValueError(f"--only {text!r}: expected some of {', '.join(there)}")
    return names

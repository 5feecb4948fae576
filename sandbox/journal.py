"""What happened in the invented city so far: told again at the next start, it brings every stand-in back as it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Act(StrEnum):
    ARRIVE = "arrive"
    CHANGE = "change"
    NOISE = "noise"
    """Mail that is no petition."""


@dataclass(frozen=True)
class Entry:
    """Matter `number` of `seed` did this at a door; `step` names the change."""

    at: datetime
    act: Act
    door: str
    seed: int
    number: int
    step: str = ""


class Journal:
    """A file of JSON lines that is only appended to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> list[Entry]:
        """All entries; a last line that was cut off by a crash is dropped for good."""
        if not self._path.exists():
            return []
        text = self._path.read_text("utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self._path.write_text(whole, "utf-8")
        return [_entry(json.loads(line)) for line in whole.splitlines()]

    def append(self, entry: Entry) -> None:
        line = json.dumps({**asdict(entry), "at": entry.at.isoformat()}, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def _entry(told: dict[str, str]) -> Entry:
    moment = datetime.fromisoformat(told["at"])
    return Entry(moment, Act(told["act"]), told["door"], int(told["seed"]), int(told["number"]), told["step"])

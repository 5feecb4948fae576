"""The scanner: letters appear as files in a folder, some complete at once, some written slowly."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from sandbox.faults import Fault, Switch
from sandbox.matters import Matter
from sandbox.scans import scan


class Scanner:
    """Drops scans into `folder`, which it makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.switch = Switch(
            "letters", frozenset({Fault.SLOW, Fault.TRUNCATED, Fault.DUPLICATE}), delay=timedelta(seconds=5)
        )
        self.dropped = 0
        folder.mkdir(parents=True, exist_ok=True)

    async def drop(self, matter: Matter, at: datetime) -> Path:
        """One letter; complete when this returns, unless the fault `truncated` struck."""
        name, content = await asyncio.to_thread(scan, matter, at)
        fault, path = self.switch.draw(), self.folder / name
        if fault is Fault.TRUNCATED:
            content = content[: len(content) // 2]
        if fault is Fault.SLOW or matter.number % 5 == 4:
            await self._slowly(path, content, self.switch.delay if fault is Fault.SLOW else timedelta(seconds=1))
        else:
            _at_once(path, content)
        if fault is Fault.DUPLICATE:
            _at_once(path.with_stem(f"{path.stem}_2"), content)
        self.dropped += 1
        return path

    async def _slowly(self, path: Path, content: bytes, pause: timedelta) -> None:
        """As a scanner does that writes under the final name while the page still moves."""
        half = len(content) // 2
        _append(path, content[:half])
        await asyncio.sleep(pause.total_seconds())
        _append(path, content[half:])


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def _at_once(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)

"""The files of a configuration on disk: what they hold, and whether somebody is still writing them."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel

from ingest.config_values import PLACES

LOOK = timedelta(seconds=5)
"""How often the files are looked at."""
QUIET = timedelta(seconds=1)
"""For so long nothing may have changed: an editor may be at work, a copy may be half written."""

Mark: TypeAlias = tuple[int, int, int] | None
"""How a file looks from outside: its inode, time and size; None: it is not there."""


def marks_of(paths: Iterable[Path]) -> dict[Path, Mark]:
    return {path: _mark(path) for path in paths}


def contents_of(paths: Iterable[Path]) -> dict[Path, str | None]:
    """A digest of each file; None: it cannot be read."""
    return {path: _digest(path) for path in paths}


def files_in(settings: object) -> Iterator[Path]:
    """The files that settings refer to, however deep within."""
    if isinstance(settings, Path):
        yield settings
    elif isinstance(settings, BaseModel):
        yield from files_in({name: value for name, value in settings if name not in PLACES})
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from files_in(value)
    elif isinstance(settings, tuple | list):
        for value in settings:
            yield from files_in(value)


@dataclass(frozen=True)
class Seen:
    """How files were when they were read."""

    marks: Mapping[Path, Mark]
    contents: Mapping[Path, str | None]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Seen:
        """In this order: what changes in between is seen as a change later."""
        paths = list(paths)
        return cls(marks_of(paths), contents_of(paths))

    def still_holds(self) -> bool:
        """Whether they hold the same now."""
        return contents_of(self.contents) == self.contents


NOTHING = Seen({}, {})


async def look_different(marks: Mapping[Path, Mark], look: timedelta = LOOK) -> None:
    """Return once files look different. A thread looks, as waking the event loop each time would cost far more."""
    loop, differ, over = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(look.total_seconds()):
            if marks_of(marks) != marks:
                with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                    loop.call_soon_threadsafe(differ.set)
                return

    threading.Thread(target=watch, name="configuration", daemon=True).start()
    try:
        await differ.wait()
    finally:
        over.set()


async def have_changed(seen: Seen, quiet: timedelta = QUIET) -> Seen | None:
    """Look once: whether the files hold something else than they did, once nobody writes any more.

    None: they do. Else what to compare with the next time: one written anew with the same has other marks.
    """
    if await asyncio.to_thread(marks_of, seen.marks) == seen.marks:
        return seen
    await at_rest(seen.marks, quiet)
    now = await asyncio.to_thread(Seen.of, seen.marks)
    return now if now.contents == seen.contents else None


async def at_rest(paths: Iterable[Path], quiet: timedelta = QUIET) -> None:
    """Wait until two looks find them alike."""
    paths, before = list(paths), None
    while (marks := await asyncio.to_thread(marks_of, paths)) != before:
        before = marks
        await asyncio.sleep(quiet.total_seconds())


def _mark(path: Path) -> Mark:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None

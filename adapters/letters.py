"""The letters door: scans that appear in a watched folder, handed over once they rest, then filed away."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from adapters.base import Batch, ChannelRefused, ChannelUnavailable, Cursor, Fetched, Json, Raw, RawKind, Unobtainable
from adapters.letters_archive import Taken, file_away, try_moving
from adapters.letters_watch import Look, Rest, Seen, Wanted, look, looks_unfinished

P = ParamSpec("P")
T = TypeVar("T")

_LEFT, _EMPTY_ON, _WANTED = "left", "empty_on", "wanted"
"""Keys of the cursor. `left`: what lay there before the channel began. `empty_on`, until a file was seen: the device on
which the folder was empty at the first look. It may be the place a share is still to be mounted at, and what lies on
that from long ago is not new. `wanted`: a digest of where and by which names is looked; earlier versions wrote none.
"""
UNFINISHED = (
    "*.part", "*.partial", "*.filepart", "*.tmp", "*.temp", "*.crdownload", "*.download", "~*", "*~",
    "thumbs.db", "desktop.ini",
)  # fmt: skip


class LettersSettings(BaseModel):
    """A channel `kind: letters`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["letters"] = "letters"
    folder: Path = Field(description="the folder the scanner writes to; its subfolders are read too")
    archive: Path | None = Field(
        default=None,
        description="where read scans are moved, by month; none: .archive in the folder (same share, same rights)",
    )
    patterns: tuple[str, ...] = Field(default=("*",), min_length=1, description="names of the files to take")
    ignore: tuple[str, ...] = Field(
        default=UNFINISHED, description="names passed over until they are renamed; hidden ones always are"
    )
    settle_after: timedelta = Field(
        default=timedelta(seconds=10),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="a file is taken when two looks so far apart find it unchanged",
    )
    patience: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        description="how long to wait for a file that is empty, cannot be opened or lacks its end",
    )
    max_bytes: int = Field(default=100 * 2**20, ge=2**10, description="a larger file is reported and stays where it is")

    @property
    def archive_folder(self) -> Path:
        return self.archive or self.folder / ".archive"

    def build(self, name: str) -> LettersAdapter:
        return LettersAdapter(name, self)


@dataclass(frozen=True)
class _NotTaken:
    """Why a file stays where it is; None: it is not at rest, look again at the next poll."""

    reason: str | None


class LettersAdapter:
    """Watches one folder by looking at it: inotify does not see what others write to a share."""

    def __init__(
        self,
        name: str,
        settings: LettersSettings,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._rest = Rest()
        self._told: set[tuple[str, int, int]] = set()
        # Its own: a share that hangs takes this thread with it, and no other door's.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"letters-{name}")

    async def poll(self, cursor: Cursor | None, start_from: datetime) -> AsyncGenerator[Batch]:
        """One batch a file, oldest first; a first poll begins with an empty one that says what was left behind.

        So does the first that finds a share mounted where the first poll found an empty folder, and the first after
        the folder or the names to take were changed: the old scans that come into sight with that are not new.
        A file that is too large or cannot be opened is handed over once in the life of this adapter, without its
        bytes, with `refused` in its meta and nothing to settle: it stays where it is and is taken when it can be.
        """
        found = await self._look()
        cursor = cursor if cursor is not None and _is_ours(cursor) else {}
        first = self._first(cursor, found, start_from)
        if first is not None:
            yield first
            cursor = first.cursor
        elif found.files:
            cursor = {key: value for key, value in cursor.items() if key != _EMPTY_ON}
        found, ready = await self._rested(found, cursor)
        for file in sorted(ready, key=lambda each: (each.mtime_ns, each.path)):
            batch = await self._run(self._take, file, cursor)
            if batch is not None:
                yield batch
        if found.closed:
            raise ChannelRefused(_closed(len(found.closed), self._settings.folder), reached_end=True)

    async def settle(self, token: Json) -> None:
        """Move the scan to the archive, if it still lies there as it was handed over; raises as `poll` does.

        Messages name a scan by its hash: its file's name may name a person.
        """
        taken = Taken.from_token(token)
        if not await self._run(self._settings.folder.is_dir):
            raise ChannelUnavailable(f"folder {self._settings.folder} is not there")
        where = f"scan sha256:{taken.sha256[:12]} cannot be moved to {self._settings.archive_folder}"
        try:
            await self._run(file_away, self._settings.folder, self._settings.archive_folder, taken)
        except PermissionError as error:
            raise ChannelRefused(f"{where}: {error.strerror}") from error
        except OSError as error:
            raise ChannelUnavailable(f"{where}: {error.strerror}") from error

    async def fetch(self, ref: str) -> Fetched:
        raise Unobtainable("a scan refers to nothing outside itself")

    async def probe(self) -> str:
        """Look once and say what lies there; raises when scans could not be read or moved away."""
        found = await self._look()
        if found.closed:
            raise ChannelRefused(_closed(len(found.closed), self._settings.folder))
        folder, archive = self._settings.folder, self._settings.archive_folder
        await self._run(try_moving, folder, archive)
        return f"{len(found.files)} files lie in {folder}; read ones go to {archive}, as was tried"

    async def close(self) -> None:
        """Nothing is kept open between polls; a thread that a share holds is left to it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, act: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(act, *args, **named))

    async def _look(self) -> Look:
        wanted = Wanted(self._settings.patterns, self._settings.ignore)
        found = await self._run(look, self._settings.folder, wanted, self._settings.archive_folder)
        self._rest.note(found.files, self._clock())
        return found

    def _first(self, known: Cursor, found: Look, start_from: datetime) -> Batch | None:
        """What says what is left behind, where this was not looked at before; None: it was."""
        wanted, old = _digest(self._settings), list[str]()
        if not known or known.get(_WANTED, wanted) != wanted or known.get(_EMPTY_ON, found.device) != found.device:
            new = _not_left(found.files, known)
            old = [_fingerprint(file) for file in new if file.reached_ns < start_from.timestamp() * 1e9]
        elif _WANTED in known:
            return None
        cursor: dict[str, Json] = {_LEFT: [*_left(known), *old], _WANTED: wanted}
        if not (found.files or found.closed):
            cursor[_EMPTY_ON] = found.device
        return Batch((), (), cursor, skipped=len(old))

    async def _rested(self, found: Look, cursor: Cursor) -> tuple[Look, list[Seen]]:
        """The files at rest; where some are not yet, after a wait and a second look."""
        enough = self._settings.settle_after.total_seconds()
        new = _not_left(found.files, cursor)
        if any(self._rest.rested(file, self._clock()) < enough for file in new):
            await self._sleep(enough)
            found = await self._look()
            new = _not_left(found.files, cursor)
        now = self._clock()
        return found, [file for file in new if self._rest.rested(file, now) >= enough]

    def _take(self, file: Seen, cursor: Cursor) -> Batch | None:
        data = self._read(file)
        if isinstance(data, _NotTaken):
            return self._report(file, data.reason, cursor) if data.reason else None
        digest = hashlib.sha256(data).hexdigest()
        meta: dict[str, Json] = {**_meta(file), "sha256": digest}
        key = digest
        if not data:
            # Every empty file has the same hash; each is reported by itself.
            meta["refused"], key = "the file is empty", _fingerprint(file)
        raw = _raw(file, key, meta)
        return Batch((data,), (raw,), cursor, settle=Taken.of(file, digest).token())

    def _read(self, file: Seen) -> bytes | _NotTaken:
        """The whole file, if it is still what was seen."""
        if file.size > self._settings.max_bytes:
            return _NotTaken(f"the file has {file.size} bytes; at most {self._settings.max_bytes} are taken")
        impatient = self._rest.rested(file, self._clock()) >= self._settings.patience.total_seconds()
        try:
            data = _read_unchanged(self._settings.folder / file.path, file)
        except FileNotFoundError:
            return _NotTaken(None)
        except OSError as error:
            return _NotTaken(f"the file cannot be opened: {error.strerror}" if impatient else None)
        if data is None or (looks_unfinished(data) and not impatient):
            return _NotTaken(None)
        return data

    def _report(self, file: Seen, reason: str, cursor: Cursor) -> Batch | None:
        if (file.path, *file.state) in self._told:
            return None
        self._told.add((file.path, *file.state))
        raw = _raw(file, _fingerprint(file), {**_meta(file), "refused": f"{reason}; it stays in the folder"})
        return Batch((b"",), (raw,), cursor)


def _is_ours(cursor: Cursor) -> bool:
    """False: a channel of another kind had this name."""
    return _LEFT in cursor and cursor.keys() <= {_LEFT, _EMPTY_ON, _WANTED}


def _left(cursor: Cursor) -> list[str]:
    left = cursor.get(_LEFT)
    return [each for each in left if isinstance(each, str)] if isinstance(left, list) else []


def _not_left(files: Iterable[Seen], cursor: Cursor) -> list[Seen]:
    left = frozenset(_left(cursor))
    return [file for file in files if _fingerprint(file) not in left]


def _digest(settings: LettersSettings) -> str:
    """Tells whether other files come into sight than before."""
    told = [str(settings.folder), sorted(settings.patterns), sorted(settings.ignore)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _read_unchanged(path: Path, file: Seen) -> bytes | None:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
        data = opened.read(file.size + 1)
        stat = os.fstat(opened.fileno())
    return data if (stat.st_size, stat.st_mtime_ns) == file.state and len(data) == file.size else None


def _raw(file: Seen, key: str, meta: dict[str, Json]) -> Raw:
    return Raw(RawKind.LETTER, key, key, 0, _shown(file.path), received_at=_time(file.mtime_ns), meta=meta)


def _meta(file: Seen) -> dict[str, Json]:
    batch, _, name = _shown(file.path).rpartition("/")
    return {"file_name": name, "batch": batch or None}


def _fingerprint(file: Seen) -> str:
    """What tells this file, as it is now, from others, without its name: cursors and keys are not sealed."""
    told = b"\0".join((os.fsencode(file.path), b"%d" % file.size, b"%d" % file.mtime_ns))
    return f"file:{hashlib.sha256(told).hexdigest()}"


def _closed(count: int, folder: Path) -> str:
    """Without their names, which may be people's."""
    return f'{count} of the subfolders of {folder} may not be read; "find {folder} -type d ! -readable" names them'


def _time(mtime_ns: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _shown(path: str) -> str:
    """A path for people and JSON: UTF-8, else the way Windows programs in China write it."""
    raw = os.fsencode(path)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("gb18030", "replace")

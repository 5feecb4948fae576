"""Rereads the configuration while the daemon runs: when its files have changed, and when it is asked to (SIGHUP)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from ingest.config import Config, ConfigErrors, load
from ingest.config_files import LOOK, QUIET, Seen, at_rest, have_changed, look_different
from ingest.config_yaml import At, read
from ingest.crew import Changes
from ingest.in_force import InForce, Refusal
from store.failure import place_of

log = structlog.get_logger()
FIXED = ("data", "database", "blobs", "sealing", "log")
"""What the store is opened with, and how the process writes its log."""
NEEDS_A_RESTART = (
    "changed, which is not taken up while the daemon runs, nor is anything else of the file; restart the daemon"
    " (systemctl restart xinqiao), or put it back as it was"
)

TakeUp = Callable[[Config], Awaitable[Changes]]
"""Works by another configuration from now on. Raises Unusable, and then works on as before."""


class Unusable(Exception):
    """A configuration that is written well cannot be used here and now: where in it, and why."""

    def __init__(self, at: At, said: str) -> None:
        super().__init__(said)
        self.at, self.said = at, said


@dataclass
class Rereading:
    """Keeps the daemon to what the files say; what is no good changes nothing, and is said."""

    path: Path
    config: Config
    """In force."""
    in_force: InForce
    clock: Callable[[], datetime]
    take_up: TakeUp
    begins: Callable[[], None]
    """Told of every reading, as is `ends`."""
    ends: Callable[[], None]
    look: timedelta = LOOK
    quiet: timedelta = QUIET
    _seen: Seen = field(init=False)
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._seen = self.config.seen

    def ask(self) -> None:
        """Reread at once, changed or not."""
        self._asked.set()

    async def run(self, _stopping: asyncio.Event) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._until_due()
                await self.reread()
            except Exception as error:  # noqa: BLE001 - an outer loop: no file may end the daemon
                log.error("configuration cannot be reread; the old one stays in force", error=place_of(error))
                await asyncio.sleep(self.look.total_seconds())

    async def reread(self) -> None:
        """Take up what the files say."""
        self._asked.clear()
        self.begins()
        try:
            found = await self._load()
            changes = await self._taken_up(found)
        except ConfigErrors as error:
            self._refuse(tuple(map(str, error.problems)))
        else:
            self.config, self.in_force.refused, self.in_force.read_at = found, None, self.clock()
            log.info(
                "configuration reread",
                added=changes.added,
                removed=changes.removed,
                changed=changes.changed,
                warnings=[str(one) for one in found.warnings],
            )
        finally:
            self.ends()

    async def _until_due(self) -> None:
        while not self._asked.is_set():
            asked = asyncio.create_task(self._asked.wait())
            differ = asyncio.create_task(look_different(self._seen.marks, self.look))
            try:
                await asyncio.wait({asked, differ}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                asked.cancel()
                differ.cancel()
            if self._asked.is_set():
                return
            seen = await have_changed(self._seen, self.quiet)
            if seen is None:
                return
            self._seen = seen

    async def _load(self) -> Config:
        """What the files say, none of them half written. Raises ConfigErrors."""
        paths = set(self.config.seen.marks)
        while True:
            seen = await asyncio.to_thread(Seen.of, paths)
            try:
                found = await asyncio.to_thread(load, self.path)
                files, refused = frozenset(found.seen.marks), None
            except ConfigErrors as error:
                files, refused = error.files, error
            if files <= paths:
                if await asyncio.to_thread(seen.still_holds):
                    break
                await at_rest(paths, self.quiet)
            paths |= files
        if refused is not None:
            self._seen = seen
            raise refused
        self._seen = found.seen
        return found

    async def _taken_up(self, found: Config) -> Changes:
        """Raises ConfigErrors: it cannot be used here and now."""
        try:
            check_fixed(self.config, found)
            return await self.take_up(found)
        except Unusable as error:
            document = await asyncio.to_thread(read, self.path)
            raise ConfigErrors([document.problem(error.at, error.said)]) from error

    def _refuse(self, problems: tuple[str, ...]) -> None:
        before = self.in_force.refused
        self.in_force.refused = Refusal(before.since if before else self.clock(), problems)
        log.error("configuration refused; the old one stays in force", problems=problems)


def check_fixed(before: Config, found: Config) -> None:
    """Raises Unusable: what differs is not taken up by a process that runs."""
    for key in FIXED:
        if getattr(found, key) != getattr(before, key):
            raise Unusable((key,), NEEDS_A_RESTART)

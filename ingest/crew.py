"""What runs side by side in the daemon, part by part: one can end and another begin while the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

import structlog

from ingest.office import within
from store.wakes import Wakes

log = structlog.get_logger()
GRACE = timedelta(seconds=6)
"""How long work under way may take to end."""
CLOSING = timedelta(seconds=1.5)
"""How long a part may take to let go, all at once."""

Run: TypeAlias = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


async def _nothing() -> None:
    """There is nothing to let go of."""


@dataclass(frozen=True)
class Part:
    """One thing at work: what it runs, and how it lets go when all of that has ended."""

    finishing: Sequence[Run] = ()
    """Told to end, they bring to its end what is under way."""
    cut: Sequence[Run] = ()
    """Cancelled at once: they change nothing outside, and what they had in hand comes again."""
    close: Callable[[], Awaitable[None]] = _nothing
    patience: timedelta = timedelta(0)
    """So long, if longer than others, it may take to end while the daemon goes on, if that matters (`Plan.careful`)."""


@dataclass(frozen=True)
class Plan:
    """A part to be. `terms` are all of the configuration that it depends on: with equal ones it goes on as it is."""

    terms: object
    make: Callable[[], Part]
    """Builds it, and begins nothing; what it raises makes the configuration unusable."""
    careful: bool = False
    """Of what is cut amid a request nobody knows whether it has arrived, which matters to this part: it is given its
    `patience`, and so is the one before it.
    """


@dataclass(frozen=True)
class Changes:
    """What becomes of which part, by name."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()

    @property
    def ending(self) -> tuple[str, ...]:
        return self.removed + self.changed

    @property
    def beginning(self) -> tuple[str, ...]:
        return self.added + self.changed


def compare(running: Mapping[str, object], wanted: Mapping[str, object]) -> Changes:
    """The way from one set of parts, by their terms, to another."""
    both = [name for name in running if name in wanted]
    return Changes(
        added=tuple(name for name in wanted if name not in running),
        removed=tuple(name for name in running if name not in wanted),
        changed=tuple(name for name in both if running[name] != wanted[name]),
        same=tuple(name for name in both if running[name] == wanted[name]),
    )


@dataclass
class _Member:
    terms: object
    part: Part
    careful: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    cut: list[asyncio.Task[None]] = field(default_factory=list)
    finishing: list[asyncio.Task[None]] = field(default_factory=list)


class Crew:
    """The parts at work, and those that are ready to begin."""

    def __init__(self, wakes: Wakes) -> None:
        self._wakes = wakes
        self._at_work: dict[str, _Member] = {}
        self._ready: dict[str, _Member] = {}

    async def prepare(self, plans: Mapping[str, Plan]) -> Changes:
        """Make what begins by these plans, and say what becomes of whom; what a plan raises leaves all as it was."""
        running = {name: one.terms for name, one in self._at_work.items()}
        changes = compare(running, {name: one.terms for name, one in plans.items()})
        try:
            for name in changes.beginning:
                self._ready[name] = _Member(plans[name].terms, plans[name].make(), plans[name].careful)
        except BaseException:
            await self.dismiss()
            raise
        return changes

    async def dismiss(self) -> None:
        """Let go of those that were made ready: they will not begin."""
        unused, self._ready = self._ready, {}
        await _close(unused)

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Set to work what is ready."""
        for name, one in self._ready.items():
            one.cut = [group.create_task(run(one.stopping), name=name) for run in one.part.cut]
            one.finishing = [group.create_task(run(one.stopping), name=name) for run in one.part.finishing]
        self._at_work |= self._ready
        self._ready = {}

    async def stop(self, names: Iterable[str] | None = None, last: Callable[[], None] = lambda: None) -> None:
        """End the work of these parts, unless named of all. What is late after a while is cut, and gives back what it
        has in hand; `last` is called before that. What cannot even do that in time is left at it.
        """
        ending = list(self._at_work if names is None else names)
        leaving = [self._at_work[name] for name in ending]
        late = {task for one in leaving for task in (*one.cut, *one.finishing)}
        for one in leaving:
            one.stopping.set()
            for task in one.cut:
                task.cancel()
        self._wakes.ring_waiting()
        if late:
            patience = GRACE if names is None else max(GRACE, *map(self._patience, ending))
            _, late = await asyncio.wait(late, timeout=patience.total_seconds())
        last()
        for task in late:
            task.cancel()
        if late:  # whoever waits for a database that is gone gives back what it has once that is there again
            await asyncio.wait(late, timeout=GRACE.total_seconds())

    def _patience(self, name: str) -> timedelta:
        both = (self._at_work[name], self._ready.get(name))
        careful = any(one.careful for one in both if one is not None)
        return self._at_work[name].part.patience if careful else timedelta(0)

    async def close(self, names: Iterable[str] | None = None) -> None:
        """Let go of parts that were stopped, unless named of all, at once; what does not let go in time is left."""
        leaving = list(self._at_work if names is None else names)
        await _close({name: self._at_work.pop(name) for name in leaving})
        if names is None:
            await self.dismiss()


async def _close(members: Mapping[str, _Member]) -> None:
    await asyncio.gather(*(within(CLOSING, one.part.close(), name) for name, one in members.items()))

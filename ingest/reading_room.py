"""Raws are read in a process of its own: one that makes its reader hang, swell or die is that Raw's trouble alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from ingest.worker_process import WorkerFailed, WorkerMissing
from ingest.workers import WorkerPool
from normalize.reading import Reading
from normalize.reading_process import Asked, Unread, answers, question
from normalize.rules import Rules

PATIENCE = timedelta(minutes=2)
"""For a group; a mail takes a millisecond or two."""
GROUP_BYTES = 8 * 2**20
"""So many bytes are handed over together; a larger Raw goes alone."""

Told: TypeAlias = list[Reading] | Unread | WorkerFailed
"""What came of a Raw. WorkerFailed: its reader died over it, which may be the machine's fault."""


@dataclass
class ReadingRoom:
    """Where Raws are read by the rules in force."""

    pool: WorkerPool
    rules: Rules

    async def read(self, asked: Sequence[Asked]) -> AsyncGenerator[list[Told], None]:
        """What comes of each, in order, of some at a time as soon as it is known: one over which its reader hangs need
        not keep what was read before it waiting. Raises WorkerMissing: nothing is wrong with any of them.
        """
        for group in _groups(asked):
            try:
                yield await self._read(group)
            except WorkerMissing:
                raise
            except WorkerFailed as error:
                for one in group:
                    yield await self._read_alone(one, error if len(group) == 1 else None)

    async def _read_alone(self, one: Asked, failed: WorkerFailed | None) -> list[Told]:
        """`failed`: reading it has already."""
        tries = [one, replace(one, documents=False)] if one.documents else [one]
        for each in tries[1:] if failed else tries:
            try:
                return await self._read([each])
            except WorkerMissing:
                raise
            except WorkerFailed as error:  # a file over which the reader dies does not keep its mail from being read
                failed = error
        return [] if failed is None else [failed]

    async def _read(self, group: Sequence[Asked]) -> list[Told]:
        said = await self.pool.exchange(question(group, self.rules), PATIENCE)
        told: list[Told] = [*await asyncio.to_thread(answers, said)]
        if len(told) != len(group):
            raise WorkerFailed(f"the reader told of {len(told)} Raws; asked of {len(group)}")
        return told


def _groups(asked: Sequence[Asked]) -> Iterator[list[Asked]]:
    group: list[Asked] = []
    size = 0
    for one in asked:
        if group and size + len(one.content) > GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(one)
        size += len(one.content)
    if group:
        yield group

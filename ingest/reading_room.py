"""Raws are read in a process of its own: one that makes its reader hang, swell or die is that Raw's trouble alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
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

    async def read(self, asked: Sequence[Asked]) -> list[Told]:
        """What comes of each, in order. Raises WorkerMissing: nothing is wrong with any of them."""
        return [told for group in _groups(asked) for told in await self._read(group)]

    async def _read(self, group: Sequence[Asked]) -> list[Told]:
        try:
            said = await self.pool.exchange(question(group, self.rules), PATIENCE)
        except WorkerMissing:
            raise
        except WorkerFailed as error:
            if len(group) > 1:
                return [told for one in group for told in await self._read([one])]
            if group[0].documents:  # a file over which the reader dies does not keep its mail from being read
                return await self._read([replace(group[0], documents=False)])
            return [error]
        return [*await asyncio.to_thread(answers, said)]


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

"""Acts on their way to a transaction: who hands one in waits, and a writing thread takes what has accumulated."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from store.waiting import Waiter

SCHEME = "postgresql+psycopg://"
"""How the address of a PostgreSQL begins."""
BATCH = 50
"""At most so many acts make one transaction."""


class StoreClosed(Exception):
    """The store was closed; this act was not begun."""


class StoreFailed(Exception):
    """The store could not do it now. A loop goes on; what it claimed comes back when its lease runs out."""


class StoreUnreachable(StoreFailed):
    """The database does not answer: nothing was done."""


class StoreRefused(Exception):
    """The database answers, but does not let us work in it: no right to make tables, no database at all."""


class TransactionLost(StoreFailed):
    """The transaction was ended under its acts (a full disk, a connection that broke at COMMIT).

    Take them neither for written nor for unwritten: look before doing them again.
    """


@dataclass
class Job:
    """An act and who waits for it."""

    act: Callable[[Connection], Any]
    waiter: Waiter
    tries: int = 0
    """How often it was begun and undone through no fault of its own."""
    looked_again: bool = False
    """It was begun anew because a row that it made was there."""


class Jobs:
    """What waits to be written, in order of arrival, for one writing thread or several."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._threads = threads
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False

    def put(self, job: Job) -> None:
        """Raises StoreClosed after `close`."""
        with self._closing:
            if self._closed:
                raise StoreClosed(f"{self._name}: this store was closed")
            self._jobs.put(job)

    def close(self) -> bool:
        """Take no more; each thread still gets what was put before. False: it was closed already."""
        with self._closing:
            if self._closed:
                return False
            self._closed = True
            for _ in range(self._threads):
                self._jobs.put(None)
        return True

    def take(self) -> tuple[list[Job], bool]:
        """Wait for a job and take it with those behind it; and whether these are the last for this thread."""
        batch: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

"""Threads that write to a database for as long as it takes, and remember what they were told of each write."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, insert, select

from store import ledger
from store.engine import Store, TransactionLost, open_store
from store.schema import history
from store.schema import ledger as rows
from tests.store.keys import MASTER, NOW

WORKERS = 8


@dataclass
class Load:
    """Eight workers over two stores of one process; none is opened anew."""

    stores: list[Store]
    told: list[str] = field(default_factory=list)
    """Written, as far as they know."""
    unknown: list[str] = field(default_factory=list)
    """What was at its COMMIT when the connection broke."""
    _written: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _over: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, writes: int) -> None:
        """Until so many more have ended."""
        for _ in range(writes):
            assert self._written.acquire(timeout=120)

    def check(self) -> None:
        """Nothing that was acknowledged is lost, nothing is there by half or twice."""
        found, steps = self.stores[0].read_now(
            lambda conn: (
                list(conn.execute(select(history.c.kind)).scalars()),
                [payload["name"] for payload in conn.execute(select(rows.c.payload)).scalars()],
            )
        )
        told, perhaps = set(self.told), set(self.unknown)
        assert told <= set(found) <= told | perhaps
        assert max(Counter(found).values()) == 1
        assert sorted(found) == sorted(steps)

    def work(self, worker: int) -> None:
        number = 0
        while not self._over.is_set():
            name = f"{worker}.{number}"
            (self.told if _write(self.stores[worker % 2], name) else self.unknown).append(name)
            self._written.release()
            number += 1

    def end(self) -> None:
        self._over.set()


@contextmanager
def load_on(address: str, folder: Path) -> Iterator[Load]:
    """Workers at work; at the end of the block they stop, and what they were told is checked."""
    load = Load([open_store(address, folder, MASTER) for _ in range(2)])
    threads = [threading.Thread(target=load.work, args=(worker,)) for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    try:
        yield load
        load.end()
        for thread in threads:
            thread.join(120)
        load.check()
    finally:
        load.end()
        for store in load.stores:
            store.close()


def _write(store: Store, name: str) -> bool:
    """One transaction: a note and a step. False: it is not known whether it was written."""

    def act(conn: Connection) -> None:
        conn.execute(insert(history).values(at=NOW, kind=name, actor="test", detail={}))
        ledger.enqueue(conn, "read", {"name": name}, now=NOW, key=name.split(".", maxsplit=1)[0])

    try:
        store.submit(act).result(120)
    except TransactionLost:
        return False
    return True

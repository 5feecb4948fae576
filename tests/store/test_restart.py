"""The server crashes amid writes: what was acknowledged is there, and nothing is there by half or twice."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from store import ledger
from store.engine import Store, TransactionLost, open_store
from store.schema import history
from store.schema import ledger as rows
from tests.postgres import Server
from tests.store.keys import MASTER, NOW

pytestmark = pytest.mark.postgres
WORKERS = 8
CRASHES = 3
WRITES = 200
"""Before each crash."""


def write(store: Store, name: str) -> bool:
    """One transaction: a note and a step. False: it is not known whether it was written."""

    def act(conn: Connection) -> None:
        conn.execute(insert(history).values(at=NOW, kind=name, actor="test", detail={}))
        ledger.enqueue(conn, "read", {"name": name}, now=NOW, key=name.split(".", maxsplit=1)[0])

    try:
        store.submit(act).result(120)
    except TransactionLost:
        return False
    return True


def test_a_server_that_crashes_under_load_loses_nothing_acknowledged(postgres: Server, tmp_path: Path) -> None:
    address = postgres.migrated()
    stores = [open_store(address, tmp_path, MASTER) for _ in range(2)]
    acknowledged: list[list[str]] = [[] for _ in range(WORKERS)]
    unknown: list[list[str]] = [[] for _ in range(WORKERS)]
    written, over = threading.Semaphore(0), threading.Event()

    def work(worker: int) -> None:
        number = 0
        while not over.is_set():
            name = f"{worker}.{number}"
            (acknowledged if write(stores[worker % 2], name) else unknown)[worker].append(name)
            written.release()
            number += 1

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    for _ in range(CRASHES):
        for _ in range(WRITES):
            assert written.acquire(timeout=120)
        postgres.restart("immediate")
    over.set()
    for thread in threads:
        thread.join(120)

    found, steps = stores[0].read_now(
        lambda conn: (
            list(conn.execute(select(history.c.kind)).scalars()),
            [payload["name"] for payload in conn.execute(select(rows.c.payload)).scalars()],
        )
    )
    for store in stores:
        store.close()
    told = {name for names in acknowledged for name in names}
    perhaps = {name for names in unknown for name in names}
    assert len(told) + len(perhaps) >= WRITES * CRASHES
    assert len(perhaps) <= WORKERS * CRASHES  # what was at its COMMIT when the server crashed
    assert told <= set(found) <= told | perhaps
    assert max(Counter(found).values()) == 1
    assert sorted(found) == sorted(steps)

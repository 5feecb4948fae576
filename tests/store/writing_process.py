"""A process that writes until it is killed: each transaction adds a note and a step; acknowledged, it is printed."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from sqlalchemy import Connection, insert

from store import ledger
from store.engine import Store, open_store
from store.schema import history
from tests.store.keys import MASTER, NOW


def main(folder: str, workers: str) -> None:
    store = open_store("sqlite", Path(folder), MASTER)
    os.write(1, b"open\n")
    threads = [threading.Thread(target=_write, args=(store, worker)) for worker in range(int(workers))]
    for thread in threads:
        thread.start()


def _write(store: Store, worker: int) -> None:
    number = 0
    while True:
        name = f"{worker}.{number}"

        def act(conn: Connection, name: str = name) -> None:
            conn.execute(insert(history).values(at=NOW, kind=name, actor="test", detail={}))
            ledger.enqueue(conn, "read", {"name": name}, now=NOW, key=str(worker))

        store.submit(act).result()
        os.write(1, f"{name}\n".encode())
        number += 1


main(*sys.argv[1:])

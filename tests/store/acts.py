"""Acts and batches for stores under test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from sqlalchemy import Connection, insert, select

from store.engine import Store
from store.schema import history
from tests.store.keys import NOW

WAIT = 60


def note(kind: str, size: int = 0) -> Callable[[Connection], None]:
    def act(conn: Connection) -> None:
        conn.execute(insert(history).values(at=NOW, kind=kind, actor="test", detail={"fill": "x" * size}))

    return act


def kinds(store: Store) -> list[str]:
    return store.read_now(lambda conn: list(conn.execute(select(history.c.kind).order_by(history.c.id)).scalars()))


@contextmanager
def one_batch(store: Store) -> Iterator[None]:
    """What is submitted inside makes one batch: the writing threads are busy meanwhile, all but one until its end."""
    go_on, others_go_on = threading.Event(), threading.Event()
    threads = len(store._writers)
    blocking = [_block(store, go_on if number == 0 else others_go_on) for number in range(threads)]
    if threads > 1:  # the others go on when the batch has been taken: its first act lets them
        store.submit(lambda _conn: others_go_on.set())
    yield
    go_on.set()
    for future in blocking:
        future.result(WAIT)


def _block(store: Store, go_on: threading.Event) -> Future[None]:
    """Keep a thread busy that has nothing else in its batch."""
    busy = threading.Event()

    def wait(_conn: Connection) -> None:
        busy.set()
        assert go_on.wait(WAIT)

    future = store.submit(wait)
    assert busy.wait(WAIT)
    return future


def all_settled(store: Store) -> None:
    """Return when whatever was submitted before is settled."""
    with one_batch(store):
        pass

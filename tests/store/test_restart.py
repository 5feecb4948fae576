"""The server crashes amid writes: what was acknowledged is there, and nothing is there by half or twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres import Server
from tests.store.load import WORKERS, load_on

pytestmark = pytest.mark.postgres
CRASHES = 3
WRITES = 200
"""Before each crash."""


def test_a_server_that_crashes_under_load_loses_nothing_acknowledged(postgres: Server, tmp_path: Path) -> None:
    with load_on(postgres.migrated(), tmp_path) as load:
        for _ in range(CRASHES):
            load.wait_for(WRITES)
            postgres.restart("immediate")

    assert len(load.told) + len(load.unknown) >= WRITES * CRASHES
    assert len(load.unknown) <= WORKERS * CRASHES  # what was at its COMMIT when the server crashed

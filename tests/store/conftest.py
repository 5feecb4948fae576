"""Stores of our own, closed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.engine import Store, open_store
from tests.store.keys import MASTER


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    """On both engines."""
    store = open_store(database, tmp_path / "data", MASTER)
    yield store
    store.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    store = open_store("sqlite", tmp_path / "data", MASTER)
    yield store
    store.close()

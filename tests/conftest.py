"""Options of the test run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from normalize import calendar
from tests.object_store import ObjectStore, running_object_store
from tests.place import Place
from tests.postgres import Server, running_postgres

LONG = ("faults", "endtoend", "hostile", "store")
"""Folders with tests that take minutes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-call", action="store_true", help="let every call fail, not only some by chance (minutes)")
    parser.addoption("--write", action="store_true", help="renew the golden files; a person reads the diff")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of several processes each takes a file at a time, in this order: what takes minutes goes first."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture
def write_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are renewed instead of compared."""
    return bool(request.config.getoption("--write"))


@pytest.fixture
def arranged_to_2026(monkeypatch: pytest.MonkeyPatch) -> None:
    """No arrangement is built in for 2027 and later, whichever release of chinesecalendar is installed."""
    built_in = calendar._built_in
    monkeypatch.setattr(calendar, "_built_in", lambda day: built_in(day) if day.year <= 2026 else None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL for the whole run; each test makes databases of its own in it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """One S3-compatible store for the whole run; each test makes buckets of its own in it."""
    with running_object_store() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a store is kept, as `open_store` takes it: the test runs on both engines."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    server: Server = request.getfixturevalue("postgres")
    address = server.migrated()
    yield address
    server.drop(address)


@pytest.fixture
def place(tmp_path: Path, database: str) -> Place:
    """Where a store is kept: the test runs on both engines."""
    return Place(tmp_path, database)

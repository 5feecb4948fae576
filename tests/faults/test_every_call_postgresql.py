"""As `test_every_call`, on PostgreSQL: with the n-th statement or commit the connection breaks."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults import seams
from tests.faults.one_way import OneWay
from tests.postgres import Server

pytestmark = [pytest.mark.crash, pytest.mark.postgres, pytest.mark.timeout(1800)]


@pytest.fixture
def one_way(one_way: OneWay, postgres: Server) -> OneWay:
    one_way.server = postgres
    return one_way


async def test_whichever_statement_fails_the_petition_is_in_the_oa_once(one_way: OneWay) -> None:
    assert await one_way.every(partial(seams.watch_postgres, commits=False)) > 50


@pytest.mark.parametrize("after", [False, True], ids=["undone", "done"])
async def test_whichever_commit_fails_the_petition_is_in_the_oa_once(one_way: OneWay, after: bool) -> None:
    assert await one_way.every(partial(seams.watch_postgres, commits=True), after=after) > 10


async def test_whichever_file_operation_fails_the_petition_is_in_the_oa_once(one_way: OneWay) -> None:
    assert await one_way.every(partial(seams.watch_files, folder=one_way.data)) > 10

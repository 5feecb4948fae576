"""The n-th statement, commit, file operation or request fails: the petition is in the OA once.

For every n there is, with `--every-call` (`make faults`); without it for some, drawn anew each time.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults import seams
from tests.faults.one_way import OneWay

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1500)]


async def test_whichever_statement_fails_the_petition_is_in_the_oa_once(one_way: OneWay) -> None:
    assert await one_way.every(partial(seams.watch_sqlite, commits=False)) > 50


@pytest.mark.parametrize("after", [False, True], ids=["undone", "done"])
async def test_whichever_commit_fails_the_petition_is_in_the_oa_once(one_way: OneWay, after: bool) -> None:
    assert await one_way.every(partial(seams.watch_sqlite, commits=True), after=after) > 10


async def test_whichever_file_operation_fails_the_petition_is_in_the_oa_once(one_way: OneWay) -> None:
    assert await one_way.every(partial(seams.watch_files, folder=one_way.data)) > 10


async def test_whichever_request_fails_the_petition_is_in_the_oa_once(one_way: OneWay) -> None:
    assert await one_way.every(seams.watch_http) > 10

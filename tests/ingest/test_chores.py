"""A chore comes round again, whatever became of it the last time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from ingest.chores import Chore


async def test_a_chore_that_fails_is_said_and_comes_round_again(capsys: pytest.CaptureFixture[str]) -> None:
    done, stopping = 0, asyncio.Event()

    async def act() -> None:
        nonlocal done
        done += 1
        if done == 3:
            stopping.set()
        raise ValueError("顾晓棠")

    async with asyncio.timeout(20):
        await Chore("sweep", timedelta(milliseconds=1), act).run(stopping)

    assert done == 3
    said = capsys.readouterr().out
    assert said.count("chore failed") == 3
    assert "顾晓棠" not in said

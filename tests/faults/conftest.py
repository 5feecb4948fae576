"""A petition, a platform and an OA in this process, and a daemon in a hurry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from dispatch import worker
from dispatch.retry import RetrySettings
from ingest import fetcher, poller, stage
from ingest.keeping import Keeper
from sandbox.chinatime import now
from sandbox.matters import matter
from sandbox.sunshine import SunshinePlatform
from store import wakes
from tests.dispatch.receiver import Receiver, receiving
from tests.faults.one_way import MOMENT, SLEEP, OneWay

A_SAMPLE = 25
MORE = "详细经过如下。" * 12_000
"""With it a page is too long for a row: it becomes a file."""


@pytest.fixture
async def platform() -> AsyncIterator[SunshinePlatform]:
    """It has one petition, with something attached."""
    async with SunshinePlatform() as made:
        one = next(found for number in range(100) if (found := matter(1, number)).evidence and not found.confidential)
        record = made.records[made.register(one, now())]
        record["tsnr"] = f"{record['tsnr']}{MORE}"
        yield made


@pytest.fixture
async def oa() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
def one_way(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    platform: SunshinePlatform,
    oa: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> OneWay:
    """On SQLite; nobody waits long before trying again."""
    monkeypatch.setattr(poller, "BACKOFF_FIRST", MOMENT)
    monkeypatch.setattr(stage, "RETRY_FIRST", MOMENT)
    monkeypatch.setattr(fetcher, "PATIENCE", RetrySettings(first=MOMENT))
    monkeypatch.setattr(poller, "Keeper", partial(Keeper, lease=3 * SLEEP))
    for place in (stage, worker):
        monkeypatch.setattr(place, "IDLE", SLEEP)
    for name in ("NAP_FIRST", "NAP_LONGEST"):  # else there were the more statements the longer it takes
        monkeypatch.setattr(wakes, name, SLEEP)
    return OneWay(tmp_path, platform, oa, None, step=1 if request.config.getoption("--every-call") else A_SAMPLE)

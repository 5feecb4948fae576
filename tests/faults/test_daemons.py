"""Several daemons on one database, and one that must end while nothing around it moves."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.faults.proxy import Trouble
from tests.faults.reckoning import reckon
from tests.faults.session import peace
from tests.faults.strikes.blow import until
from tests.faults.town import POSTGRESQL, a_town
from tests.faults.worker import Worker
from tests.postgres import frozen

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.postgres, pytest.mark.timeout(300)]


async def test_told_to_end_amid_deliveries_it_is_gone_in_time_although_the_database_stands_still(
    tmp_path: Path,
) -> None:
    async with a_town(tmp_path, POSTGRESQL, Random(1)) as town:
        worker = await town.hire("daemon")
        await worker.start()
        await town.sources.bring(10, 0)
        async with worker.oa.troubled(Trouble.BLACK_HOLE):
            assert await worker.oa.was_hit(60)
            assert town.base is not None
            with frozen(town.base.server.processes()):
                assert await until(lambda: worker.database is not None and worker.database.unanswered > 0, 20)

                assert await worker.stop() < 12


async def test_three_daemons_share_the_work_while_one_is_killed_and_one_is_added(tmp_path: Path) -> None:
    async with a_town(tmp_path, POSTGRESQL, Random(2), think=0.05) as town:
        first, second, third = [await town.hire(f"daemon{number}") for number in range(3)]
        for worker in (first, second, third):
            await worker.start()
        async with town.busy():
            assert await until(lambda: all(shared(one) for one in (first, second, third)), 120)
            before = {worker.name: shared(worker) for worker in (second, third)}
            await first.kill()
            fourth = await town.hire("fourth")
            await fourth.start()
            assert await until(
                lambda: bool(shared(fourth)) and all(shared(one) > before[one.name] for one in (second, third)), 120
            )
        await peace(town)
        found = await reckon(town)

    assert found.findings == []
    assert found.unique == found.matters > 0


def shared(worker: Worker) -> int:
    """How much of the work it has done."""
    return min(worker.said("case kept"), worker.said("event delivered"))

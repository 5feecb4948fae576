"""From four doors into the OA, with nothing in the way."""

from __future__ import annotations

import pytest

from tests.endtoend import accounting
from tests.endtoend.conftest import OpenTown, Town
from tests.endtoend.letterbox import letters

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(300)]


async def test_every_matter_of_four_doors_reaches_the_oa_once_and_in_its_last_words(open_town: OpenTown) -> None:
    mails = letters(42)
    async with open_town("--preload", "sunshine=20,hotline=20,letters=2") as town:
        await town.post(mails)
        await town.office.start()
        await arrived(town, 42 + 20 + 20 + 2)
        for _ in range(2):
            assert await town.standins.change(0.4) == 16
            await town.office.at_rest()
        status = await town.office.at_rest()
        found = await accounting.cases_at_the_oa(town.standins)
        petitions, orders = await town.standins.petitions(), await town.standins.orders()
        stats = await town.standins.get("oa", "/api/stats")
        seconds = await town.office.stop()

    accounting.check_mails(found["mailbox"], mails)
    accounting.check_petitions(found["sunshine"], petitions)
    accounting.check_orders(found["hotline"], orders)
    accounting.check_nothing_waits(status)
    accounting.check_bodies(town.recorder.attempts)
    assert {name: stats[name] for name in ("altered", "out_of_order", "bad_signatures")} == dict.fromkeys(
        ("altered", "out_of_order", "bad_signatures"), 0
    )
    assert stats["duplicates"] == 0
    assert list(town.standins.letters.iterdir()) == []
    accounting.check_scans(found["letter"], (town.office.folder / "archive").rglob("*.*"))
    assert seconds < 10


async def arrived(town: Town, count: int) -> None:
    """Wait until the OA has so many cases."""

    def so_many() -> bool:
        ids = {line["case_id"] for line in town.office.log_lines() if line["event"] == "event delivered"}
        return len(ids) >= count

    await town.office.until(so_many, f"{count} cases are delivered", patience=120)

"""The database's machine dies amid the work, its standby takes over: the daemon goes on, the OA gets all of it once."""

from __future__ import annotations

import pytest

from tests.endtoend import accounting
from tests.endtoend.conftest import OpenTown
from tests.endtoend.letterbox import letters
from tests.postgres import address_of_both, running_pair

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.postgres, pytest.mark.timeout(600)]
MAILS, RECORDS = 60, 20


async def test_a_database_that_fails_over_is_gone_on_with_by_the_same_process(open_town: OpenTown) -> None:
    mails = letters(MAILS)
    with running_pair() as pair:
        async with open_town("--preload", f"sunshine={RECORDS},hotline={RECORDS}") as town:
            town.recorder.thinks = 0.1
            office, (primary, standby) = town.office, pair
            address = address_of_both(pair, primary.migrated())
            office.config.write_text(f"database: {address}\n{office.config.read_text('utf-8')}", "utf-8")
            await town.post(mails[: MAILS // 2])
            await office.start()
            await office.until(lambda: office.said("event delivered") > 10, "events are delivered")
            primary.kill()
            await town.post(mails[MAILS // 2 :])
            await office.until(
                lambda: office.said("database does not answer; work waits") > 0, "the daemon notices", patience=60
            )
            standby.promote()
            status = await office.at_rest()
            found = await accounting.cases_at_the_oa(town.standins)
            petitions, orders = await town.standins.petitions(), await town.standins.orders()
            stats = await town.standins.get("oa", "/api/stats")
            lives = office.said("started")
            assert await office.stop() < 10

    assert lives == 1
    assert office.said("database answers again") > 0
    accounting.check_mails(found["mailbox"], mails)
    accounting.check_petitions(found["sunshine"], petitions)
    accounting.check_orders(found["hotline"], orders)
    accounting.check_nothing_waits(status)
    accounting.check_bodies(town.recorder.attempts)
    assert [stats[name] for name in ("altered", "out_of_order", "bad_signatures")] == [0, 0, 0]

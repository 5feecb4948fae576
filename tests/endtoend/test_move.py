"""An office moves to PostgreSQL amid its work: the OA gets every matter once, as if nothing had been."""

from __future__ import annotations

import pytest

from tests.endtoend import accounting
from tests.endtoend.conftest import OpenTown
from tests.endtoend.letterbox import letters
from tests.postgres import Server

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.postgres, pytest.mark.timeout(600)]
BEFORE, AFTER = 30, 12
"""Mails."""
RECORDS, SCANS = 10, 2


async def test_what_waited_for_the_oa_when_the_office_moved_is_delivered_once(
    open_town: OpenTown, postgres: Server
) -> None:
    mails, address = letters(BEFORE + AFTER), postgres.database()
    preloaded = f"sunshine={RECORDS},hotline={RECORDS},letters={SCANS}"
    async with open_town("--preload", preloaded) as town:
        office = town.office
        town.recorder.refuse = 503
        await town.post(mails[:BEFORE])
        await office.start()

        async def all_read() -> bool:
            stages = (await office.status())["stages"]
            waits = {lane.partition(":")[0] for lane in stages["ledger"]}
            return bool(stages["cases"] == BEFORE + 2 * RECORDS + SCANS and waits == {"push"})

        await office.until_it(all_read, "everything is read and waits for the OA", patience=120)
        await office.kill()
        embedded = office.config.read_text("utf-8")
        moved = await office.command("move", "--to", address, "--json")
        again = await office.command("move", "--to", address, "--json")
        stale = await office.command("status")
        office.config.write_text(f"database: {address}\n{embedded}", "utf-8")

        town.recorder.refuse = None
        await office.start()
        await town.post(mails[BEFORE:])
        status = await office.at_rest()
        found = await accounting.cases_at_the_oa(town.standins)
        petitions, orders = await town.standins.petitions(), await town.standins.orders()
        stats = await town.standins.get("oa", "/api/stats")
        assert await office.stop() < 10
        proved = await office.command("verify", "--json")
        scans = list((office.folder / "archive").rglob("*.*"))

    assert moved.status == 0, moved.err
    rows = {one["name"]: one["rows"] for one in moved.json["tables"]}
    assert (rows["cases"], rows["raw"]) == (BEFORE + 2 * RECORDS + SCANS,) * 2
    assert rows["ledger"] == rows["delivery"] > 0
    assert (again.status, again.json["state"]) == (0, "complete")
    assert (stale.status, stale.out) == (1, "")
    assert "在那里继续；请在配置的 `database` 里写那里" in stale.err
    assert (proved.status, proved.json["findings"]) == (0, [])
    assert proved.json["looked_at"]["cases"] == rows["cases"] + AFTER
    accounting.check_mails(found["mailbox"], mails)
    accounting.check_petitions(found["sunshine"], petitions)
    accounting.check_orders(found["hotline"], orders)
    accounting.check_scans(found["letter"], scans)
    accounting.check_nothing_waits(status)
    accounting.check_bodies(town.recorder.attempts)
    assert [stats[name] for name in ("duplicates", "altered", "out_of_order", "bad_signatures")] == [0, 0, 0, 0]
    postgres.drop(address)

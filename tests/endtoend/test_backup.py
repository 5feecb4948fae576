"""The machine is lost, the last backup is restored elsewhere, and the office goes on from it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend import accounting
from tests.endtoend.conftest import OpenTown, Town
from tests.endtoend.installation import Installation
from tests.endtoend.letterbox import Letter, letters
from tests.endtoend.test_flow import arrived

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(300)]
BEFORE, WAITING, DURING = 12, 12, 24


async def test_a_backup_taken_under_load_goes_on_elsewhere_and_delivers_what_waited_once(
    open_town: OpenTown, tmp_path: Path
) -> None:
    mails = letters(BEFORE + WAITING + DURING)
    async with open_town("--preload", "sunshine=6,hotline=6,letters=1") as town:
        await town.post(mails[:BEFORE])
        await town.office.start()
        await arrived(town, BEFORE + 6 + 6 + 1)
        await town.office.at_rest()
        town.recorder.refuse = 503  # from here on the OA takes nothing
        await town.post(mails[BEFORE : BEFORE + WAITING])
        await town.standins.arrive("sunshine", 3)
        kept = town.office.said("case kept")
        await town.office.until(lambda: town.office.said("case kept") >= kept + WAITING, "what came waits for the OA")

        made = await backed_up_under_load(town, mails[BEFORE + WAITING :], tmp_path / "backup.tar")
        await town.office.kill()
        office = await restored(town, tmp_path / "backup.tar", tmp_path / "elsewhere")
        waiting = events_waiting(office.data)
        town.recorder.refuse = None
        known = {(one.route, one.event_id) for one in town.recorder.attempts}
        await office.start()
        try:
            status = await office.at_rest()
            found = await accounting.cases_at_the_oa(town.standins)
            petitions, orders = await town.standins.petitions(), await town.standins.orders()
            stats = await town.standins.get("oa", "/api/stats")
            await office.stop()
        finally:
            await office.end()

    assert made["missing"] == []
    assert made["rows"]["cases"] >= BEFORE + WAITING + 13
    assert waiting
    assert waiting <= {one.event_id for one in town.recorder.attempts}
    assert known  # the old daemon tried some of them in vain: the new one's attempts bear the same ids and bytes
    accounting.check_bodies(town.recorder.attempts)
    accounting.check_mails(found["mailbox"], mails)
    accounting.check_petitions(found["sunshine"], petitions)
    accounting.check_orders(found["hotline"], orders)
    accounting.check_nothing_waits(status)
    assert {name: stats[name] for name in ("altered", "out_of_order", "bad_signatures", "duplicates")} == dict.fromkeys(
        ("altered", "out_of_order", "bad_signatures", "duplicates"), 0
    )


async def backed_up_under_load(town: Town, mails: list[Letter], to: Path) -> dict[str, Any]:
    """What the backup says of itself; mails arrive one after the other as long as it takes, and after."""

    async def arrive() -> None:
        for mail in mails:
            await town.post([mail])

    arriving = asyncio.create_task(arrive())
    said = await town.office.command("backup", "--to", str(to), "--json")
    assert (said.status, said.err) == (0, "")
    await arriving
    made: dict[str, Any] = said.json
    return made


async def restored(town: Town, backup: Path, folder: Path) -> Installation:
    """Another installation with the same configuration and secrets, on the restored data."""
    config = town.office.config.read_text("utf-8")
    elsewhere = config.replace(f"folder: {town.office.data}", f"folder: {folder}/data")
    assert elsewhere != config
    office = Installation(folder, elsewhere, town.office.secrets)
    said = await office.command("restore", "--from", str(backup), "--to", str(office.data))
    assert said.status == 0, said.err
    assert "表属于迁移" in said.out
    proved = await office.command("verify", "--json")
    assert (proved.status, proved.json["findings"]) == (0, [])
    assert proved.json["looked_at"]["cases"] >= BEFORE
    return office


def events_waiting(data: Path) -> set[str]:
    database = sqlite3.connect(data / "xinqiao.db")
    rows = database.execute("SELECT event_id FROM delivery WHERE state = 'waiting'").fetchall()
    database.close()
    return {event for (event,) in rows}

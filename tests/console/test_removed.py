"""An original whose time has come: its pages say so, and nothing fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, update

from ingest.operations import OperationRefused, perform
from store.schema import blob, raw
from tests.console.conftest import Browser, House, log_in, read
from tests.console.test_acts import happened, post, said_after
from tests.console.town import NOW


@pytest.fixture
def emptied(house: House) -> House:
    """Every original and attachment has been removed."""

    def remove(conn: Connection) -> None:
        for (sha256,) in conn.execute(select(blob.c.sha256)).all():
            gone = house.store.blobs.removal(sha256, NOW)
            conn.execute(update(blob).where(blob.c.sha256 == sha256).values(gone))

    house.store.submit(remove).result()
    return house


async def test_the_case_says_when_its_original_was_removed(emptied: House, browser: Browser) -> None:
    town = emptied.town
    await log_in(browser, "clerk")
    text = await read(browser, f"/cases/{town.fees}")

    assert "原件已按保存期限于" in text
    assert "王秀兰" in text
    assert "原件已按保存期限清除" in await read(browser, f"/cases/{town.fees}/originals/1", status=410)
    assert (await browser.get(f"/files/{town.fees}/{town.photo_sha}")).status == 410


async def test_it_is_not_read_again(emptied: House) -> None:
    office, town = emptied.office, emptied.town
    with pytest.raises(OperationRefused, match="original removed by retention on 2026-"):
        await perform(office, "replay-read", {"case": town.fees}, "wang")
    with pytest.raises(OperationRefused, match="original removed by retention on 2026-"):
        await perform(office, "replay-read", {"since": (NOW - timedelta(days=999)).isoformat()}, "wang")


async def test_when_nothing_in_quarantine_can_be_read_again_the_page_says_so(emptied: House, browser: Browser) -> None:
    await log_in(browser, "operator")

    for address in ("/quarantine/read", f"/quarantine/{emptied.town.quarantined}/read"):
        answer = await post(browser, address)
        assert await said_after(browser, answer) == "未执行：原件已按保存期限清除，无法重新读取。"
    assert happened(emptied, "replayed") == []


async def test_what_was_laid_aside_is_not_read_again_either(emptied: House) -> None:
    number = emptied.town.quarantined
    here = raw.c.id == number
    emptied.store.submit(lambda conn: conn.execute(update(raw).where(here).values(state="dismissed"))).result()

    with pytest.raises(OperationRefused, match=f"item {number}: original removed by retention on 2026-"):
        await perform(emptied.office, "quarantine-read", {"raw": number}, "wang")

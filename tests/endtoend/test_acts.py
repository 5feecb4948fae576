"""What people do by command, on a real installation: corrected, registered, paused, printed, and seen in the OA."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pypdfium2
import pytest
import pytest_asyncio

from tests.endtoend.conftest import Town, a_town
from tests.endtoend.installation import Installation
from tests.endtoend.letterbox import letters

pytestmark = [pytest.mark.dovecot, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
MAILS = letters(3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A town at work: every test leaves it running and at rest."""
    async with a_town(tmp_path_factory.mktemp("town"), "--preload", "sunshine=2,hotline=1,letters=0") as town:
        await town.office.start()
        await town.office.at_rest()
        yield town
        assert await town.office.stop() < 10


@pytest.fixture
def office(town: Town) -> Installation:
    return town.office


def events_of(town: Town, case_id: str) -> list[dict[str, Any]]:
    """What the OA was sent of a case, in order."""
    bodies = (json.loads(one.body) for one in town.recorder.attempts)
    return [body for body in bodies if body["data"]["case"]["case_id"] == case_id]


async def an_open_case(town: Town) -> dict[str, Any]:
    """One that its OA has in full."""
    cases = [one["case"] for one in await town.standins.oa_cases()]
    found: dict[str, Any] = next(one for one in cases if not one["restricted"] and one.get("title"))
    return found


async def readiness(office: Installation) -> tuple[int, dict[str, Any]]:
    port = office.config.read_text("utf-8").partition("port: ")[2].split()[0]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
        return answer.status, await answer.json()


async def test_a_correction_reaches_the_oa_and_so_does_its_undoing(town: Town) -> None:
    case = await an_open_case(town)
    number, title = case["case_no"], case["title"]
    said = await town.office.command("correct", number, "title=更正后的标题", "phones=13911112222", "--json")
    await town.office.at_rest()
    stale = await town.office.command("correct", number, "title=又一次", "--revision", str(case["revision"]))
    wrong = await town.office.command("correct", number, "petition_date=昨天", "title=")
    undone = await town.office.command("correct", number, "--undo", "title")
    await town.office.at_rest()
    told = events_of(town, case["case_id"])

    assert said.json["changed"] == ["title", "petitioners.0.phones"]
    assert [event["type"] for event in told[-2:]] == ["case.updated", "case.updated"]
    assert [event["data"]["case"]["title"] for event in told[-2:]] == ["更正后的标题", title]
    assert all(one["by"].endswith("@command") for one in told[-2]["data"]["change"])
    assert (stale.status, wrong.status, undone.status) == (1, 1, 0)
    assert "其间已有变动" in stale.err
    assert "petition_date：应为日期，如 2026-03-01；title：不能什么都不写" in wrong.err


async def test_a_sheet_is_written_for_its_owner_only(town: Town, tmp_path: Path) -> None:
    case = await an_open_case(town)
    for options, heading in (([], "信访件呈阅单"), (["--assignment"], "信访件交办单")):
        path = tmp_path / f"{heading}.pdf"
        said = await town.office.command("sheet", case["case_no"], "--to", str(path), *options)
        document = pypdfium2.PdfDocument(path)
        text = document[0].get_textpage().get_text_range()
        document.close()

        assert (said.status, said.out) == (0, f"{case['case_no']}：{path}\n")
        assert heading in text
        assert case["case_no"] in text
        assert path.stat().st_mode & 0o777 == 0o600
    nowhere = await town.office.command("sheet", case["case_no"], "--to", str(tmp_path / "no" / "sheet.pdf"))
    unknown = await town.office.command("sheet", "2026-999999", "--to", str(tmp_path / "x.pdf"))
    assert (nowhere.status, unknown.status) == (1, 1)
    assert not (tmp_path / "x.pdf").exists()


async def test_a_paused_door_brings_nothing_until_it_is_resumed_and_then_everything(town: Town) -> None:
    office = town.office
    paused = await office.command("pause", "door", "director_mailbox", "--reason", "the server moves")
    again = await office.command("pause", "door", "director_mailbox", "--reason", "the server moves")
    await town.post(MAILS[:2])
    await office.stop()
    await office.start()  # a restart does not open it
    await office.until_it(lambda: _state(office, "director_mailbox", "paused"), "it is still paused")
    status, before = await office.command("status"), await office.status()
    code, ready = await readiness(office)
    resumed = await office.command("resume", "door", "director_mailbox")
    after = await office.at_rest()

    assert (paused.out, again.status) == ("渠道 director_mailbox：已暂停\n", 1)
    assert "@command 暂停：the server moves" in status.out
    assert (code, ready["doors"]["director_mailbox"]["state"]) == (503, "paused")
    assert resumed.out == "渠道 director_mailbox：已恢复\n"
    assert after["stages"]["cases"] == before["stages"]["cases"] + 2


async def test_a_paused_target_keeps_its_events_until_it_is_resumed(town: Town) -> None:
    office = town.office
    await office.command("pause", "target", "oa", "--reason", "upgrade tonight")
    before = len(town.recorder.attempts)
    await town.post(MAILS[2:])
    await office.until_it(lambda: _waiting(office, "oa"), "an event waits")
    held = len(town.recorder.attempts)
    said = await office.command("resume", "target", "oa", "--json")
    await office.at_rest()

    assert held == before
    assert said.json == {"target": "oa", "state": "resumed"}
    assert len(town.recorder.attempts) == before + 1


async def test_what_cannot_be_read_is_listed_registered_and_laid_aside(town: Town) -> None:
    office = town.office
    await _drop_unreadable(town, 2)
    await office.until_it(lambda: _aside(office, 2), "two scans are kept aside", patience=120)
    listed = await office.command("quarantine", "list", "--json")
    first, second = sorted(one["raw_id"] for one in listed.json["items"])
    again = await office.command("quarantine", "read", str(second))
    await office.until_it(lambda: _aside(office, 2), "it is kept aside again", patience=120)
    said = await office.command(
        "quarantine", "register", str(first), "title=要求核实收费", "name=顾晓棠", "phones=13900000000", "--json"
    )
    gone = await office.command("quarantine", "dismiss", str(second), "--reason", "test")
    await office.at_rest()
    cases = {one["case"]["case_no"]: one["case"] for one in await town.standins.oa_cases()}
    people, dismissed = (
        await office.command("quarantine", "list"),
        await office.command("quarantine", "list", "--dismissed"),
    )

    assert (again.out, gone.out) == (f"{second}：待读取\n", f"{second}：已排除\n")
    case = cases[said.json["case_no"]]
    assert (case["title"], case["reading"]["method"]) == ("要求核实收费", "typed")
    assert [one["role"] for one in case["attachments"]] == ["scan"]
    assert people.out.strip() == "无"
    assert dismissed.out.split()[0] == str(second)
    assert (await office.status())["quarantined"] == 0


async def _state(office: Installation, door: str, state: str) -> bool:
    return any((one["name"], one["state"]) == (door, state) for one in (await office.status())["doors"])


async def _waiting(office: Installation, target: str) -> bool:
    return any((one["name"], one["waiting"]) == (target, 1) for one in (await office.status())["targets"])


async def _aside(office: Installation, count: int) -> bool:
    return bool((await office.status())["quarantined"] == count)


async def _drop_unreadable(town: Town, count: int) -> None:
    """Scans that are broken within."""
    for number in range(count):
        path = town.standins.letters / f"broken-{number}.pdf"
        path.write_bytes(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog " + bytes([number]) + b"\n%%EOF\n")

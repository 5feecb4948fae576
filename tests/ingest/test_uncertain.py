"""What may have arrived, as a person sees and settles it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from dispatch.settings import TargetSettings
from ingest.cli import main
from ingest.office import Office, open_office
from ingest.operations import OperationRefused, perform
from store import ledger
from store.schema import delivery, history
from tests.ingest.config_files import ENVIRONMENT, loaded, write
from tests.ingest.desk import Desk, open_desk, reading
from tests.ingest.test_sending import reject, text, with_targets

ONCE = TargetSettings.model_validate(
    {
        "url": "http://127.0.0.1:9",
        "idempotent": False,
        "calls": {"case.created": {"path": "/c"}, "case.updated": {"path": "/u"}},
    }
)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    opened = open_office(loaded(tmp_path, text(tmp_path)))
    yield opened
    await opened.close()


def uncertain(office: Office) -> tuple[Office, Desk, str]:
    """A case that may have arrived at `oa`, with a later event that waits."""
    office, desk = with_targets(office, oa=ONCE)
    (case_id,) = desk.take_in(reading("x:1"), key="1")
    reject(desk)
    desk.write(lambda conn: conn.execute(update(delivery).values(state="unknown")))
    desk.take_in(reading("x:1", title="第二版"), key="1")
    return office, desk, case_id


def states(desk: Desk) -> list[str]:
    return [row[3] for row in desk.deliveries()]


async def test_what_a_person_found_arrived_is_delivered_under_its_number_and_the_next_goes(office: Office) -> None:
    office, desk, case_id = uncertain(office)
    asked = {"case": desk.case(case_id).case_no, "target": "oa", "receiver_id": "8888"}

    dry = await perform(office, "replay-arrived", {**asked, "dry_run": True}, "wang")
    before = states(desk)
    said = await perform(office, "replay-arrived", asked, "wang")

    assert (dry["arrived"], before) == (said["arrived"], ["unknown", "waiting"])
    assert states(desk) == ["delivered", "waiting"]
    rows = desk.store.read_now(lambda conn: conn.execute(select(delivery).order_by(delivery.c.id)).all())
    assert [row.receiver_id for row in rows] == ["8888", None]
    assert desk.store.read_now(ledger.counts)["push:oa"] == {"ready": 1}
    row = desk.store.read_now(lambda conn: conn.execute(select(history).where(history.c.kind == "arrived")).one())
    assert (row.case_id, row.actor, row.detail["target"]) == (case_id, "wang", "oa")
    with pytest.raises(OperationRefused, match="no event of it may or may not have arrived at oa"):
        await perform(office, "replay-arrived", asked, "wang")


async def test_what_may_have_arrived_is_sent_again_only_if_that_is_asked_for_by_name(office: Office) -> None:
    office, desk, case_id = uncertain(office)

    careful = await perform(office, "replay-send", {"case": case_id, "target": "oa"}, "wang")
    assert (careful["sent_again"], careful["withheld"]) == (1, 1)  # the later one waits, and may be hastened
    assert states(desk) == ["unknown", "waiting"]
    meant = await perform(office, "replay-send", {"unknown": True, "target": "oa"}, "wang")

    assert (meant["sent_again"], meant["withheld"]) == (1, 0)
    assert states(desk) == ["waiting", "waiting"]
    assert desk.store.read_now(ledger.counts)["push:oa"] == {"ready": 1, "blocked": 1}


async def test_what_has_arrived_is_withheld_from_whoever_would_not_know_it_again(office: Office) -> None:
    office, _, case_id = uncertain(office)
    await perform(office, "replay-arrived", {"case": case_id, "target": "oa"}, "wang")

    said = await perform(office, "replay-send", {"case": case_id, "target": "oa", "unknown": True}, "wang")

    assert said["sent_again"] == 0


async def test_what_may_have_arrived_can_be_left_alone_for_good(office: Office) -> None:
    office, desk, case_id = uncertain(office)

    said = await perform(office, "replay-skip", {"case": case_id, "target": "oa"}, "wang")

    assert len(said["skipped"]) == 1
    assert states(desk) == ["skipped", "waiting"]
    assert desk.store.read_now(ledger.counts)["push:oa"] == {"ready": 1}


async def test_what_was_left_alone_is_not_sent_again_with_the_others(office: Office) -> None:
    office, desk, case_id = uncertain(office)
    await perform(office, "replay-skip", {"case": case_id, "target": "oa"}, "wang")
    number = desk.store.read_now(
        lambda conn: conn.execute(select(delivery.c.id).order_by(delivery.c.id)).scalars().first()
    )

    said = [
        await perform(office, "replay-send", asked, "wang")
        for asked in (
            {"case": case_id, "target": "oa"},
            {"since": "2026-01-01T00:00:00+08:00", "target": "oa"},
            {"delivery": number},
        )
    ]
    before = states(desk)
    named = await perform(office, "replay-send", {"delivery": number, "unknown": True}, "wang")

    assert [one["sent_again"] for one in said] == [1, 1, 0]  # the later one only
    assert before == ["skipped", "waiting"]
    assert (named["sent_again"], states(desk)) == (1, ["waiting", "waiting"])


def test_a_person_settles_it_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = str(write(tmp_path, text(tmp_path)))
    with open_desk(tmp_path / "data") as desk:
        desk.take_in(reading())

    def said(*arguments: str) -> tuple[int, str]:
        status = main(["replay", *arguments, "-c", path])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    for arguments, expected in [
        (["--arrived", "--target", "oa"], "expected --case and --target"),
        (["--receiver-id", "8888", "--quarantine"], "--receiver-id is the number of what has arrived"),
        (["--rate", "5", "--arrived"], "--rate says how fast is read or sent again; expected --send, --read or"),
        (["--unknown", "--quarantine"], "--unknown says what is sent again; expected --send"),
    ]:
        assert said(*arguments)[0] == 2
        assert expected in said(*arguments)[1]
    assert said("--arrived", "--case", "2026-000001", "--target", "oa") == (
        1,
        "xinqiao: case 2026-000001: no event of it may or may not have arrived at oa\n",
    )
    status, out = said("--send", "--unknown", "--target", "oa", "--json")
    assert (status, json.loads(out)["sent_again"]) == (0, 0)

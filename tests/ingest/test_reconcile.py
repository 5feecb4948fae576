"""Comparing with an OA what it should have, over a real socket; and the command a person gives."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dispatch import reconciling
from dispatch.reckoning import Meant
from dispatch.reconciling import HoldingsUnknown, ask_holdings, compare
from dispatch.settings import HoldingsSettings, TargetSettings
from dispatch.worker import TargetWorker
from ingest.cli import main
from ingest.command_reconcile import _amiss, _lines
from ingest.office import Office, open_office
from ingest.operations import OperationRefused, perform, sending
from ingest.sayings.speech import Speech
from sandbox import oa as oa_module
from sandbox.oa import OaInbox
from tests.clock import utc_now
from tests.dispatch.own_receiver import ended_early, own_receiving
from tests.ingest.config_files import ENGLISH, ENVIRONMENT, SECRET, loaded, write
from tests.ingest.desk import NOW, Desk, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.ingest.test_sending import reject, text, with_targets

ASKED = NOW + timedelta(minutes=1)
NOTHING: dict[str, list[str]] = {name: [] for name in ("missing", "behind", "waiting", "skipped", "unsent", "surplus")}


@asynccontextmanager
async def at_work(office: Office, name: str, settings: TargetSettings) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    worker = TargetWorker(name, settings, office.store, utc_now, lambda *_: None)
    task = asyncio.create_task(worker.run(stopping))
    try:
        yield
    finally:
        stopping.set()
        office.store.wakes.ring([f"push:{name}"])
        await asyncio.wait_for(task, 10)


@dataclasses.dataclass
class Pair:
    """An office and an OA that has all it was sent."""

    office: Office
    desk: Desk
    oa: OaInbox
    settings: TargetSettings
    folder: Path

    async def deliver(self) -> None:
        async with at_work(self.office, "oa", self.settings), asyncio.timeout(10):
            while any(row[3] == "waiting" for row in self.desk.deliveries()):  # noqa: ASYNC110 - another thread's
                await asyncio.sleep(0)

    def forget(self, statement: str, *values: object) -> None:
        """The OA loses something."""
        with sqlite3.connect(self.folder / "oa.sqlite") as database:
            database.execute(statement, values)
        database.close()

    async def reconcile(self, **arguments: Any) -> dict[str, Any]:
        answer = await perform(self.office, "reconcile", arguments, "wang")
        found: dict[str, Any] = answer["targets"]["oa"]
        return found


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    opened = open_office(loaded(tmp_path, text(tmp_path)))
    async with OaInbox(tmp_path / "oa.sqlite", {"": SECRET}) as oa:
        settings = TargetSettings.model_validate(
            {"url": f"{oa.url}/webhook", "secret": SECRET, "holdings": {"url": f"{oa.url}/holdings"}}
        )
        office, desk = with_targets(opened, oa=settings)
        config = office.config.model_copy(update={"targets": {"oa": settings}})
        office = dataclasses.replace(office, config=config)
        yield Pair(office, desk, oa, settings, tmp_path)
    await opened.close()


async def test_an_oa_that_has_everything_agrees(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oa_module, "PAGE", 3)  # several pages
    for number in range(7):
        pair.desk.take_in(reading(f"x:{number}"), key=str(number))
    await pair.deliver()

    found = await pair.reconcile()

    assert found == {"agreed": 7, **NOTHING, "case_nos": {}}


async def test_what_an_oa_lost_or_has_only_in_part_is_found_and_sent_again(pair: Pair) -> None:
    lost, behind, whole = (pair.desk.take_in(reading(f"x:{n}"), key=str(n))[0] for n in range(3))
    pair.desk.take_in(reading("x:1", title="第二版"), key="1")
    await pair.deliver()
    pair.forget("DELETE FROM matter WHERE case_id = ?", lost)
    pair.forget("DELETE FROM event WHERE case_id = ?", lost)
    pair.forget("UPDATE matter SET revision = 1 WHERE case_id = ?", behind)
    pair.forget("DELETE FROM event WHERE case_id = ? AND revision = 2", behind)

    found = await pair.reconcile(send=True)
    await pair.deliver()

    assert (found["missing"], found["behind"], found["agreed"], found["sent_again"]) == ([lost], [behind], 1, 2)
    assert (await pair.reconcile())["agreed"] == 3
    assert whole in {one["case_id"] for one in pair.oa.ledger.cases("")}


async def test_what_is_amiss_is_named_with_its_number_where_it_has_one(pair: Pair) -> None:
    (lost,) = pair.desk.take_in(reading("x:1"), key="1")
    await pair.deliver()
    pair.forget("UPDATE matter SET case_id = '01NOTOURS' WHERE case_id = ?", lost)

    found = await pair.reconcile()

    assert found["case_nos"] == {lost: "2026-000001"}
    assert list(_lines("oa", found, Speech("en"))) == [
        "oa: 0 agree",
        f"  1 missing there, although it took them: {lost} (2026-000001)",
        "  1 there, but not (or not any more) for it: 01NOTOURS",
    ]


async def test_what_is_delivered_while_an_oa_is_asked_is_neither_missing_nor_sent_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.desk.take_in(reading("x:1"), key="1")
    await pair.deliver()
    arrived: list[str] = []

    async def ask(*arguments: Any) -> dict[str, int | None]:
        held = await ask_holdings(*arguments)
        arrived.extend(pair.desk.take_in(reading("x:2"), key="2"))
        await pair.deliver()
        return held

    monkeypatch.setattr(sending, "ask_holdings", ask)
    found = await pair.reconcile(send=True)

    assert (found["missing"], found["waiting"], found["agreed"], found["sent_again"]) == ([], arrived, 1, 0)


async def test_an_oa_whose_pages_take_longer_than_a_signature_is_good_for_is_asked_to_the_end(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        pair.desk.take_in(reading(f"x:{number}"), key=str(number))
    await pair.deliver()
    now = [utc_now()]
    page = pair.oa.ledger.holdings

    def slow(*arguments: Any) -> list[dict[str, Any]]:
        now[0] += timedelta(minutes=4)
        return page(*arguments)

    def oas_time() -> float:
        return now[0].timestamp()

    monkeypatch.setattr(oa_module, "PAGE", 1)
    monkeypatch.setattr(oa_module, "time", SimpleNamespace(time=oas_time))
    monkeypatch.setattr(pair.oa.ledger, "holdings", slow)
    pair.office = dataclasses.replace(pair.office, clock=lambda: now[0])
    found = await pair.reconcile()

    assert found == {"agreed": 3, **NOTHING, "case_nos": {}}


async def test_what_is_on_its_way_is_no_finding(pair: Pair) -> None:
    pair.desk.take_in(reading("x:1"), key="1")
    await pair.deliver()
    pair.desk.take_in(reading("x:1", title="第二版"), key="1")
    (second,) = pair.desk.take_in(reading("x:2"), key="2")

    found = await pair.reconcile()

    assert (found["missing"], found["behind"], found["surplus"]) == ([], [], [])
    assert second in found["waiting"]
    assert len(found["waiting"]) == 2


async def test_what_a_person_has_skipped_is_not_on_its_way(pair: Pair) -> None:
    (case_id,) = pair.desk.take_in(reading("x:1"), key="1")
    reject(pair.desk)
    await perform(pair.office, "replay-skip", {"case": case_id, "target": "oa"}, "wang")

    found = await pair.reconcile()

    assert (found["skipped"], found["waiting"], found["unsent"], _amiss(found)) == ([case_id], [], [], False)
    assert list(_lines("oa", found, Speech("en"))) == [
        "oa: 0 agree",
        f"  1 never sent, a person has skipped them: {case_id} (2026-000001)",
    ]


async def test_what_was_dropped_while_it_had_no_right_to_it_is_lacking_once_it_has(pair: Pair) -> None:
    (case_id,) = pair.desk.take_in(reading("x:1"), key="1")
    elsewhere = pair.settings.model_copy(update={"channels": ("hotline",)})
    async with at_work(pair.office, "oa", elsewhere), asyncio.timeout(10):
        while pair.desk.deliveries()[0][3] == "waiting":  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0)

    found = await pair.reconcile()

    assert (found["unsent"], found["waiting"], _amiss(found)) == ([case_id], [], True)
    assert list(_lines("oa", found, Speech("zh")))[1:] == [
        f"  1 件对方应有，却从未发出，到下一事件才会发：{case_id}（2026-000001）"
    ]


async def test_a_case_taken_back_and_still_there_is_found(pair: Pair) -> None:
    (case_id,) = pair.desk.take_in(reading("x:1"), key="1")
    await pair.deliver()
    pair.desk.take_in(reading("x:1", **ACCUSATION), key="1")

    assert (await pair.reconcile())["surplus"] == [case_id]
    await pair.deliver()
    assert (await pair.reconcile())["surplus"] == []


async def test_only_what_changed_since_is_compared(pair: Pair) -> None:
    (early,) = pair.desk.take_in(reading("x:1"), key="1")
    since = pair.desk.now + timedelta(days=1)
    pair.desk.now = utc_now() - timedelta(minutes=5)
    pair.desk.take_in(reading("x:2"), key="2")
    await pair.deliver()
    pair.forget("DELETE FROM matter WHERE case_id = ?", early)

    found = await pair.reconcile(since=since.isoformat())

    assert (found["agreed"], found["missing"]) == (1, [])


async def test_an_oa_that_does_not_say_is_said(pair: Pair) -> None:
    await pair.oa._listener.stop()

    assert "holdings: " in (await pair.reconcile())["error"]


async def test_without_a_way_to_ask_nothing_is_compared(pair: Pair) -> None:
    config = pair.office.config.model_copy(update={"targets": {"oa": target()}})
    office = dataclasses.replace(pair.office, config=config)

    with pytest.raises(OperationRefused, match="expected holdings in its block"):
        await perform(office, "reconcile", {}, "wang")
    answer = await perform(office, "reconcile", {"target": "oa"}, "wang")
    assert "is not configured" in answer["targets"]["oa"]["error"]


def test_the_command_says_what_is_amiss_and_ends_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    holdings = "holdings: {url: 'http://127.0.0.1:9/holdings'}"
    written = text(tmp_path).replace("restricted: true", f"restricted: true, {holdings}")
    path = write(tmp_path, written + ENGLISH)
    open_office(loaded(tmp_path, written)).store.close()

    assert main(["reconcile", "-c", str(path)]) == 1
    assert capsys.readouterr().out == "oa: holdings: ClientConnectorError: Connection refused\n"


def meant(case_id: str, delivered: int | None, pending: int = 0, at: datetime = NOW) -> Meant:
    return Meant(case_id, case_id, "full", False, 3, NOW, False, delivered, at, pending, 0)


def test_comparing_is_by_what_it_took_and_not_by_what_we_have() -> None:
    cases = [meant("a", 3), meant("b", 2), meant("c", 3), meant("d", None, 1), meant("e", 2, 1), meant("f", 1)]

    found = compare(
        cases, {"a": 3, "b": 1, "e": 2, "f": None, "z": 1}, asked_at=ASKED, all_of_it=[one.case_id for one in cases]
    )

    assert (found.agreed, found.missing, found.behind) == (2, ("c",), ("b",))
    assert (found.waiting, found.surplus) == (("d", "e"), ("z",))


def test_what_it_took_since_it_was_asked_is_neither_missing_nor_behind() -> None:
    cases = [meant("a", 1, at=ASKED), meant("b", 2, at=ASKED), meant("c", 2, at=ASKED), meant("d", 1)]

    found = compare(cases, {"b": 1, "c": 2}, asked_at=ASKED, all_of_it=[one.case_id for one in cases])

    assert (found.missing, found.behind, found.waiting, found.agreed) == (("d",), (), ("a", "b"), 1)


def test_what_it_took_before_it_need_not_name_when_asked_for_what_changed_since() -> None:
    """Our row of a case changes without an event, too: by the OA's own report, by a new calendar."""
    since = NOW + timedelta(seconds=30)
    cases = [meant("a", 1), meant("b", 2, at=since), meant("c", 2, pending=1), meant("d", 2)]

    found = compare(cases, {"d": 1}, asked_at=ASKED, all_of_it=[one.case_id for one in cases], since=since)

    assert (found.missing, found.behind, found.waiting, found.agreed) == (("b",), ("d",), ("c",), 0)


def test_the_shipped_way_to_ask_is_what_the_sandbox_answers() -> None:
    assert HoldingsSettings(url="http://oa.example/holdings").model_dump(exclude={"url", "headers"}) == {
        "params": {"since": "{{ since or '' }}", "cursor": "{{ cursor or '' }}"},
        "cases": "cases",
        "case_id": "case_id",
        "revision": "revision",
        "next": "next",
    }


async def asked(*pages: object) -> dict[str, int | None]:
    """What an OA is said to have that answers with these pages, the last one again and again."""
    async with own_receiving() as oa:
        oa.answer("/holdings", *pages)
        settings = TargetSettings.model_validate(
            {"url": oa.url, "secret": SECRET, "holdings": {"url": f"{oa.url}/holdings"}}
        )
        return await ask_holdings(settings, None, utc_now)


def page(case_id: str, *, more: object = None, revision: object = 1) -> dict[str, object]:
    return {"cases": [{"case_id": case_id, "revision": revision}], "next": more}


async def test_an_oa_that_names_a_page_twice_has_not_said_what_it_has() -> None:
    """What stands behind it is not missing there, and is not sent again."""
    for pages in ([page("a", more="2")], [page("a", more="2"), page("b", more="3"), page("c", more="2")]):
        with pytest.raises(
            HoldingsUnknown, match="names a page again that was asked for already; expected null at next"
        ):
            await asked(*pages)


async def test_an_oa_whose_pages_never_end_has_not_said_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "PAGES", 3)
    pages = [page(str(number), more=number) for number in range(1, 4)]

    with pytest.raises(HoldingsUnknown, match="there is a next page after 3; it should answer in larger pages"):
        await asked(*pages)
    assert len(await asked(*pages[:2], page("3"))) == 3


@pytest.mark.parametrize("said", [{}, {"code": 500, "message": "系统繁忙"}, {"cases": None}, [], "cases"])
async def test_an_oa_that_names_no_list_has_not_said_that_it_has_nothing(said: object) -> None:
    """Nor where the first page was a good one."""
    for pages in ([said], [page("a", more="2"), said]):
        with pytest.raises(HoldingsUnknown, match="holdings: no list at cases in its answer"):
            await asked(*pages)


@pytest.mark.parametrize("begun", [b'{"cases": []}', b'{"cases": ['])
async def test_an_oa_whose_answer_was_cut_off_has_not_said_what_it_has(begun: bytes) -> None:
    with pytest.raises(HoldingsUnknown, match="its answer was cut off or too large"):
        await asked(ended_early(begun))


async def test_an_oa_that_was_cut_off_is_sent_nothing_again(pair: Pair) -> None:
    pair.desk.take_in(reading("x:1"), key="1")
    await pair.deliver()
    async with own_receiving() as oa:
        oa.answer("/holdings", ended_early(b'{"cases": []}'))
        holdings = HoldingsSettings(url=f"{oa.url}/holdings")
        targets = {"oa": pair.settings.model_copy(update={"holdings": holdings})}
        config = pair.office.config.model_copy(update={"targets": targets})
        pair.office = dataclasses.replace(pair.office, config=config)

        found = await pair.reconcile(send=True)

    assert found == {"error": "holdings: its answer was cut off or too large; it should answer in smaller pages"}
    assert [row[3] for row in pair.desk.deliveries()] == ["delivered"]


@pytest.mark.parametrize("end", [None, "", False, []])
async def test_whatever_is_nothing_ends_the_pages(end: object) -> None:
    assert await asked(page("a", more="2"), page("b", more=end)) == {"a": 1, "b": 1}


async def test_a_revision_may_be_told_in_digits() -> None:
    said = {"a": 3, "b": "3", "c": None, "d": "三", "e": True, "f": "9" * 5000}
    pages = [page(one, more=one, revision=revision) for one, revision in said.items()]

    assert await asked(*pages, page("g")) == {"a": 3, "b": 3, "c": None, "d": None, "e": None, "f": None, "g": 1}

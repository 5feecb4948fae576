from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import aiohttp
import pytest

from sandbox.control import ControlPage, Place
from sandbox.director import Director
from sandbox.doors import Doors
from sandbox.faults import Switchboard, UnknownFault
from sandbox.hotline import Hotline
from sandbox.journal import Act, Journal
from sandbox.letters import Scanner
from sandbox.mailbox import MailServer
from sandbox.matters import matter, situations
from sandbox.sunshine import SunshinePlatform


def _director(folder: Path, *, seed: int = 1) -> tuple[Director, SunshinePlatform, Hotline]:
    sunshine, hotline = SunshinePlatform(), Hotline()
    doors = Doors(sunshine=sunshine, hotline=hotline, letters=Scanner(folder / "letters"))
    return Director(doors, Journal(folder / "journal.jsonl"), seed), sunshine, hotline


async def test_a_restart_brings_everything_back_as_it_was(tmp_path: Path) -> None:
    director, sunshine, hotline = _director(tmp_path)
    await director.preload({"sunshine": 6, "hotline": 6, "letters": 1})
    changed = await director.revise(0.5)
    with (tmp_path / "journal.jsonl").open("a") as journal:
        journal.write('{"at": "2026-')

    again, sunshine2, hotline2 = _director(tmp_path)
    await again.resume()

    assert changed == 6
    assert sunshine2.records == sunshine.records
    assert hotline2.orders == hotline.orders
    assert len(list((tmp_path / "letters").iterdir())) == 1
    assert (await again.arrive("hotline")).number == 13


async def test_preload_counts_what_is_there_already(tmp_path: Path) -> None:
    director, sunshine, _ = _director(tmp_path)
    await director.preload({"sunshine": 3})
    await director.preload({"sunshine": 5})

    assert len(sunshine.records) == 5


async def test_what_was_withdrawn_changes_no_more(tmp_path: Path) -> None:
    director, sunshine, _ = _director(tmp_path)
    arrival = await director.arrive("sunshine")
    dice = Random(1)
    while (await director.change(arrival, dice)).step != "撤回":
        pass

    assert director.changeable() == []
    assert next(iter(sunshine.records.values()))["xfjzt"] == "已撤回"


async def test_the_mailbox_gets_mails_follow_ups_and_noise_in_the_same_order_again(tmp_path: Path) -> None:
    async with MailServer() as server, MailServer() as twin:
        director = Director(Doors(mailbox=server), Journal(tmp_path / "j"), 1)
        arrival = await director.arrive("mailbox")
        await director.change(arrival, Random(1))
        again = Director(Doors(mailbox=twin), Journal(tmp_path / "j"), 1)
        await again.resume()

    assert (server.delivered, twin.delivered) == (2, 2)
    assert [entry.act for entry in again.entries] == [Act.ARRIVE, Act.CHANGE]


def test_matters_are_the_same_for_a_seed_and_others_for_another() -> None:
    assert [matter(1, number) for number in range(50)] == [matter(1, number) for number in range(50)]
    assert matter(1, 1) != matter(2, 1)


def test_the_invented_city_complains_of_everything_a_real_one_does() -> None:
    matters = [matter(1, number) for number in range(400)]

    assert {one.situation for one in matters} == set(situations())
    assert {one.situation.type for one in matters} == {"咨询", "求助", "投诉", "举报", "建议", "表扬"}
    assert len({one.content for one in matters}) == 400
    assert any(one.anonymous for one in matters)
    assert any(one.confidential for one in matters)
    assert any(len(one.citizens) > 1 for one in matters)
    assert min(len(one.content) for one in matters) < 80
    assert max(len(one.content) for one in matters) > 600
    assert not [one for one in matters if "{" in one.title + one.content]


def test_twins_share_writer_and_facts_but_not_words() -> None:
    twins = [(matter(1, number), matter(1, number - 3)) for number in range(7, 300, 10)]

    assert all(one.citizens == other.citizens and one.situation == other.situation for one, other in twins)
    assert sum(one.content != other.content for one, other in twins) == len(twins)
    assert all(matter(1, number).citizens == matter(1, number - 5).citizens for number in range(9, 300, 10))


async def test_faults_and_arrivals_are_set_over_http(tmp_path: Path) -> None:
    director, sunshine, hotline = _director(tmp_path)
    places = {"sunshine": Place("http://127.0.0.1:1"), "hotline": Place("http://127.0.0.1:2")}
    board = Switchboard([sunshine.switch, hotline.switch])
    async with ControlPage(board, director, places) as control, aiohttp.ClientSession() as session:
        async with session.post(f"{control.url}/faults", json={"sunshine": "500", "share": 0.3}) as answer:
            state = await answer.json()
        async with session.post(f"{control.url}/faults", json={"nobody": "500"}) as answer:
            wrong = answer.status, (await answer.json())["error"]
        async with session.post(f"{control.url}/arrivals", json={"door": "hotline", "count": 4}) as answer:
            numbers = (await answer.json())["numbers"]
        async with session.post(f"{control.url}/changes", json={"share": 0.5}) as answer:
            changed = (await answer.json())["changed"]
        async with session.post(f"{control.url}/faults", data={"hotline": "slow", "share": "1"}) as answer:
            shown = await answer.text()
        async with session.get(f"{control.url}/arrivals") as answer:
            acts = Counter(entry["act"] for entry in await answer.json())
        async with session.get(f"{control.url}/?lang=en") as answer:
            english = await answer.text()

    assert state["sunshine"] == {"fault": "500", "share": 0.3, "hits": 0}
    assert wrong == (400, "stand-in 'nobody' is not known, expected one of sunshine, hotline")
    assert numbers == [0, 1, 2, 3]
    assert (changed, acts) == (2, {"arrive": 4, "change": 2})
    assert '<option value="slow" selected>' in shown
    assert "Sandbox control" in english


def test_a_switchboard_names_what_it_has() -> None:
    with pytest.raises(UnknownFault, match="stand-in 'oa' is not known, expected one of sunshine"):
        Switchboard([SunshinePlatform().switch]).set("oa", "slow")


async def test_a_writer_follows_his_mail_up_once(tmp_path: Path) -> None:
    async with MailServer() as server:
        director = Director(Doors(mailbox=server), Journal(tmp_path / "j"), 1)
        await director.change(await director.arrive("mailbox"), Random(1))

    assert director.changeable() == []

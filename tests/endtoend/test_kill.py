"""kill -9 at every boundary and at twenty moments in between: every matter reaches the OA all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.endtoend import accounting
from tests.endtoend.conftest import OpenTown, Town
from tests.endtoend.installation import Flight
from tests.endtoend.letterbox import Letter, letters
from tests.endtoend.recorder import Hold

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.timeout(900)]

MAILS, PETITIONS, ORDERS, SCANS = 200, 100, 100, 10
BOUNDARIES = {
    "after_raw_commit:2": "read",
    "after_claim:2": "",
    "store.commit:40": "",
    "store.committed:40": "",
    "before_post:3": "push:",
    "after_answer:3": "push:",
}
LETTERS_BOUNDARIES = {
    "mid_settle": "settle:letters",
    "mid_ocr": "read:letter",
}
"""Crash point: the lane of which steps must be in the dead daemon's hands (any, where none is named)."""
KILLS = 20


@dataclass
class Sources:
    """What has not arrived yet."""

    town: Town
    mails: list[Letter] = field(default_factory=lambda: letters(MAILS))
    petitions: int = PETITIONS
    orders: int = ORDERS
    scans: int = SCANS

    async def bring(self, mails: int, petitions: int, orders: int, scans: int) -> None:
        """So many more of each arrive, as long as there are any."""
        now, self.mails = self.mails[:mails], self.mails[mails:]
        petitions, orders, scans = min(petitions, self.petitions), min(orders, self.orders), min(scans, self.scans)
        self.petitions, self.orders, self.scans = (
            self.petitions - petitions,
            self.orders - orders,
            self.scans - scans,
        )
        await asyncio.gather(
            self.town.post(now),
            self.town.standins.arrive("sunshine", petitions),
            self.town.standins.arrive("hotline", orders),
            self.town.standins.arrive("letters", scans),
        )

    async def bring_the_rest(self) -> None:
        await self.bring(len(self.mails), self.petitions, self.orders, self.scans)


async def test_killed_again_and_again_every_matter_is_one_case_in_its_last_words(open_town: OpenTown) -> None:
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  shown when the test fails
    async with open_town(delay=0.25) as town:
        sources = Sources(town)
        await sources.bring(40, 20, 20, 0)
        await at_every_boundary(town, sources)
        await at_twenty_moments(town, sources, Random(seed))
        await under_load_it_stops_in_order(town, sources)

        await town.office.start()
        status = await town.office.at_rest()
        found = await accounting.cases_at_the_oa(town.standins)
        petitions, orders = await town.standins.petitions(), await town.standins.orders()
        stats = await town.standins.get("oa", "/api/stats")
        changed = [(one["door"], one["number"]) for one in await town.standins.arrivals() if one["act"] == "change"]
        assert await town.office.stop() < 10
        scans = list((town.office.folder / "archive").rglob("*.*"))

    mails = letters(MAILS)
    assert [len(found[kind]) for kind in ("mailbox", "sunshine", "hotline", "letter")] == [
        MAILS,
        PETITIONS,
        ORDERS,
        SCANS,
    ]
    accounting.check_mails(found["mailbox"], mails)
    accounting.check_petitions(found["sunshine"], petitions)
    accounting.check_orders(found["hotline"], orders)
    assert len(changed) > len(set(changed))  # some were revised twice
    assert {door for door, _ in changed} == {"sunshine", "hotline"}
    assert list(town.standins.letters.iterdir()) == []
    assert len(scans) == SCANS
    accounting.check_scans(found["letter"], scans)
    accounting.check_nothing_waits(status)
    accounting.check_bodies(town.recorder.attempts)
    assert [stats[name] for name in ("altered", "out_of_order", "bad_signatures")] == [0, 0, 0]
    assert stats["cases"] == MAILS + PETITIONS + ORDERS + SCANS
    assert stats["duplicates"] > 0  # what was answered and not written down came again, and was recognised
    said_in_confidence = [word for one in mails for word in (one.name, one.phone, one.title)]
    said_in_confidence += [person["xm"] for one in petitions.values() for person in one["xfr"] if len(person["xm"]) > 2]
    said_in_confidence += [phone for one in orders.values() if (phone := one["company_tel"])]
    said_in_confidence += ["柳荫里", *(one["bt"] for one in petitions.values())]
    accounting.check_secrecy(town.office.data, town.office.log, said_in_confidence)


async def at_every_boundary(town: Town, sources: Sources) -> None:
    await at_boundaries(town, sources, BOUNDARIES)
    for where in (Hold.BEFORE, Hold.AFTER):
        await amid_a_post(town, sources, where)
    await sources.bring(0, 0, 0, 3)
    await at_boundaries(town, sources, LETTERS_BOUNDARIES)
    await amid_recognition(town)


async def at_boundaries(town: Town, sources: Sources, boundaries: Mapping[str, str]) -> None:
    """The daemon dies by its own hand, each time it reaches one of them."""
    for point, lane in boundaries.items():
        await sources.bring(3, 2, 2, 0)
        await town.office.start(crash_at=point, begun=False)
        await town.office.killed()
        check_flight(town.office.flight(), point, lane)


async def amid_a_post(town: Town, sources: Sources, where: Hold) -> None:
    await sources.bring(3, 2, 2, 0)
    town.recorder.keep_waiting(where)
    await town.office.start()
    await asyncio.wait_for(town.recorder.held.wait(), 60)
    await town.office.kill()
    town.recorder.let_go()
    check_flight(town.office.flight(), str(where), "push:")


async def amid_recognition(town: Town) -> None:
    """While the process that recognises a scan is at it."""
    await town.office.start()
    pid = town.office.process.pid
    await town.office.until(lambda: any(used(child) > 2 for child in children(pid)), "a scan is being recognised")
    await town.office.kill()
    check_flight(town.office.flight(), "recognition", "read:letter")


def check_flight(flight: Flight, point: str, lane: str) -> None:
    """Steps of the lane were in hand; right after the commit that brings matters their reading is still queued."""
    assert flight.leased + flight.waiting > 0, point
    told = flight.queued if lane == "read" else flight.lanes
    assert not lane or any(name.startswith(lane) for name in told), f"{point}: {flight}"


async def at_twenty_moments(town: Town, sources: Sources, dice: Random) -> None:
    """Each life is cut off after some of its work; every fourth is long enough for a scan.

    A death with idle hands, or one with nothing in them but a scan where more was due, does not count.
    """
    counted: list[Flight] = []
    for life in range(3 * KILLS):
        long = life % 4 == 0
        await sources.bring(6, 3, 3, 1 if long else 0)
        await town.standins.change(0.08)
        await town.office.start()
        if long:
            await asyncio.sleep(dice.uniform(3, 6))
        else:
            await some_work(town, dice.randrange(30))
            await asyncio.sleep(dice.uniform(0, 0.05))
        await town.office.kill()
        flight = town.office.flight()
        if flight.lanes - {"read:letter"} or (long and flight.leased):
            counted.append(flight)
        if len(counted) == KILLS:
            break

    assert len(counted) == KILLS, f"only {len(counted)} deaths in {life + 1} lives met work in flight"
    assert {lane.partition(":")[0] for flight in counted for lane in flight.lanes} >= {"read", "push"}


async def some_work(town: Town, steps: int) -> None:
    """Let the daemon say so many things about its work; or nothing more for want of work."""
    before = len(town.office.log_lines())
    with suppress(TimeoutError):
        await town.office.until(lambda: len(town.office.log_lines()) - before > steps, "it works", patience=1.5)


async def under_load_it_stops_in_order(town: Town, sources: Sources) -> None:
    await sources.bring_the_rest()
    await town.standins.change(0.1)
    delivered = town.office.said("event delivered")
    await town.office.start()
    await town.office.until(lambda: town.office.said("event delivered") > delivered + 3, "events are delivered")
    assert await town.office.stop() < 10
    flight = town.office.flight()
    assert flight.waiting > 0
    assert flight.leased == 0  # what could not end was given back


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def used(pid: int) -> float:
    """Seconds of processor time."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100

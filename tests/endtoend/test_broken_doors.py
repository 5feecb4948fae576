"""A door or a target that breaks: said once, the others go on, asked again later, recovered by itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from sandbox.mailbox import USER
from tests.endtoend.installation import Installation
from tests.endtoend.office import configuration
from tests.endtoend.standins import Standins, standins

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SHUT, BACK = "channel unavailable", "channel is back"
QUICK = ("sunshine", "hotline", "mailbox")
KINDS = {"letters": "letter"}
"""What the case calls a door, where it is another word."""
WAITING, ANSWERS = "target does not take events; they wait", "target answers"


@dataclass(frozen=True)
class Place:
    office: Installation
    standins: Standins

    async def arrive(self, *doors: str) -> None:
        for door in doors:
            await self.standins.arrive(door, 1)

    async def delivered(self, what: str, **wanted: int) -> None:
        """Wait until the OA has so many cases of each kind of channel."""

        async def enough() -> bool:
            try:
                cases = [*await self.standins.oa_cases(), *await self.standins.oa_cases("discipline")]
            except aiohttp.ClientError:
                return False  # it is only just coming back
            kinds = Counter(one["case"]["channel_kind"] for one in cases)
            return all(kinds[kind] >= count for kind, count in wanted.items())

        await self.office.until_it(enough, what)

    async def counts(self) -> dict[str, int]:
        """How many matters have arrived by now, by kind of channel."""
        arrived = [one["door"] for one in await self.standins.arrivals() if one["act"] == "arrive"]
        return {KINDS.get(door, door): arrived.count(door) for door in (*QUICK, "letters")}

    async def failures(self) -> Mapping[str, int]:
        return {door["name"]: door["failures"] for door in (await self.office.status())["doors"]}

    async def attempts(self, outcome: str) -> int:
        """What the metrics say of attempts to deliver."""
        port = re.search(r"\n  port: (\d+)", self.office.config.read_text("utf-8"))
        assert port is not None
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port[1]}/metrics") as answer:
            text = await answer.text()
        counted = re.findall(rf'xinqiao_delivery_attempts_total{{.*outcome="{outcome}".*}} (\S+)', text)
        return int(sum(map(float, counted)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    async with standins(folder / "standins", "sunshine,hotline,mailbox,letters,oa") as others:
        places = others.places
        config = configuration(
            folder / "office",
            sunshine=places["sunshine"],
            hotline=places["hotline"],
            mailbox=int(re.findall(r":(\d+)/", places["mailbox"])[0]),
            user=USER,
            letters=others.letters,
            oa=places["oa"],
        )
        office = Installation(folder / "office", impatient(config), dict(others.keys))
        try:
            await office.start()
            yield Place(office, others)
            assert await office.stop() < 10
        finally:
            await office.end()


def impatient(config: str) -> str:
    """Two seconds for every answer, and an answer that says what became of the event."""
    for key in ("app_id: xinqiao", f"username: {USER}"):
        config = config.replace(key, f"{key}\n    timeout: 2s")
    return config.replace("    retry:", "    timeout: 2s\n    success: {path: code, equals: 0}\n    retry:")


@pytest.mark.parametrize(
    "faults",
    [
        {"sunshine": "down", "hotline": "500", "mailbox": "down"},
        {"sunshine": "429", "hotline": "error"},
        {"sunshine": "slow", "hotline": "cut"},
        {"sunshine": "error", "hotline": "truncated"},
    ],
    ids=lambda faults: ",".join(f"{door}={fault}" for door, fault in faults.items()),
)
async def test_a_broken_door_is_said_once_stops_no_other_and_recovers(place: Place, faults: dict[str, str]) -> None:
    names = {door: "director_mailbox" if door == "mailbox" else door for door in faults}
    sound = "letters" if "mailbox" in faults else "mailbox"
    sound_kind = KINDS.get(sound, sound)
    said = {
        door: (place.office.said(SHUT, channel=name), place.office.said(BACK, channel=name))
        for door, name in names.items()
    }
    before = await place.counts()

    for door, fault in faults.items():
        await place.standins.fault(door, fault)
    await place.arrive(sound, *faults)
    await place.delivered("the sound door goes on", **{sound_kind: before[sound_kind] + 1})

    async def failed_twice() -> bool:
        failures = await place.failures()
        return all(failures[name] >= 2 for name in names.values())

    await place.office.until_it(failed_twice, "both doors were asked again")
    for door in faults:
        await place.standins.fault(door, "none")
    await place.delivered("both doors recover", **{door: before[door] + 1 for door in faults})
    await place.office.until(
        lambda: all(place.office.said(BACK, channel=name) > said[door][1] for door, name in names.items()), "it is said"
    )

    for door, name in names.items():
        assert place.office.said(SHUT, channel=name) == said[door][0] + 1
        assert place.office.said(BACK, channel=name) == said[door][1] + 1
    assert place.office.said("channel refused") == 0


async def test_what_a_platform_lists_twice_is_one_case(place: Place) -> None:
    before = await place.counts()
    for door in QUICK:
        await place.standins.fault(door, "duplicate")
        await place.standins.arrive(door, 3)
    await place.office.at_rest()
    for door in QUICK:
        await place.standins.fault(door, "none")
    await place.office.at_rest()
    cases = [*await place.standins.oa_cases(), *await place.standins.oa_cases("discipline")]

    for door in QUICK:
        numbers = [one["case"]["source_no"] for one in cases if one["case"]["channel_kind"] == door]
        assert len(numbers) == len(set(numbers)) == before[door] + 3


@pytest.mark.parametrize("fault", ["down", "500", "429", "error", "cut", "slow"])
async def test_a_broken_oa_is_said_once_stops_no_door_and_gets_everything_when_it_is_back(
    place: Place, fault: str
) -> None:
    before, failed = await place.counts(), await place.attempts("again")
    said = {target: place.office.said(WAITING, target=target) for target in ("oa", "discipline")}
    kept = place.office.said("case kept")

    await place.standins.fault("oa", fault)
    for door in QUICK:
        await place.standins.arrive(door, 2)

    async def tried_again() -> bool:
        return await place.attempts("again") >= failed + 8

    await place.office.until(lambda: place.office.said("case kept") >= kept + 6, "the doors go on")
    await place.office.until_it(tried_again, "the OA is asked again")
    await place.standins.fault("oa", "none")
    await place.delivered("it gets everything", **{door: before[door] + 2 for door in QUICK})
    await place.office.at_rest()
    stats = await place.standins.get("oa", "/api/stats")

    news = {target: place.office.said(WAITING, target=target) - times for target, times in said.items()}
    assert news["oa"] == 1
    assert news["discipline"] <= 1
    assert place.office.said(WAITING) == place.office.said(ANSWERS)
    assert [stats[name] for name in ("altered", "out_of_order", "bad_signatures")] == [0, 0, 0]
    assert place.office.said("event laid aside; its case's later events wait") == 0


async def test_a_door_that_refuses_our_secret_is_an_error_and_waits_for_a_person(place: Place, tmp_path: Path) -> None:
    config = place.office.config.read_text("utf-8").replace(str(place.office.folder), str(tmp_path))
    begin, end = config.index("  hotline:\n"), config.index("targets:\n")
    office = Installation(
        tmp_path, config[:begin] + config[end:], {**place.standins.keys, "SUNSHINE_APP_SECRET": "wrong"}
    )
    await office.start("--stages", "poll,read,dispatch")
    await office.until(lambda: office.said("channel refused", channel="sunshine") == 1, "it is said")
    status = await office.command("status")
    await office.stop()

    assert status.status == 1
    assert "被拒绝" in status.out
    assert [line["level"] for line in office.log_lines() if line["event"] == "channel refused"] == ["error"]

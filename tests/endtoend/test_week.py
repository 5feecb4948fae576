"""A week of the daemon in simulated time: over New Year, with all that goes wrong in one, and what it says of it.

Monday 28 December 2026 to Monday 4 January 2027. Half-hours by day, longer steps at night: what falls due in between is
seen with the next.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingest.alarms import looking
from sandbox.faults import Fault
from sandbox.matters import matter
from tests.endtoend.simulation import World, a_world, at, living

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600), pytest.mark.usefixtures("arranged_to_2026")]
SHIPPED = Path("calendar.yaml").read_text("utf-8").partition("\n2027:")[0]
"""As it was before the next year was in it."""
NEXT_YEAR = """
2027:
  holidays:
    - 2027-01-01 .. 2027-01-03
"""


async def test_a_week_over_new_year_in_which_everything_fails_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, "12-28 08:00", monkeypatch) as world:
        world.calendar.write_text(SHIPPED, "utf-8")
        world.write_config()
        waiting = world.sunshine.register(matter(1, 1), at("12-15 10:00"))
        answered = world.sunshine.register(matter(1, 3), at("12-15 11:00"))
        order = world.hotline.register(matter(1, 2), at("12-25 10:00"))
        numbers = [_number(world, key) for key in (waiting, answered)]
        async with living(world):
            await world.settle()
            await _taken_up(world, numbers[1])
            await world.pass_to("12-29 10:00")
            during = await _door_down_until_three(world)
            await world.pass_to("12-30 00:00")
            late = await _oa_down_for_a_day(world)
            await world.pass_to("12-31 10:00")
            meanwhile = await _configuration_broken_until_noon(world)
            await world.pass_to("12-31 14:00")
            await _next_year_becomes_known(world, order)
            await world.pass_to("01-02 10:00")
            await _disk_nearly_full(world, monkeypatch)
            await world.pass_to("01-04 09:00")
            first = world.sunshine.register(matter(1, 30), at("01-04 09:00"))
            await world.pass_to("01-04 12:00")

        _check_deadlines(world, numbers, order)
        _check_alarms(world)
        _check_digests(world)
        for key in (during, late, meanwhile):
            assert [type_ for _, type_, _ in world.events_of(_number(world, key))].count("case.created") == 1
        ((_, _, data), *_) = world.events_of(_number(world, first))
        assert data["case"]["case_no"] == "2027-000001"
        _check_nothing_came_twice(world)


def _number(world: World, key: str) -> str:
    return str(world.sunshine.records[key]["xfjbh"])


async def _taken_up(world: World, number: str) -> None:
    """The OA has accepted one of two matters that are due on Wednesday."""
    ((_, _, data), *_) = world.events_of(number)
    assert await world.report(data["case"]["case_id"], "accepted") == 200


async def _door_down_until_three(world: World) -> str:
    world.sunshine.switch.set(Fault.DOWN)
    await world.sunshine.turned()
    key = world.sunshine.register(matter(1, 10), at("12-29 11:00"))
    await world.pass_to("12-29 15:00")
    assert world.events_of(_number(world, key)) == []
    world.sunshine.switch.set(Fault.NONE)
    await world.sunshine.turned()
    return key


async def _oa_down_for_a_day(world: World) -> str:
    world.answers = lambda: False
    await world.pass_to("12-30 09:00")
    key = world.sunshine.register(matter(1, 11), at("12-30 09:00"))
    taken = len(world.events)
    await world.pass_to("12-31 00:00")
    assert len(world.events) == taken
    world.answers = lambda: True
    return key


async def _configuration_broken_until_noon(world: World) -> str:
    """The old one stays in force, and matters come in as before."""
    good = world.config.read_text("utf-8")
    world.config.write_text(good.replace("kind: hotline", "kind: hotlin"), "utf-8")
    await world.reread()
    key = world.sunshine.register(matter(1, 12), at("12-31 10:10"))
    await world.pass_to("12-31 11:00")
    assert world.events_of(_number(world, key)) != []
    assert "xinqiao_configuration_refused 1.0" in await world.page("/metrics")
    await world.pass_to("12-31 12:00")
    world.config.write_text(good, "utf-8")
    await world.reread()
    return key


async def _next_year_becomes_known(world: World, order: str) -> None:
    """What reaches into it is counted anew: no revision, no event."""
    before = await world.case(order)
    assert _due(before, "12345.help") == ("2027-01-01T23:59:59+08:00", True)
    world.calendar.write_text(SHIPPED + NEXT_YEAR, "utf-8")
    await world.pass_to("12-31 15:00")
    after = await world.case(order)
    assert _due(after, "12345.help") == ("2027-01-04T23:59:59+08:00", False)
    assert after["revision"] == before["revision"]


async def _disk_nearly_full(world: World, patch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(disk_usage=lambda _: shutil._ntuple_diskusage(100, 95, 5))
    with patch.context() as patching:
        patching.setattr(looking, "shutil", full)
        await world.pass_to("01-02 11:00")
    await world.pass_to("01-02 12:00")


def _due(case: dict[str, Any], rule: str) -> tuple[str, bool]:
    ((due, provisional),) = [(one["due_at"], one["provisional"]) for one in case["deadlines"] if one["rule"] == rule]
    return due, provisional


def _reminded(world: World, number: str, rule: str) -> list[tuple[str, str]]:
    return [
        (moment, data["deadline"]["stage"])
        for moment, type_, data in world.events_of(number)
        if type_ in ("case.due_soon", "case.overdue") and data["deadline"]["rule"] == rule
    ]


def _check_deadlines(world: World, numbers: list[str], order: str) -> None:
    waiting, answered = numbers
    told = _reminded(world, waiting, "xf.notice")
    assert [stage for _, stage in told] == ["half", "workday_before", "same_day", "overdue"]
    assert told[1][0] == "12-29 08:30"
    assert all(moment.startswith("12-31 0") for moment, _ in told[2:])  # the OA was down on the day itself
    assert [stage for _, stage in _reminded(world, answered, "xf.notice")] == ["half"]  # accepted: that clock stands
    of_order = world.events_of(order)
    assert [moment for moment, stage in _reminded(world, order, "12345.help") if stage == "same_day"] == ["01-04 08:30"]
    assert [type_ for _, type_, _ in of_order].count("case.updated") <= 1  # from its attachments, not its calendar


def _check_alarms(world: World) -> None:
    assert world.told("door_down") == [("12-29 11:00", "raised"), ("12-29 15:00", "still"), ("12-29 15:30", "over")]
    first, *between, last = world.told("target_down")
    assert first == ("12-30 10:00", "raised")  # the third failure in a row, and a quarter of an hour
    assert last[0].startswith("12-31 0")
    assert last[1] == "over"
    assert {state for _, state in between} == {"still"}
    assert len(between) == 3  # every four hours
    assert world.told("configuration") == [("12-31 10:00", "raised"), ("12-31 12:00", "over")]
    known = world.told("calendar")
    assert [state for _, state in known] == ["raised", "still", "still", "still", "over"]  # once a day
    assert known[-1][0].startswith("12-31 14")
    assert world.told("disk") == [("01-02 10:30", "raised"), ("01-02 11:30", "over")]
    assert world.told("nothing_new") == [("01-04 00:00", "raised")]  # the fourth working day: Friday was none
    assert Counter(one.kind for one in world.alarms) == Counter(
        {"door_down": 3, "target_down": 5, "configuration": 2, "calendar": 5, "disk": 2, "digest": 5, "nothing_new": 1}
    )  # and nothing else


def _check_digests(world: World) -> None:
    """On working days only: Friday is New Year."""
    assert [moment for moment, _ in world.told("digest")] == [
        f"{day} 08:30" for day in ("12-28", "12-29", "12-30", "12-31", "01-04")
    ]


def _check_nothing_came_twice(world: World) -> None:
    seen = Counter(world.taken)
    assert max(seen.values()) == 1

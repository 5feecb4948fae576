"""Parts of the daemon by their terms: what has not changed goes on, what has ends in order and begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from ingest import crew
from ingest.crew import Changes, Crew, Part, Plan, compare
from store.wakes import Wakes


def test_what_has_the_same_terms_goes_on_and_all_else_changes() -> None:
    running = {"a": 1, "b": 2, "c": (3, "x"), "gone": 4}

    assert compare(running, {"a": 1, "b": 5, "c": (3, "x"), "new": 6}) == Changes(
        added=("new",), removed=("gone",), changed=("b",), same=("a", "c")
    )


def test_from_nothing_all_is_added_and_to_nothing_all_is_removed() -> None:
    assert compare({}, {"a": 1}) == Changes(added=("a",))
    assert compare({"a": 1}, {}) == Changes(removed=("a",))


@dataclass
class Ward:
    """Parts that write down what becomes of them."""

    crew: Crew = field(default_factory=lambda: Crew(Wakes()))
    said: list[str] = field(default_factory=list)

    def plans(self, terms: Mapping[str, object]) -> dict[str, Plan]:
        return {name: Plan(one, lambda name=name, one=one: self._part(f"{name}{one}")) for name, one in terms.items()}  # type: ignore[misc]

    async def turn(self, group: asyncio.TaskGroup, terms: Mapping[str, object]) -> Changes:
        changes = await self.crew.prepare(self.plans(terms))
        await self.crew.stop(changes.ending)
        await self.crew.close(changes.ending)
        self.crew.begin(group)
        await asyncio.sleep(0)
        return changes

    def _part(self, name: str) -> Part:
        if name.endswith("bad"):
            raise ValueError(name)

        async def finishing(stopping: asyncio.Event) -> None:
            self.said.append(f"{name} begins")
            await stopping.wait()
            self.said.append(f"{name} finishes")

        async def cut(_stopping: asyncio.Event) -> None:
            await asyncio.Event().wait()

        async def close() -> None:
            self.said.append(f"{name} lets go")

        return Part([finishing], [cut], close)


@pytest.fixture
async def ward() -> AsyncIterator[Ward]:
    made = Ward()
    async with asyncio.timeout(20):
        yield made


async def test_the_changed_one_ends_before_it_begins_anew_and_the_other_hears_nothing(ward: Ward) -> None:
    async with asyncio.TaskGroup() as group:
        await ward.turn(group, {"a": 1, "b": 1})
        ward.said.clear()
        await ward.turn(group, {"a": 1, "b": 2})
        said = list(ward.said)
        await ward.crew.stop()
        await ward.crew.close()

    assert said == ["b1 finishes", "b1 lets go", "b2 begins"]
    assert sorted(ward.said[3:]) == ["a1 finishes", "a1 lets go", "b2 finishes", "b2 lets go"]


async def test_a_plan_that_cannot_be_made_leaves_all_as_it_was(ward: Ward) -> None:
    async with asyncio.TaskGroup() as group:
        await ward.turn(group, {"a": 1})
        ward.said.clear()
        with pytest.raises(ValueError, match="cbad"):
            await ward.turn(group, {"b": 1, "a": 2, "c": "bad"})
        said = list(ward.said)
        again = await ward.turn(group, {"a": 1})
        await ward.crew.stop()
        await ward.crew.close()

    assert said == ["b1 lets go"]
    assert again == Changes(same=("a",))


async def test_parts_that_were_made_and_never_began_are_let_go(ward: Ward) -> None:
    await ward.crew.prepare(ward.plans({"a": 1}))

    await ward.crew.close()

    assert ward.said == ["a1 lets go"]


async def test_what_may_take_long_to_end_is_waited_for_while_the_daemon_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crew, "GRACE", timedelta(milliseconds=10))
    ended: list[str] = []

    def plan(name: str, patience: timedelta) -> Plan:
        async def slow(stopping: asyncio.Event) -> None:
            await stopping.wait()
            try:
                await asyncio.sleep(0.3)
            except asyncio.CancelledError:
                ended.append(f"{name} was cut")
                raise
            ended.append(name)

        return Plan(1, lambda: Part(finishing=[slow], patience=patience), careful=True)

    parts = Crew(Wakes())
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        await parts.prepare({"quick": plan("quick", timedelta(0)), "slow": plan("slow", timedelta(seconds=10))})
        parts.begin(group)
        await asyncio.sleep(0)
        await parts.stop(["slow"])
        await parts.stop()

    assert ended == ["slow", "quick was cut"]


async def test_what_cannot_give_back_what_it_has_in_hand_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As while its database is gone: another configuration is taken up all the same."""
    monkeypatch.setattr(crew, "GRACE", timedelta(milliseconds=50))
    database, given_back = asyncio.Event(), asyncio.Event()

    async def stubborn(_stopping: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await database.wait()
            given_back.set()

    parts = Crew(Wakes())
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        await parts.prepare({"target": Plan(1, lambda: Part(finishing=[stubborn]))})
        parts.begin(group)
        await asyncio.sleep(0)
        await parts.stop(["target"])
        assert not given_back.is_set()
        database.set()

    assert given_back.is_set()


@pytest.mark.parametrize(
    ("before", "after", "finishes"), [(False, False, False), (True, False, True), (False, True, True)]
)
async def test_who_is_careful_or_followed_by_who_is_may_end_in_its_own_time(
    monkeypatch: pytest.MonkeyPatch, before: bool, after: bool, finishes: bool
) -> None:
    monkeypatch.setattr(crew, "GRACE", timedelta(milliseconds=50))
    said, cut = [], asyncio.Event()

    async def work(stopping: asyncio.Event) -> None:
        await stopping.wait()
        try:
            await asyncio.wait_for(cut.wait(), 0.5)
        except TimeoutError:
            said.append("finished")
        except asyncio.CancelledError:
            said.append("cut")
            raise

    def make() -> Part:
        return Part([work], patience=timedelta(seconds=20))

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        parts = Crew(Wakes())
        await parts.prepare({"a": Plan(1, make, before)})
        parts.begin(group)
        await asyncio.sleep(0)
        changes = await parts.prepare({"a": Plan(2, make, after)})
        await parts.stop(changes.ending)

    assert said == (["finished"] if finishes else ["cut"])

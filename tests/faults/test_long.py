"""The long form goes on where it was broken off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.faults.campaign import Outcome
from tests.faults.long import Plan, _hold
from tests.faults.reckoning import Reckoning
from tests.faults.session import Result


def note(held: Path, name: str, broken_off: Path) -> None:
    with held.open("a") as file:
        file.write(name)
    if broken_off.exists():
        raise RuntimeError("broken off")


async def session(_place: Path, held: Path, name: str, broken_off: Path) -> Result:
    note(held, name, broken_off)
    outcome = Outcome(Counter({"OA down": 4}), {"OA down": [0.5, 1.25]}, [], Counter({"poison": 1}))
    return Result("sqlite", outcome, Reckoning(matters=7, unique=7, doubled=["X"]))


def nothing(_results: Sequence[Result]) -> None:
    """Kept by the test itself."""


def test_what_was_held_to_its_end_is_not_held_again(tmp_path: Path) -> None:
    held, wall = tmp_path / "held", tmp_path / "wall"
    plans = [
        Plan("sqlite", "seed/1", partial(session, held=held, name="1", broken_off=tmp_path / "no")),
        Plan("sqlite", "outage 55000", partial(session, held=held, name="2", broken_off=wall)),
    ]
    wall.touch()
    first = _hold(plans, 1, nothing, tmp_path / "kept")
    wall.unlink()
    second = _hold(plans, 1, nothing, tmp_path / "kept")

    assert sorted(held.read_text()) == ["1", "2", "2"]
    assert [len(one.reckoning.wrong) for one in first] in ([0, 1], [1, 0])
    assert second[0] == second[1]
    assert second[0].outcome.counted["OA down"] == 4
    assert second[0].reckoning.findings == ["X"]

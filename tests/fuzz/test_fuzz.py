"""The short form of `make fuzz`: some hundred inputs for every reader of foreign bytes."""

from __future__ import annotations

import pytest

from tests.fuzz.running import run
from tests.fuzz.targets import TARGETS

RUNS = 150


@pytest.mark.filterwarnings("ignore")  # libraries warn of broken files
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_it_is_given_the_reader_keeps_its_promise(name: str) -> None:
    ran = run(TARGETS[name], RUNS)

    assert [(one.said, one.data) for one in ran.findings] == []
    assert ran.longest < 5

"""The short form of `make fuzz`: some hundred inputs for every reader of foreign bytes."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import pytest

from adapters.imap import NotHandedOver
from tests.fuzz import running
from tests.fuzz.imap import visit
from tests.fuzz.running import run
from tests.fuzz.seeds import imap_sessions
from tests.fuzz.targets import TARGETS, Target

RUNS = 150


@pytest.mark.filterwarnings("ignore")  # libraries warn of broken files
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_it_is_given_the_reader_keeps_its_promise(name: str) -> None:
    ran = run(TARGETS[name], RUNS)

    assert [(one.said, one.data) for one in ran.findings] == []
    assert ran.longest < 5


def read_without_end(_data: bytes) -> None:
    while True:
        with suppress(Exception):
            time.sleep(1)


def test_a_reader_that_hangs_is_found_whatever_it_swallows_and_other_alarms_still_ring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "HANGS", 0.1)
    before, (alarm, _) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)

    ran = run(Target(read_without_end, lambda: [b"a seed"]), 1)

    assert [one.said.partition(" ")[0] for one in ran.findings] == ["Hanging"]
    assert signal.getsignal(signal.SIGALRM) is before
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < alarm


def test_an_imap_answer_that_is_all_brackets_is_not_understood() -> None:
    session = imap_sessions()[0].replace(b"BODY[]<0> NIL", b"BODY[]<0> " + b"(" * 5000)

    with pytest.raises(NotHandedOver, match=r"not understood \(RecursionError\)"):
        visit(session)

"""The short form of `make fuzz`: some hundred inputs for every reader of foreign bytes."""

from __future__ import annotations

import pytest

from adapters.imap import NotHandedOver
from tests.fuzz.imap import visit
from tests.fuzz.running import run
from tests.fuzz.seeds import imap_sessions
from tests.fuzz.targets import TARGETS

RUNS = 150


@pytest.mark.filterwarnings("ignore")  # libraries warn of broken files
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_it_is_given_the_reader_keeps_its_promise(name: str) -> None:
    ran = run(TARGETS[name], RUNS)

    assert [(one.said, one.data) for one in ran.findings] == []
    assert ran.longest < 5


def test_an_imap_answer_that_is_all_brackets_is_not_understood() -> None:
    session = imap_sessions()[0].replace(b"BODY[]<0> NIL", b"BODY[]<0> " + b"(" * 5000)

    with pytest.raises(NotHandedOver, match=r"not understood \(RecursionError\)"):
        visit(session)

"""One target, so many inputs: what broke, and how long the longest took."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from normalize.serve import where
from tests.fuzz.mangling import mangled
from tests.fuzz.targets import Target

CHUNK = 5_000
"""Inputs drawn under one seed: Hypothesis remembers what it drew, and is let forget between."""


HANGS = 20.0
"""Seconds after which reading one small input counts as a hang, on however busy a machine."""


AT_ONCE = 0.001


class Hanging(BaseException):
    """A reader does not come to an end; it takes this for no error of its own."""


@dataclass(frozen=True)
class Finding:
    said: str
    data: bytes


@dataclass(frozen=True)
class Ran:
    runs: int
    seconds: float
    findings: tuple[Finding, ...]
    """One for each place that broke."""
    longest: float
    """Seconds of computing: on a busy machine the clock on the wall tells of the others."""
    longest_input: bytes


def run(target: Target, runs: int, first_seed: int = 1, note: Callable[[bytes], None] = lambda data: None) -> Ran:
    """Read `runs` inputs; the same seed draws the same. `note` hears of each before it is read."""
    found: dict[str, Finding] = {}
    longest, slowest, done = 0.0, b"", 0

    def read(data: bytes) -> None:
        nonlocal longest, slowest, done
        note(data)
        begun = time.thread_time()
        try:
            with _within(HANGS):
                target.read(data)
        except target.expected:
            pass
        except (Exception, Hanging) as error:  # noqa: BLE001 - what a reader must not raise is what is looked for
            said = where(error) if str(error) == "" else f"{where(error)}: {str(error)[:100]}"
            found.setdefault(where(error) + str(error)[:40], Finding(said, data))
        took = time.thread_time() - begun
        done += 1
        if took > longest:
            longest, slowest = took, data

    drawn = mangled(target.seeds(), target.tokens)
    begun = time.perf_counter()
    chunk = 0
    while done < runs:
        _drawing(read, drawn, min(CHUNK, runs - done), first_seed + chunk)
        chunk += 1
    return Ran(done, time.perf_counter() - begun, tuple(found.values()), longest, slowest)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise Hanging after so many; an alarm that somebody else has set rings when it would have, or afterwards."""
    begun, before = time.monotonic(), signal.signal(signal.SIGALRM, _ring)
    theirs, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if theirs:
            signal.setitimer(signal.ITIMER_REAL, max(theirs - (time.monotonic() - begun), AT_ONCE))


def _ring(_number: int, _frame: object) -> None:
    raise Hanging(f"it still reads after {HANGS:g} s")


def _drawing(read: Callable[[bytes], None], drawn: st.SearchStrategy[bytes], count: int, number: int) -> None:
    plain = settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    seed(number)(plain(given(drawn)(read)))()

"""The short form: a few minutes, one session a store, fifty faults and more together; with the tests."""

from __future__ import annotations

from collections.abc import Collection
from random import SystemRandom

from tests.faults.session import Result
from tests.faults.table import as_text, is_good, summary


def seed_drawn() -> str:
    """By chance; shown when the test fails."""
    seed = f"{SystemRandom().randrange(10**6)}"
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    return seed


def check(result: Result, kinds: Collection[str], seed: str, faults: int) -> None:
    """Nothing lost, doubled, late or changed; every kind has struck; so many faults counted in all."""
    found = summary([result], {result.store: dict.fromkeys(kinds, 1)}, seed)
    print(as_text(found))  # noqa: T201 - shown when the test fails

    assert is_good(found), as_text(found)
    assert sum(found["faults"][result.store].values()) >= faults
    assert result.reckoning.matters == result.reckoning.unique
    assert result.reckoning.duplicate_posts > 0  # what was answered and not written down came again, and was known

"""The margins of many lines, found without comparing each with each."""

from __future__ import annotations

import random

import pytest

from normalize.margins import Span, margins


def compared_with_each(lines: list[Span]) -> list[Span]:
    """The rule itself, in as many steps as there are pairs."""
    found = []
    for begin, end in lines:
        column = [line for line in lines if min(end, line[1]) > max(begin, line[0])] or [(begin, end)]
        begins, ends = sorted(line[0] for line in column), sorted(line[1] for line in column)
        out = len(column) // 10
        found.append((begins[out], ends[len(ends) - 1 - out]))
    return found


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("width", [6, 60, 2000])
def test_the_margins_are_those_the_rule_gives(seed: int, width: int) -> None:
    chance = random.Random(seed * width)
    lines = [(chance.randint(0, width), chance.randint(0, width)) for _ in range(chance.randint(0, 70))]

    assert margins(lines) == compared_with_each(lines)


class Compared(int):
    """A number that counts how often one is compared."""

    times = 0

    def __lt__(self, other: int) -> bool:
        Compared.times += 1
        return int(self) < int(other)

    def __gt__(self, other: int) -> bool:
        Compared.times += 1
        return int(self) > int(other)

    def __neg__(self) -> Compared:
        return Compared(-int(self))


def steps_for(count: int) -> int:
    chance = random.Random(count)
    begins = [chance.randint(0, 900) for _ in range(count)]
    lines = [(Compared(begin), Compared(begin + chance.randint(1, 900))) for begin in begins]
    before = Compared.times
    margins(lines)
    return Compared.times - before


def test_eight_times_the_lines_take_little_more_than_eight_times_the_steps() -> None:
    few, many = steps_for(1000), steps_for(8000)

    assert 1000 < few < 200_000
    assert many < 16 * few

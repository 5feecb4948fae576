"""Between which margins each line of a page is written, whatever columns the page has."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

Span = tuple[int, int]
"""Where a line begins and ends, along its own direction of writing."""
_STICKING_OUT = 10
"""One line in so many that sticks out, such as a page number or a stamp, does not move the margin."""


def margins(lines: Sequence[Span]) -> list[Span]:
    """For each line the margins of its column: of the lines that overlap it, but for the tenth that sticks out most.

    A line that overlaps none, for it has no width, is its own column. Takes n log n steps for n lines.
    """
    columns = [line for line in lines if line[0] < line[1]]
    begins, ends = sorted(begin for begin, _ in columns), sorted(end for _, end in columns)
    out = [
        (bisect_left(begins, end) - bisect_right(ends, begin)) // _STICKING_OUT if begin < end else None
        for begin, end in lines
    ]
    wanted = [at for at, number in enumerate(out) if number is not None]
    left = dict(_smallest(columns, [(lines[at][0], at, out[at] or 0) for at in wanted]))
    mirrored = [(-end, -begin) for begin, end in columns]
    right = dict(_smallest(mirrored, [(-lines[at][1], at, out[at] or 0) for at in wanted]))
    return [(left[at], -right[at]) if number is not None else lines[at] for at, number in enumerate(out)]


def _smallest(spans: Sequence[Span], asked: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """For each (bound, name, place) that is asked: its name, and of the spans that end above the bound the beginning at
    that place, counted from 0. Those overlapping a line that begins at the bound are the first of them by beginning.
    """
    begins = sorted({begin for begin, _ in spans})
    counted = _Counted(len(begins))
    later = sorted(spans, key=lambda span: span[1])
    for bound, name, place in sorted(asked, reverse=True):
        while later and later[-1][1] > bound:
            counted.add(bisect_left(begins, later.pop()[0]))
        yield name, begins[counted.at(place)]


class _Counted:
    """Places counted in a Fenwick tree: adding one and finding the nth cost the logarithm of how many there are."""

    def __init__(self, size: int) -> None:
        self._sums = [0] * (size + 1)
        self._top = 1 << size.bit_length()

    def add(self, place: int) -> None:
        place += 1
        while place < len(self._sums):
            self._sums[place] += 1
            place += place & -place

    def at(self, number: int) -> int:
        """The place of the one with this number, counted from 0 in order of places."""
        place, step = 0, self._top
        while step:
            if place + step < len(self._sums) and self._sums[place + step] <= number:
                place += step
                number -= self._sums[place]
            step //= 2
        return place

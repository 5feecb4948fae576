"""Walking through lists of invented platforms, each drawn by a number: whatever they do, nothing is passed over."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from adapters.base import ChannelUnavailable, Raw, RawKind
from adapters.feed.page import Page
from adapters.feed.paging import Span, Walk

SECOND = timedelta(seconds=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PLATFORMS = 60
"""Drawn in each of the tests."""


class Platform:
    """A handful of records within few seconds, listed in one of many ways."""

    def __init__(self, draw: random.Random) -> None:
        seconds = draw.choice([1, 2, 3, 8, 20])
        self.records = {f"k{n}": BEGIN + SECOND * draw.randint(1, seconds) for n in range(draw.randint(0, 14))}
        self.now = BEGIN + SECOND * (seconds + 3)
        self.size = draw.randint(1, 4)
        self.order = draw.choice(["oldest first", "newest first", "by number"])
        self.said_ordered = self.order != "by number" and draw.random() < 0.8
        self.window = draw.choice([None, None, SECOND * draw.randint(1, 9)])
        self.takes_begin = draw.random() < 0.7
        self.repeats_last_page = draw.random() < 0.3
        self.deepest = draw.choice([None, None, 2, 3])
        self.tells_total = self.deepest is not None or draw.random() < 0.6

    async def read(self, span: Span, number: int) -> Page:
        begin = span.begin if self.takes_begin else span.begin + SECOND
        within = [(at, key) for key, at in self.records.items() if begin <= at <= span.end]
        if self.order != "by number":
            within.sort(reverse=self.order == "newest first")
        last = min(max((len(within) - 1) // self.size + 1, 1), self.deepest or 99)
        page = min(number, last) if self.repeats_last_page else number
        rows = within[(page - 1) * self.size : page * self.size] if page <= last else []
        raws = tuple(Raw(RawKind.RECORD, key, "1", 0, key) for _, key in rows)
        return Page(b"", raws, tuple(at for at, _ in rows), len(within) if self.tells_total else None)

    def walk(self) -> Walk:
        return Walk("door", self.read, lambda: self.now, SECOND, self.size, self.said_ordered, self.window)


@pytest.mark.parametrize("number", range(20))
async def test_what_is_not_brought_is_said_and_no_cursor_passes_it(number: int) -> None:
    draw = random.Random(number)
    for _ in range(PLATFORMS):
        platform, brought, read_to = Platform(draw), set[str](), BEGIN
        error = None
        try:
            async for stretch in platform.walk().stretches(BEGIN):
                brought |= stretch.page.keys if stretch.page else set()
                read_to = max(read_to, stretch.read_to or read_to)
                missing = {key: at for key, at in platform.records.items() if key not in brought}

                assert all(read_to <= at for at in missing.values()), vars(platform)
        except ChannelUnavailable as hides:
            error = hides

        assert (brought == set(platform.records)) or error is not None, vars(platform)
        assert error is None or platform.deepest is not None, vars(platform)

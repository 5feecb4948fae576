"""Walking through everything a platform lists, so that no record falls between two pages.

A record changed while we page moves to the end of the list and pulls those behind it one place forward: the first
of page 2 becomes the last of page 1, and whoever asks for page 2 next never sees it. So we do not count pages.
One answer is a whole picture of its moment: when the list is in order of change, the first page from `begin` on holds
every record changed from `begin` up to the last time on it. We go on from that time (a tick earlier, so that it does
not matter whether the platform takes the bounds as included) and ask for the first page again. What was changed
meanwhile now stands later, and will come; what was not still stands where it stood.

Two things break this: more records with one time than a page holds, and a platform that lists in no order. There we
do count pages, and read the stretch again until a pass brings no record that was not seen: what slipped through in
one pass stands firm in the next. A page whose records all have one time proves no order (the platform may list the
newest first): only the page with the second time shows which it is.

A platform that gives no page beyond some number, though its total says there is more, hides the rest: what it gives is
kept, also of what is newer, the cursor stays, and a person hears of it.

What becomes visible late, with a time already passed (a slow transaction at the platform), the look-back catches.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import structlog

from adapters.base import ChannelUnavailable, Raw
from adapters.feed.page import Page

log = structlog.get_logger(__name__)

_PASSES = 6
_CLOCKS_AGREE_WITHIN = timedelta(days=1)
"""An empty stretch counts as read only when it is this old: the platform's clock may be behind ours."""
_STANDS_STILL = timedelta(days=10)
"""So long, over the longest holidays, what feeds the platform may stand still before somebody notices; what it then
brings bears its old times."""
_WINDOWS = 4
"""Requests a poll of an idle platform may cost to wait for that."""


State = tuple[str, str]
Times = tuple[datetime, ...]


@dataclass(frozen=True)
class Span:
    begin: datetime
    end: datetime


@dataclass(frozen=True)
class Stretch:
    """A page to keep, and how far all has been read with it; either may be missing."""

    page: Page | None
    read_to: datetime | None


@dataclass
class Walk:
    """`read` brings one numbered page (from 1) of a span; `size` records were asked for."""

    channel: str
    read: Callable[[Span, int], Awaitable[Page]]
    clock: Callable[[], datetime]
    tick: timedelta
    size: int
    ordered: bool
    max_window: timedelta | None

    async def stretches(self, begin: datetime) -> AsyncGenerator[Stretch, None]:
        """From `begin` to now, in steps of at most `max_window`."""
        position = begin
        given: set[State] = set()
        hides: ChannelUnavailable | None = None
        while position <= (now := self.clock()):
            span = Span(position, now if self.max_window is None else min(position + self.max_window, now))
            step = _Step(self, span, now, await self._first(span))
            held: Page | None = None  # until we know how far all has been read with it
            async with aclosing(step.pages()) as pages:
                async for page in pages:
                    if held:
                        yield Stretch(held, None)
                    held = _without(page, given)
            given = step.given
            if step.disordered:
                log.warning("listing is not in order of change; every window is read twice", channel=self.channel)
                yield Stretch(held, None)
                self.ordered, position, hides = False, begin, None
                continue
            hides = hides or step.hides
            yield Stretch(held, None if hides else step.read_to)
            if step.next is None:
                break
            position = step.next
        if hides:
            raise hides

    def surely_past(self, span: Span, now: datetime) -> datetime:
        """How far a span counts as read beyond its last record; else idle years are walked at every poll."""
        if self.max_window is None:
            return span.begin
        late = max(self.max_window, min(_STANDS_STILL, _WINDOWS * self.max_window), _CLOCKS_AGREE_WITHIN)
        return min(span.end, now - late)

    async def _first(self, span: Span) -> Page:
        page = await self.read(span, 1)
        if not page.raws and page.total:
            raise ChannelUnavailable(f"{self.channel}: listed none of {page.total} records; expected the first of them")
        return page

    def is_last(self, page: Page, seen: int) -> bool:
        """Only the platform's total, met by different records, proves an end: a short page may be all it ever gives."""
        return page.total is not None and seen >= page.total and len(page.raws) < self.size

    def beyond(self, times: Times, span: Span) -> datetime | None:
        """Where to go on after pages with these times; None: they prove no order, or lead no further into the span."""
        if not self.ordered or not _ascends(times) or len(set(times)) < 2:
            return None
        reached = times[-1] - self.tick
        return reached if span.begin < reached and times[-1] <= span.end else None

    def hiding(self, listed: int, total: int | None) -> ChannelUnavailable | None:
        """What is to be said when a platform has come to its end after so many; None: that is all it has."""
        if total is None or listed >= total:
            return None
        return ChannelUnavailable(
            f"{self.channel}: listed {listed} of {total} records and nothing behind them; expected all: set"
            " listing.page_size larger or listing.max_window shorter, or listing.total to null if it counts what is"
            " never listed"
        )


@dataclass
class _Step:
    """One span, read from its first page as far as it leads, by counting pages only where nothing else helps."""

    walk: Walk
    span: Span
    now: datetime
    first: Page
    last: datetime | None = None
    """The latest time listed within the span."""
    given: set[State] = field(default_factory=set)
    reached: datetime | None = None
    """Where to go on; None: the span has been read to its end."""
    disordered: bool = False
    """It was to be listed in order of change, and is not: read anew without relying on that."""
    hides: ChannelUnavailable | None = None
    """The platform has more than it lists."""

    @property
    def read_to(self) -> datetime:
        """How far all has been read with this step."""
        if self.reached is not None:
            return self.reached + self.walk.tick
        past = self.walk.surely_past(self.span, self.now)
        return max(self.last or past, past)

    @property
    def next(self) -> datetime | None:
        """Where the next step begins; None: this was the last."""
        if self.reached is not None:
            return self.reached
        behind = self.span.begin if self.last is None else self.last + self.walk.tick
        if self.hides and self.walk.ordered and self.span.begin < behind <= self.span.end:
            return behind  # what one second hides hides nothing newer
        return self.span.end if self.span.end < self.now else None

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Each page that brings a record not seen before in this span."""
        if self._breaks_order(self.first.times):
            return
        is_last = self.walk.is_last(self.first, len(self.first.keys))
        self.reached = None if is_last else self.walk.beyond(self.first.times, self.span)
        if is_last or self.reached is not None:
            yield self._taken(self.first)
            return
        async with aclosing(self._until_still()) as pages:
            async for page in pages:
                yield self._taken(page)

    def _taken(self, page: Page) -> Page:
        if page.times:  # a record from the future must not carry the cursor there
            listed = min(max(page.times), self.span.end)
            self.last = max(self.last or listed, listed)
        new = _without(page, self.given)
        self.given |= {_state(raw) for raw in page.raws}
        return new

    async def _until_still(self) -> AsyncGenerator[Page, None]:
        seen: set[str] = set()
        start: Page | None = self.first
        for _ in range(_PASSES):
            fresh = False
            async with aclosing(self._pass(start)) as pages:
                async for page in pages:
                    if not page.keys <= seen:
                        fresh = True
                        seen |= page.keys
                        yield page
            if not fresh or self.disordered:
                return
            start = None
        raise ChannelUnavailable(
            f"{self.walk.channel}: the list changed during each of {_PASSES} readings; expected it to hold still once"
        )

    async def _pass(self, first: Page | None) -> AsyncGenerator[Page, None]:
        seen: set[str] = set()
        times: Times = ()
        number = listed = 0
        total: int | None = None
        self.reached = self.hides = None
        while True:
            number += 1
            page = first if first and number == 1 else await self.walk.read(self.span, number)
            total = page.total or total  # many tell 0 on a page that does not exist
            if page.keys <= seen:  # beyond the last page: nothing, or the last page once more
                self.hides = self.walk.hiding(listed, total)
                return
            seen |= page.keys
            listed += len(page.raws)
            yield page
            times = _ends((*times, *page.times))
            if self._breaks_order(times):
                return
            self.reached = self.walk.beyond(times, self.span)
            if self.reached is not None or self.walk.is_last(page, len(seen)):
                return

    def _breaks_order(self, times: Times) -> bool:
        self.disordered = self.walk.ordered and not _ascends(times)
        return self.disordered


def _ascends(times: Times) -> bool:
    return all(earlier <= later for earlier, later in pairwise(times))


def _ends(times: Times) -> Times:
    """Two that stand for all: in order exactly when all are."""
    if len(times) < 2:
        return times
    return (times[0], times[-1]) if _ascends(times) else (max(times), min(times))


def _state(raw: Raw) -> State:
    return raw.key, raw.version


def _without(page: Page, given: set[State]) -> Page:
    """The page with each record once, and only those not `given` before."""
    new = {_state(raw): raw for raw in page.raws if _state(raw) not in given}
    return replace(page, raws=tuple(new.values()))

"""The door to any HTTP platform: polled by time of change, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from adapters.base import Batch, ChannelRefused, Cursor, Fetched, Json
from adapters.feed.access import Access
from adapters.feed.asking import named
from adapters.feed.attachments import address, name_of
from adapters.feed.dialect import Dialect
from adapters.feed.page import Page, read_page
from adapters.feed.paging import Span, Walk
from adapters.feed.times import TimeFormat
from adapters.start import check_has_come

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Mark:
    """The cursor: every record changed before `modified` has been handed over, back to `origin`."""

    modified: datetime
    origin: datetime

    def written(self) -> dict[str, Json]:
        return {"modified": self.modified.isoformat(), "from": self.origin.isoformat()}


class FeedAdapter:
    """Speaks one dialect. Each page is one Batch: its bytes as received, its records as Raws pointing into them.

    "New" is what was changed: a record that reached the platform before `start_from` comes when it changes after it.
    """

    def __init__(self, name: str, dialect: Dialect, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._name = name
        self._dialect = dialect
        self._clock = clock
        self._access = Access(name, dialect, clock)
        self._times = TimeFormat(dialect.listing.time_format, ZoneInfo(dialect.listing.timezone))

    async def poll(self, cursor: Cursor | None, start_from: datetime) -> AsyncGenerator[Batch, None]:
        mark = _Mark(start_from, start_from) if cursor is None else _read_mark(cursor, self._name)
        if start_from < mark.origin:  # that was by a clock which has been set back since
            mark = _Mark(start_from, start_from)
        begin = max(mark.origin, mark.modified - self._dialect.look_back)
        check_has_come(self._name, begin, self._clock())
        skipped = await self._before(start_from) if cursor is None else 0
        unsaid = cursor is None
        async with aclosing(self._walk().stretches(begin)) as stretches:
            async for stretch in stretches:
                further = _Mark(max(mark.modified, stretch.read_to or mark.modified), mark.origin)
                raws = stretch.page.raws if stretch.page else ()
                if not raws and further == mark and not unsaid:
                    continue
                mark = further
                blobs = (stretch.page.content,) if stretch.page and raws else ()
                yield Batch(blobs, raws, mark.written(), skipped=skipped)
                unsaid, skipped = False, 0

    async def settle(self, token: Json) -> None:
        """Nothing is acknowledged at a platform we only read."""

    async def fetch(self, ref: str) -> Fetched:
        limits = self._dialect.attachments
        url = address(ref, self._dialect.base_url, limits.hosts, self._name)
        answer = await self._access.download(url, limits.max_bytes)
        return Fetched(answer.content, answer.media_type, name_of(url, answer.headers))

    async def probe(self) -> str:
        now = self._clock()
        page = await self._read(Span(now - min(self._dialect.listing.max_window or _DAY, _DAY), now), 1, size=1)
        listing = self._dialect.listing
        if page.raws and page.raws[0].key == page.raws[0].version:
            seen = f"but the first has no {' + '.join(listing.key)} to be known by"
        elif page.raws and not page.times:
            seen = f"but {listing.modified} of the first is not a time like {listing.time_format}"
        else:
            seen = f"{'an unknown number of' if page.total is None else page.total} records changed within a day"
        return f"{self._dialect.base_url} answers and lists its records, {seen}"

    async def close(self) -> None:
        await self._access.close()

    def _walk(self) -> Walk:
        listing = self._dialect.listing
        return Walk(
            channel=self._name,
            read=self._read,
            clock=self._clock,
            tick=self._times.tick,
            size=listing.page_size,
            ordered=listing.ordered,
            max_window=listing.max_window,
        )

    async def _read(self, span: Span, number: int, size: int | None = None) -> Page:
        listing = self._dialect.listing
        values = {
            "begin": self._times.write(span.begin),
            "end": self._times.write(span.end),
            "page": number - 1 + listing.first_page,
            "size": size or listing.page_size,
        }
        content, document = await self._access.call(listing, values)
        where, said = f"{self._name}: {named(self._dialect, listing)}", self._dialect.success is not None
        return read_page(content, document, listing, self._times, where, all_is_well=said)

    async def _before(self, start_from: datetime) -> int:
        """How many records the platform says it has from before; 0 where it cannot be asked."""
        if self._dialect.listing.max_window is not None or self._dialect.listing.total is None:
            return 0
        page = await self._read(Span(_LONG_AGO, start_from - self._times.tick), 1, size=1)
        return page.total or 0


_DAY = timedelta(days=1)


def _read_mark(cursor: Cursor, channel: str) -> _Mark:
    try:
        modified, origin = (datetime.fromisoformat(str(cursor[name])) for name in ("modified", "from"))
    except (LookupError, ValueError) as error:
        raise ChannelRefused(
            f"{channel}: the stored cursor is not one of a feed; expected modified and from"
        ) from error
    return _Mark(modified, origin)

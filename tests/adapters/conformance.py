"""What every door promises, said once: a door's tests join by subclassing Promises and giving a `stand`.

class TestMailboxPromises(Promises):
    @pytest.fixture
    def stand(self, dovecot): return MailboxStand(dovecot)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import datetime
from itertools import pairwise
from typing import Protocol

import pytest

from adapters.base import Adapter, Batch, ChannelRefused, ChannelUnavailable, Cursor, Json

MATTERS = 7


class Stand(Protocol):
    """A real source, empty at first, and the ways to stand before it."""

    start_from: datetime
    """Everything that arrives reaches the source after this."""

    def adapter(self) -> Adapter:
        """A new adapter for the source, taking few matters (at most three) into one batch."""
        ...

    async def arrive(self, count: int) -> None:
        """So many new, different matters reach the source."""
        ...

    async def shown(self) -> object:
        """What the source looks like to others: compared before and after."""
        ...

    def absent(self) -> Adapter:
        """An adapter whose source cannot be reached."""
        ...

    def refused(self) -> Adapter:
        """An adapter the source refuses."""
        ...


@asynccontextmanager
async def opened(adapter: Adapter) -> AsyncIterator[Adapter]:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(adapter.close)
        yield adapter


async def polled(adapter: Adapter, cursor: Cursor | None, stand: Stand, *, batches: int | None = None) -> list[Batch]:
    """What a poll brings, or only its first batches."""
    taken: list[Batch] = []
    if batches == 0:
        return taken
    async with aclosing(adapter.poll(cursor, stand.start_from)) as poll:
        async for batch in poll:
            taken.append(batch)
            if len(taken) == batches:
                break
    return taken


def keys(batches: list[Batch]) -> list[tuple[str, str]]:
    return [(raw.key, raw.version) for batch in batches for raw in batch.raws]


class Promises:
    """The promises of adapters.base.Adapter."""

    async def test_what_reached_the_source_is_brought_whole_and_once(self, stand: Stand) -> None:
        await stand.arrive(MATTERS)
        async with opened(stand.adapter()) as adapter:
            batches = await polled(adapter, None, stand)

        assert len(set(keys(batches))) == MATTERS
        assert len(keys(batches)) == MATTERS
        for batch in batches:
            for raw in batch.raws:
                assert batch.blobs[raw.blob]
                assert raw.locator
                assert raw.received_at is None or raw.received_at.tzinfo is not None

    async def test_polling_again_from_the_start_brings_the_same(self, stand: Stand) -> None:
        await stand.arrive(MATTERS)
        async with opened(stand.adapter()) as adapter:
            first = await polled(adapter, None, stand)
            again = await polled(adapter, None, stand)
        async with opened(stand.adapter()) as another:
            elsewhere = await polled(another, None, stand)

        assert set(keys(first)) == set(keys(again)) == set(keys(elsewhere))

    async def test_polling_on_brings_nothing_that_was_not_there_before(self, stand: Stand) -> None:
        await stand.arrive(MATTERS)
        async with opened(stand.adapter()) as adapter:
            first = await polled(adapter, None, stand)
            more = await polled(adapter, first[-1].cursor, stand)

        assert set(keys(more)) <= set(keys(first))

    async def test_polling_on_brings_what_is_new(self, stand: Stand) -> None:
        await stand.arrive(2)
        async with opened(stand.adapter()) as adapter:
            first = await polled(adapter, None, stand)
            await stand.arrive(3)
            more = await polled(adapter, first[-1].cursor, stand)

        assert len(set(keys(more)) - set(keys(first))) == 3

    async def test_stopping_after_any_batch_loses_nothing(self, stand: Stand) -> None:
        await stand.arrive(MATTERS)
        async with opened(stand.adapter()) as adapter:
            whole = set(keys(await polled(adapter, None, stand)))
        for stop in range(1, MATTERS):
            async with opened(stand.adapter()) as adapter:
                before = await polled(adapter, None, stand, batches=stop)
            async with opened(stand.adapter()) as adapter:
                after = await polled(adapter, before[-1].cursor, stand)

            assert set(keys(before)) | set(keys(after)) == whole

    async def test_a_cursor_never_leads_back(self, stand: Stand) -> None:
        """Going on from a later cursor never brings more than going on from an earlier one."""
        await stand.arrive(MATTERS)
        async with opened(stand.adapter()) as adapter:
            cursors = [batch.cursor for batch in await polled(adapter, None, stand)]
            rest = [set(keys(await polled(adapter, cursor, stand))) for cursor in cursors]

        for earlier, later in pairwise(rest):
            assert later <= earlier

    async def test_polling_changes_nothing_at_the_source(self, stand: Stand) -> None:
        await stand.arrive(3)
        before = await stand.shown()
        async with opened(stand.adapter()) as adapter:
            await polled(adapter, None, stand)

        assert await stand.shown() == before

    async def test_settling_twice_is_settling_once(self, stand: Stand) -> None:
        await stand.arrive(MATTERS)
        async with opened(stand.adapter()) as adapter:
            tokens: list[Json] = [b.settle for b in await polled(adapter, None, stand) if b.settle is not None]
            for token in tokens:
                await adapter.settle(token)
            once = await stand.shown()
            for token in tokens:
                await adapter.settle(token)

            assert await stand.shown() == once

    async def test_settling_before_the_next_batch_loses_nothing(self, stand: Stand) -> None:
        await stand.arrive(MATTERS)
        brought = []
        async with opened(stand.adapter()) as adapter:
            async for batch in adapter.poll(None, stand.start_from):
                brought.append(batch)
                if batch.settle is not None:
                    await adapter.settle(batch.settle)

        assert len(set(keys(brought))) == MATTERS

    async def test_a_source_that_is_away_is_unavailable(self, stand: Stand) -> None:
        async with opened(stand.absent()) as adapter:
            with pytest.raises(ChannelUnavailable):
                await polled(adapter, None, stand)
            with pytest.raises(ChannelUnavailable):
                await adapter.probe()

    async def test_a_source_that_says_no_refuses(self, stand: Stand) -> None:
        async with opened(stand.refused()) as adapter:
            with pytest.raises(ChannelRefused):
                await polled(adapter, None, stand)
            with pytest.raises(ChannelRefused):
                await adapter.probe()

    async def test_a_probe_says_what_it_saw(self, stand: Stand) -> None:
        async with opened(stand.adapter()) as adapter:
            assert await adapter.probe()

    async def test_closing_twice_is_closing_once(self, stand: Stand) -> None:
        adapter = stand.adapter()
        await polled(adapter, None, stand)
        await adapter.close()

        await adapter.close()

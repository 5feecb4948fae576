"""The HTTP doors keep the promises of every door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from adapters.base import Adapter
from adapters.feed import FeedAdapter
from tests.adapters.conformance import Promises
from tests.adapters.platforms import NOW, Hotline, Sunshine, serving
from tests.adapters.test_feed import hotline_settings, sunshine_settings


@dataclass
class FeedStand:
    platform: Sunshine | Hotline
    start_from: datetime = NOW - timedelta(days=1)
    arrived: int = field(default=0)

    def adapter(self) -> Adapter:
        return self._adapter("s3cret", self.platform.base_url)

    def absent(self) -> Adapter:
        return self._adapter("s3cret", "http://127.0.0.1:9")

    def refused(self) -> Adapter:
        return self._adapter("wr0ng", self.platform.base_url)

    async def arrive(self, count: int) -> None:
        for _ in range(count):
            self.arrived += 1
            self.platform.put(f"r{self.arrived:03}", self.start_from + timedelta(minutes=30 * self.arrived))

    async def shown(self) -> object:
        return {key: dict(record) for key, record in self.platform.records.items()}

    def _adapter(self, secret: str, base_url: str) -> Adapter:
        more = {"app_secret": secret, "base_url": base_url, "listing": {"page_size": 3}}
        if isinstance(self.platform, Sunshine):
            return FeedAdapter("door", sunshine_settings(self.platform, **more), lambda: NOW)
        return FeedAdapter("door", hotline_settings(self.platform, **more), lambda: NOW)


class TestSunshinePromises(Promises):
    @pytest.fixture
    async def stand(self) -> AsyncIterator[FeedStand]:
        async with serving(platform := Sunshine()):
            yield FeedStand(platform)


class TestHotlinePromises(Promises):
    @pytest.fixture
    async def stand(self) -> AsyncIterator[FeedStand]:
        async with serving(platform := Hotline()):
            yield FeedStand(platform)

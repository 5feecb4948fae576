"""What Prometheus may read: counts and ages, never a citizen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dispatch.answer import Verdict
from dispatch.own_api import Found
from dispatch.stranded import OWED
from ingest import listings
from ingest.alarms.watch import lasting
from store import ledger
from store.engine import Store, StoreUnreachable

DOOR_TO_OA = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)


class Metrics:
    """The daemon's own counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._matters = Counter(
            "xinqiao_matters_taken_in", "matters stored from a channel", ["channel"], registry=self.registry
        )
        self._attempts = Counter(
            "xinqiao_delivery_attempts",
            "attempts to deliver an event, and lookups whether it has arrived",
            ["target", "outcome"],
            registry=self.registry,
        )
        self._duration = Histogram(
            "xinqiao_delivery_seconds", "how long an attempt or a lookup took", ["target"], registry=self.registry
        )
        self._age = Histogram(
            "xinqiao_event_age_seconds", "age of an event when it was delivered", ["target"],
            buckets=DOOR_TO_OA, registry=self.registry,
        )  # fmt: skip
        self._way = Histogram(
            "xinqiao_door_to_oa_seconds", "from a matter's being taken in to its case's delivery", ["target"],
            buckets=DOOR_TO_OA, registry=self.registry,
        )  # fmt: skip
        # Finding a labelled metric costs more than counting in it.
        self._attempts_of, self._duration_of = cache(self._attempts.labels), cache(self._duration.labels)
        self._age_of, self._way_of = cache(self._age.labels), cache(self._way.labels)
        self.channel_open = Gauge("xinqiao_channel_open", "1: the door is open", ["channel"], registry=self.registry)
        self.database_open = Gauge(
            "xinqiao_database_open", "1: the database can be read and written", registry=self.registry
        )
        self.blobs_open = Gauge("xinqiao_blobs_open", "1: large originals can be kept and had", registry=self.registry)
        self.configuration_refused = Gauge(
            "xinqiao_configuration_refused", "1: the files as they stand are not in force", registry=self.registry
        )
        self.configuration_read = Gauge(
            "xinqiao_configuration_read_timestamp_seconds", "when the configuration in force was read",
            registry=self.registry,
        )  # fmt: skip
        self.target_open = Gauge("xinqiao_target_open", "1: the target answers", ["target"], registry=self.registry)

    def forget(self, channels: Iterable[str], targets: Iterable[str]) -> None:
        """Of these nobody asks any more whether they are open."""
        for name in channels:
            self.channel_open.remove(name)
        for name in targets:
            self.target_open.remove(name)

    def watch(self, store: Store, clock: Callable[[], datetime]) -> None:
        """Tell what the store has written and what waits in it: counted when somebody asks."""
        self.registry.register(_OfStore(store, clock))

    def stored(self, channel: str, count: int) -> None:
        self._matters.labels(channel).inc(count)

    def attempted(
        self, target: str, came_to: Verdict | Found, took: timedelta, age: timedelta | None, way: timedelta | None
    ) -> None:
        self._attempts_of(target, came_to.value).inc()
        self._duration_of(target).observe(took.total_seconds())
        if came_to in (Verdict.DELIVERED, Found.FOUND):
            if age is not None:
                self._age_of(target).observe(age.total_seconds())
            if way is not None:
                self._way_of(target).observe(way.total_seconds())


class _OfStore(Collector):
    """Asked in a thread of its own: it reads."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        written = self._store.written
        yield CounterMetricFamily("xinqiao_store_transactions", "transactions committed", written.transactions)
        yield CounterMetricFamily("xinqiao_store_acts", "acts in these transactions", written.acts)
        try:
            steps, aside, queues, alarms = self._store.read_now(
                lambda conn: (ledger.counts(conn), listings.kept_aside(conn), listings.queues(conn), lasting(conn))
            )
        except StoreUnreachable:  # which the store has said: what cannot be counted is not told
            return
        waiting = GaugeMetricFamily("xinqiao_steps", "rows of the ledger", labels=["lane", "state"])
        for lane, states in steps.items():
            for state, count in states.items():
                waiting.add_metric([lane, state], count)
        yield waiting
        yield GaugeMetricFamily("xinqiao_quarantine", "matters kept aside", aside)
        owed = GaugeMetricFamily("xinqiao_deliveries", "what a target has not got", labels=["target", "state"])
        oldest = GaugeMetricFamily(
            "xinqiao_oldest_delivery_seconds",
            "age of the earliest event that waits for a target or may have arrived",
            labels=["target"],
        )
        now = self._clock()
        for queue in queues:
            for state in OWED:
                owed.add_metric([queue.target, state], queue.owed.get(state, 0))
            waited = (now - queue.oldest).total_seconds() if queue.oldest else 0
            oldest.add_metric([queue.target], waited)
        yield owed
        yield oldest
        standing = GaugeMetricFamily("xinqiao_alarms", "alarms that last", labels=["kind"])
        for kind, count in alarms.items():
            standing.add_metric([kind], count)
        yield standing

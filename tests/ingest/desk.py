"""A case desk over a real store, and readings to put on it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from sqlalchemy import Connection, select

from adapters.base import Batch, Raw, RawKind
from dispatch.outbox import Outbox
from dispatch.parcel import body_of
from dispatch.settings import TargetSettings
from ingest import channels, inbox, register
from ingest.cases import CaseDesk, Read
from ingest.clockwork import Clockwork
from ingest.readings import prepare
from normalize.calendar import WorkCalendar
from normalize.case import Case, ChannelKind, Draft, Petitioner, ReadingMethod, ReadingNote
from normalize.clocks import ClockRules
from normalize.reading import Disposition, Part, Reading, Signal
from normalize.reminders import ReminderRules
from store.engine import Store, open_store
from store.schema import cases, delivery, event, history
from tests.place import Place

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
CHINA = ZoneInfo("Asia/Shanghai")
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def target(url: str = "http://127.0.0.1:9/", **settings: Any) -> TargetSettings:
    return TargetSettings(url=url, secret=(SecretStr(SECRET),), **settings)


def draft(**values: Any) -> Draft:
    """An invented petition."""
    base = {
        "channel": "sunshine",
        "channel_kind": ChannelKind.SUNSHINE,
        "source_id": "sunshine:X1",
        "title": "关于课后延时服务收费的疑问",
        "content": "孩子在桃溪小学就读，延时服务费用没有公示。",
        "petitioners": (Petitioner(primary=True, name="顾晓棠", phones=("13900000000",)),),
        "received_at": datetime(2026, 3, 2, 9, 0, tzinfo=CHINA),
        "reading": ReadingNote(method=ReadingMethod.RECORD),
    }
    return Draft(**{**base, **values})


def reading(
    identity: str = "sunshine:X1",
    *,
    parts: tuple[Part, ...] = (),
    signals: tuple[Signal, ...] = (),
    modified_at: datetime | None = None,
    disposition: Disposition = Disposition.CASE,
    **values: Any,
) -> Reading:
    return Reading(disposition, identity, None, draft(**values), parts, signals, modified_at)


@dataclass
class Desk:
    """A desk and the few motions the tests make."""

    store: Store
    desk: CaseDesk
    now: datetime = NOW
    _count: int = field(default=0)

    def with_targets(self, **targets: TargetSettings) -> Desk:
        outbox = Outbox(targets, self.store.sealer, CHINA)
        return Desk(self.store, replace(self.desk, outbox=outbox), self.now, self._count)

    def write(self, act: Any) -> Any:
        return self.store.submit(act).result()

    def take_in(self, *found: Reading, channel: str = "sunshine", key: str = "X1") -> list[str]:
        """One more Raw arrives and is read as `found`; the cases touched."""
        return self.read(self.arrive(channel, key), *found)

    def arrive(self, channel: str = "sunshine", key: str = "X1") -> int:
        """One more Raw arrives."""
        self._count += 1
        self.now += timedelta(minutes=1)
        content = f"raw {channel} {key} {self._count}".encode()
        one = Raw(RawKind.RECORD, key, f"v{self._count}", 0, f"{channel}/{key}")
        kept = {0: self.store.blobs.prepare(content)}

        def arrive(conn: Connection) -> int:
            channels.enrol(conn, channel, self.now, self.now)
            batch = Batch((content,), (one,), {"at": self._count})
            (raw_id,) = inbox.store_batch(
                conn, channel, batch, [one], kept, blobs=self.store.blobs, sealer=self.store.sealer, now=self.now
            )
            return raw_id

        raw_id: int = self.write(arrive)
        return raw_id

    def read(self, raw_id: int, *found: Reading) -> list[str]:
        """The Raw is read, perhaps again, as `found`."""
        return self._accept([(raw_id, found)])

    def read_together(self, arrived: Sequence[tuple[int, Reading]]) -> list[str]:
        """Raws are read in one transaction, each as one matter."""
        return self._accept([(raw_id, (one,)) for raw_id, one in arrived])

    def _accept(self, read: Sequence[tuple[int, Sequence[Reading]]]) -> list[str]:
        def accept(conn: Connection) -> list[str]:
            reads = []
            for raw_id, found in read:
                row = inbox.load(conn, self.store.sealer, raw_id)
                prepared = [prepare(one, row.sha256, self.store.blobs, self.store.sealer) for one in found]
                reads.append(Read(row, prepared))
            return [case_id for _, case_id in self.desk.accept(conn, reads, self.now)]

        touched: list[str] = self.write(accept)
        return touched

    def case(self, case_id: str) -> Case:
        return self.store.read_now(lambda conn: register.load_case(conn, self.store.sealer, case_id))

    def bodies(self) -> list[dict[str, Any]]:
        """What each delivery carries, in their order."""
        wanted = select(delivery, event.c.sealed_full, event.c.sealed_numbers).join(
            event, event.c.id == delivery.c.event_id
        )
        rows = self.store.read_now(lambda conn: conn.execute(wanted.order_by(delivery.c.id)).all())
        return [json.loads(body_of(row, self.store.sealer)) for row in rows]

    def count(self) -> int:
        return len(self.store.read_now(lambda conn: conn.execute(select(cases.c.case_id)).all()))

    def events(self) -> list[str]:
        return list(
            self.store.read_now(lambda conn: conn.execute(select(event.c.type).order_by(event.c.seq)).scalars().all())
        )

    def deliveries(self) -> list[tuple[str, str, str, str]]:
        """(target, event type, view, state) in order."""
        rows = select(delivery, event.c.type).join(event, event.c.id == delivery.c.event_id).order_by(delivery.c.id)
        found = self.store.read_now(lambda conn: conn.execute(rows).all())
        return [(row.target, row.type, row.view, row.state) for row in found]

    def happenings(self, case_id: str) -> list[str]:
        rows = select(history.c.kind).where(history.c.case_id == case_id).order_by(history.c.id)
        return list(self.store.read_now(lambda conn: conn.execute(rows).scalars().all()))


@contextmanager
def open_desk(place: Place | Path, targets: Mapping[str, TargetSettings] | None = None) -> Iterator[Desk]:
    kept = Place(place) if isinstance(place, Path) else place
    store = open_store(kept.database, kept.folder, b"k" * 32, now=NOW)
    try:
        yield desk_over(store, targets)
    finally:
        store.close()


def clockwork(**rules: Any) -> Clockwork:
    return Clockwork(ClockRules(), ReminderRules(**rules), WorkCalendar())


def desk_over(store: Store, targets: Mapping[str, TargetSettings] | None = None) -> Desk:
    outbox = Outbox(dict(targets or {"oa": target()}), store.sealer, CHINA)
    desk = CaseDesk(store.sealer, store.blobs, outbox, clockwork(), CHINA, "https://xinqiao.example")
    return Desk(store, desk)

"""Fills a store with cases as the daemon would have left them: read, registered, delivered, everything sealed.

    python -m bench.stored FOLDER CASES

A hundred mails are taken in by the program itself; the rest are their rows again, under identities, numbers, moments
and seals of their own, written by SQL: a million take minutes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from sqlalchemy import Connection
from ulid import ULID

from adapters.base import Batch, Raw, RawKind
from bench.mails import RULES, endless
from bench.office import KEY, SECRET
from dispatch.holdings import lane_of
from dispatch.outbox import Outbox
from dispatch.settings import TargetSettings
from ingest import channels, inbox
from ingest.cases import CaseDesk, Read
from ingest.clockwork import Clockwork
from ingest.config_sections import SealingSettings
from ingest.readings import PreparedReading, prepare
from normalize.calendar import WorkCalendar
from normalize.case import ChannelKind
from normalize.clocks import ClockRules
from normalize.read import read
from normalize.reading import Source
from normalize.reminders import ReminderRules
from store import chain, ledger
from store.engine import Store, open_store
from store.ledger import Claim
from store.sealing import Sealer

CHANNEL, TARGET = "earlier", "oa"
PATTERNS = 100
LARGEST = 2048
"""Bytes of a mail: as long as citizens write, without what a list server adds."""
CHUNK = 2000
EVERY = timedelta(minutes=2)
"""So often a case came."""
TABLES = (
    "blob", "raw", "reading", "cases", "revision", "receipt", "history", "lookup", "event", "delivery", "attempt",
)  # fmt: skip
_STEPS = """
INSERT INTO ledger (lane, key, state, due, attempts, fence, payload, created_at, leased)
SELECT ?2, case_id, 'ready', 0, 0, 0, json_object('delivery', id), 0, 0 FROM delivery WHERE target = ?1
"""
Row = dict[str, Any]


def fill(folder: Path, number: int, *, waiting: bool = False) -> None:
    """Make a store in `folder` that holds so many cases, all delivered, or all waiting to be."""
    began = datetime.now(UTC) - number * EVERY
    store = open_store("sqlite", folder, SealingSettings(key=SecretStr(KEY)).master(), began)
    patterns = min(number, PATTERNS)
    _take_in(store, patterns, began)
    sealer = store.sealer
    store.close()
    conn = sqlite3.connect(folder / "xinqiao.db", isolation_level=None)
    conn.row_factory = sqlite3.Row
    for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-1000000", "foreign_keys=OFF"):
        conn.execute(f"PRAGMA {pragma}")
    _multiply(conn, sealer, patterns, number, began)
    conn.execute("UPDATE cases SET next_reminder_at = NULL")
    if waiting:
        conn.execute("DELETE FROM attempt")
        conn.execute("UPDATE delivery SET state = 'waiting', attempts = 0")
        conn.execute(_STEPS, (TARGET, lane_of(TARGET)))
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    _link(folder)


def _link(folder: Path) -> None:
    """Its history is linked, as a daemon's that has kept up: else whoever is measured does that beside."""
    store = open_store("sqlite", folder, SealingSettings(key=SecretStr(KEY)).master())

    def link(conn: Connection) -> bool:
        found = chain.next_link(conn, store.sealer, chain.mark(conn).last)
        return found is not None and chain.add_link(conn, store.sealer, found, store.clock())

    while store.submit(link).result():
        pass
    store.close()


def _take_in(store: Store, number: int, now: datetime) -> None:
    """By the program itself, and delivered."""
    desk, taken = desk_of(store), arrivals(store, CHANNEL, plain_mails("stored", number), now)

    def write(conn: Connection) -> None:
        desk.accept(conn, [one for _, one in taken], now)
        conn.exec_driver_sql("DELETE FROM ledger")
        conn.exec_driver_sql("UPDATE delivery SET state = 'delivered', attempts = 1")
        conn.exec_driver_sql(
            "INSERT INTO attempt (delivery_id, at, milliseconds, outcome, status)"
            " SELECT id, 0, 12, 'delivered', 200 FROM delivery"
        )

    store.submit(write).result()


def plain_mails(about: str, number: int) -> list[bytes]:
    """As long as citizens write, each of them a case."""
    return list(islice((mail for mail in endless(about) if len(mail) < LARGEST and b"multipart" not in mail), number))


def desk_of(store: Store) -> CaseDesk:
    """Who makes cases in this store, for one target."""
    target = TargetSettings(url="http://127.0.0.1:9/", secret=(SecretStr(SECRET),), restricted=True)
    zone = ZoneInfo("Asia/Shanghai")
    return CaseDesk(
        store.sealer, store.blobs, Outbox({TARGET: target}, store.sealer, zone),
        Clockwork(ClockRules(), ReminderRules(), WorkCalendar()), zone, "http://127.0.0.1:8650",
    )  # fmt: skip


def arrivals(store: Store, channel: str, mails: list[bytes], now: datetime) -> list[tuple[Claim, Read]]:
    """These mails stored, claimed for reading, and read: what remains is to accept them."""
    raws = [Raw(RawKind.MAIL, f"INBOX:1:{n}", "1", n, f"INBOX:1:{n}") for n in range(len(mails))]
    kept = {n: store.blobs.prepare(mail) for n, mail in enumerate(mails)}

    def take(conn: Connection) -> list[tuple[Claim, inbox.RawRow]]:
        channels.enrol(conn, channel, now, now)
        inbox.store_batch(
            conn, channel, Batch(tuple(mails), tuple(raws), {}), raws, kept,
            blobs=store.blobs, sealer=store.sealer, now=now,
        )  # fmt: skip
        held = ledger.claim(conn, inbox.READ_LANE, now=now, lease=EVERY, limit=len(mails))
        rows = inbox.find(conn, [one.payload["raw"] for one in held])
        return [(one, inbox.opened(rows[one.payload["raw"]], store.sealer)) for one in held]

    return [
        (claim, Read(row, [_prepared(store, channel, row, mails[int(row.locator.rpartition(":")[2])])]))
        for claim, row in store.submit(take).result()
    ]


def _prepared(store: Store, channel: str, row: inbox.RawRow, mail: bytes) -> PreparedReading:
    source = Source(channel, ChannelKind.MAILBOX, RawKind.MAIL, row.locator, row.fetched_at, row.fetched_at)
    (found,) = read(mail, "", source, RULES)
    return prepare(found, row.sha256, store.blobs, store.sealer)


def _multiply(conn: sqlite3.Connection, sealer: Sealer, patterns: int, number: int, began: datetime) -> None:
    models = [_Model.of(conn, sealer, raw_id) for raw_id in range(1, patterns + 1)]
    for start in range(patterns, number, CHUNK):
        rows: dict[str, list[Row]] = {table: [] for table in TABLES}
        for place in range(start, min(start + CHUNK, number)):
            for table, row in models[place % patterns].again(sealer, place + 1, began + place * EVERY):
                rows[table].append(row)
        conn.execute("BEGIN IMMEDIATE")
        for table, new in rows.items():
            _insert(conn, table, new)
        conn.execute("COMMIT")
    conn.execute("UPDATE case_number SET last = ?", (number,))


def _insert(conn: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    if rows:
        names = list(rows[0])
        marks = ", ".join("?" * len(names))
        conn.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", [tuple(row.values()) for row in rows]
        )


@dataclass(frozen=True)
class _Model:
    """The rows of one case, and what lies under their seals."""

    rows: Mapping[str, list[Row]]
    opened: Mapping[str, bytes]

    @classmethod
    def of(cls, conn: sqlite3.Connection, sealer: Sealer, raw_id: int) -> _Model:
        rows: dict[str, list[Row]] = {}

        def take(table: str, where: str, value: object) -> Row:
            found = conn.execute(f"SELECT * FROM {table} WHERE {where} = ?", (value,))
            rows[table] = [dict(row) for row in found]
            return rows[table][0] if rows[table] else {}

        raw = take("raw", "id", raw_id)
        take("blob", "sha256", raw["blob"])
        take("reading", "raw_id", raw_id)
        case_id = take("receipt", "raw_id", raw_id)["case_id"]
        take("cases", "case_id", case_id)
        take("revision", "case_id", case_id)
        take("history", "case_id", case_id)
        take("lookup", "case_id", case_id)
        event = take("event", "case_id", case_id)
        take("attempt", "delivery_id", take("delivery", "event_id", event["id"])["id"])
        old = rows["cases"][0]
        return cls(
            rows,
            {
                "blob": sealer.open(rows["blob"][0]["sealed"], f"blob:{raw['blob']}"),
                "meta": sealer.open(raw["sealed_meta"], f"raw:{raw['channel']}:{raw['key']}:{raw['version']}"),
                "reading": sealer.open(rows["reading"][0]["sealed"], f"reading:{raw_id}:1"),
                "title": sealer.open(old["sealed_title"], f"cases.title:{case_id}"),
                "case": sealer.open(old["sealed"], f"cases:{case_id}"),
                "event": sealer.open(event["sealed_full"], f"event:{event['id']}"),
            },
        )

    def again(self, sealer: Sealer, number: int, at: datetime) -> Iterator[tuple[str, Row]]:
        """The rows of another case like this one, the `number`th, which came at that time."""
        old = self.rows["cases"][0]
        case_id, case_no = str(ULID.from_datetime(at)), f"{old['case_no'].split('-')[0]}-{number:06d}"
        event_id = f"evt_{ULID.from_datetime(at)}"
        content = self.opened["blob"] + b"\n%d" % number
        sha256 = hashlib.sha256(content).hexdigest()
        key, moment = f"INBOX:1:{number - 1}", int(at.timestamp() * 1_000_000)
        context = f"raw:{CHANNEL}:{key}:1"

        def renamed(name: str) -> bytes:
            text = self.opened[name]
            for before, after in ((old["case_id"], case_id), (old["case_no"], case_no)):
                text = text.replace(before.encode(), after.encode())
            return text

        changes: Mapping[str, Row] = {
            "blob": {"sha256": sha256, "size": len(content), "sealed": sealer.seal(content, f"blob:{sha256}")},
            "raw": {"id": number, "key": key, "blob": sha256, "sealed_meta": sealer.seal(self.opened["meta"], context)},
            "reading": {
                "id": number, "raw_id": number, "identity": f"sha256:{sha256}",
                "sealed": sealer.seal(self.opened["reading"], f"reading:{number}:1"),
            },
            "cases": {
                "case_id": case_id, "case_no": case_no, "identity": f"sha256:{sha256}", "reading_id": number,
                "source_no": f"<{number}@bench.example>", "received_at": moment, "next_reminder_at": None,
                "sealed_title": sealer.seal(self.opened["title"], f"cases.title:{case_id}"),
                "sealed": sealer.seal(renamed("case"), f"cases:{case_id}"),
            },
            "revision": {"case_id": case_id, "sealed": sealer.seal(renamed("case"), f"revision:{case_id}:1")},
            "receipt": {"raw_id": number, "case_id": case_id},
            "history": {
                "case_id": case_id, "stamp": None,  # as of an installation from before there were stamps
                "detail": json.dumps({"channel": CHANNEL, "raw": number, "revision": 1}),
            },
            "lookup": {"case_id": case_id},
            "event": {
                "seq": number, "id": event_id, "case_id": case_id,
                "sealed_full": sealer.seal(renamed("event"), f"event:{event_id}"),
            },
            "delivery": {"id": number, "event_id": event_id, "case_id": case_id},
            "attempt": {"delivery_id": number},
        }  # fmt: skip
        for table in TABLES:
            for row in self.rows[table]:
                new = {**row, **{name: moment for name in row if name in _MOMENTS}, **changes[table]}
                if table in ("history", "attempt"):
                    del new["id"]
                if table == "lookup":
                    new["digest"] = sealer.lookup(row["kind"], f"{number}:{row['digest'].hex()}")
                yield table, new


_MOMENTS = frozenset({"at", "created_at", "fetched_at", "ingested_at", "read_at", "received_at", "updated_at"})


def main() -> None:
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    began = time.monotonic()
    fill(folder, number)
    size = (folder / "xinqiao.db").stat().st_size
    print(f"{number:,} cases, {size / number / 1024:.1f} KB each, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

"""An outage's events, put straight into a store: cases with several events each, all but the first blocked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert
from ulid import ULID

from store.engine import Store
from store.schema import cases, delivery, event, ledger
from store.sealing import Sealer

EVENTS_EACH = 5
SLICE = 2000
"""Cases in one transaction."""
CHANNEL = "director_mailbox"


@dataclass(frozen=True)
class Backlog:
    events: int

    @property
    def cases(self) -> int:
        return self.events // EVENTS_EACH


def fill(store: Store, backlog: Backlog, target: str) -> None:
    """While nobody works on the store."""
    began = datetime.now(UTC) - timedelta(hours=12)
    for start in range(0, backlog.cases, SLICE):
        numbers = range(start, min(start + SLICE, backlog.cases))
        store.submit(lambda conn, numbers=numbers: _add(conn, store.sealer, numbers, target, began)).result(600)  # type: ignore[misc]


def _add(conn: Connection, sealer: Sealer, numbers: range, target: str, began: datetime) -> None:
    told = [(number, str(ULID.from_datetime(began))) for number in numbers]
    conn.execute(insert(cases), [_case(number, case_id, sealer, began) for number, case_id in told])
    events = [row for number, case_id in told for row in _events(number, case_id, sealer, began)]
    conn.execute(insert(event), events)
    rows = [_delivery(row, row["revision"] + number_of(row) * EVENTS_EACH, target) for row in events]
    conn.execute(insert(delivery), rows)
    conn.execute(insert(ledger), [_step(row, began) for row in rows])


def number_of(row: dict[str, Any]) -> int:
    return int(row["id"].rpartition("_")[2])


def _case(number: int, case_id: str, sealer: Sealer, at: datetime) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "case_no": f"2025-{number:06d}",
        "identity": f"filled:{number}",
        "channel": CHANNEL,
        "channel_kind": "mailbox",
        "revision": EVENTS_EACH,
        "digest": "",
        "restricted": False,
        "request_type": "other",
        "triage": "normal",
        "urgency": "normal",
        "received_at": at,
        "ingested_at": at,
        "updated_at": at,
        "sealed_title": sealer.seal(b"", f"title:{case_id}"),
        "sealed": sealer.seal(b"", f"case:{case_id}"),
    }


def _events(number: int, case_id: str, sealer: Sealer, at: datetime) -> Iterator[dict[str, Any]]:
    for revision in range(1, EVENTS_EACH + 1):
        event_id = f"evt_{ULID.from_datetime(at)}_{number}"
        type_ = "case.created" if revision == 1 else "case.updated"
        case = {"case_id": case_id, "revision": revision, "channel": CHANNEL, "channel_kind": "filled"}
        case |= {"content": f"第{number}件第{revision}版。" * 20}
        body = {"type": type_, "timestamp": at.isoformat(), "data": {"case": case, "change": None}}
        yield {
            "id": event_id,
            "case_id": case_id,
            "revision": revision,
            "type": type_,
            "created_at": at,
            "restricted": False,
            "sealed_full": sealer.seal(json.dumps(body, ensure_ascii=False).encode(), f"event:{event_id}"),
        }


def _delivery(row: dict[str, Any], number: int, target: str) -> dict[str, Any]:
    return {
        "id": number,
        "event_id": row["id"],
        "case_id": row["case_id"],
        "target": target,
        "view": "full",
        "state": "waiting",
    }


def _step(row: dict[str, Any], at: datetime) -> dict[str, Any]:
    first = row["id"] % EVENTS_EACH == 1
    return {
        "lane": f"push:{row['target']}",
        "key": row["case_id"],
        "state": "ready" if first else "blocked",
        "due": at,
        "payload": {"delivery": row["id"]},
        "created_at": at,
    }

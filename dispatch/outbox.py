"""The outbox: an event is written with the case it tells of, and gets one delivery for each target that may have it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Literal

from sqlalchemy import Connection, exists, insert, select, update
from ulid import ULID

from dispatch.webhook import TargetSettings
from normalize.case import Case
from store import ledger
from store.schema import delivery, event
from store.schema import ledger as ledger_table
from store.sealing import Sealer

View = Literal["full", "numbers"]
NUMBERS = ("case_id", "case_no", "channel_kind", "received_at", "deadlines")
"""All that a target without the right to restricted cases may learn of one."""


@dataclass(frozen=True)
class Outbox:
    """Where events go; publishes within the caller's transaction."""

    targets: Mapping[str, TargetSettings]
    sealer: Sealer
    zone: tzinfo

    def publish(
        self, conn: Connection, case: Case, type_: str, change: Sequence[dict[str, Any]] | None, now: datetime
    ) -> str:
        """Write the event and its deliveries; held when the case is restricted and no target takes such cases."""
        event_id = self._write(conn, case, type_, change, now)
        if case.restricted:
            self._withdraw(conn, case, now)
        views = {name: view for name, settings in self.targets.items() if (view := view_for(settings, case, type_))}
        for name, view in views.items():
            self._deliver(conn, event_id, case.case_id, name, view, now)
        if case.restricted and "full" not in views.values():
            conn.execute(update(event).where(event.c.id == event_id).values(held=True))
        return event_id

    def release(self, conn: Connection, now: datetime) -> int:
        """Hand the events held so far to the targets that now take restricted cases; how many were released."""
        takers = [name for name, settings in self.targets.items() if settings.takes_restricted]
        if not takers:
            return 0
        held = conn.execute(select(event.c.id, event.c.case_id).where(event.c.held).order_by(event.c.seq)).all()
        for row in held:
            for name in takers:
                self._deliver(conn, row.id, row.case_id, name, "full", now)
        conn.execute(update(event).where(event.c.held).values(held=False))
        return len(held)

    def resend(self, conn: Connection, delivery_id: int, now: datetime) -> None:
        """Send a delivery again, same id and bytes, after the events of its case that still wait; one that waits
        for its next attempt goes now.
        """
        row = conn.execute(select(delivery).where(delivery.c.id == delivery_id)).one()
        lane = lane_of(row.target)
        waiting = conn.execute(
            select(ledger_table.c.id, ledger_table.c.state).where(
                ledger_table.c.lane == lane, ledger_table.c.payload["delivery"].as_integer() == delivery_id
            )
        ).one_or_none()
        conn.execute(update(delivery).where(delivery.c.id == delivery_id).values(state="waiting", error=None))
        if waiting is None:
            ledger.enqueue(conn, lane, {"delivery": delivery_id}, key=row.case_id, now=now)
        else:
            _ = ledger.revive(conn, waiting.id, now=now) or ledger.hasten(conn, waiting.id, now=now)

    def body(self, conn: Connection, event_id: str, view: View) -> bytes:
        """The bytes to send, the same on every attempt."""
        row = conn.execute(select(event.c.sealed_full, event.c.sealed_numbers).where(event.c.id == event_id)).one()
        if view == "full":
            return self.sealer.open(row.sealed_full, f"event:{event_id}")
        return self.sealer.open(row.sealed_numbers, f"event.numbers:{event_id}")

    def _write(
        self, conn: Connection, case: Case, type_: str, change: Sequence[dict[str, Any]] | None, now: datetime
    ) -> str:
        event_id = f"evt_{ULID.from_datetime(now)}"
        stamp = now.astimezone(self.zone).isoformat(timespec="milliseconds")
        full = _envelope(type_, stamp, case.model_dump_json(), change)
        numbers = _envelope(type_, stamp, _numbers(case), None) if case.restricted else None
        row = {
            "id": event_id,
            "case_id": case.case_id,
            "revision": case.revision,
            "type": type_,
            "created_at": now,
            "restricted": case.restricted,
            "sealed_full": self.sealer.seal(full, f"event:{event_id}"),
            "sealed_numbers": numbers and self.sealer.seal(numbers, f"event.numbers:{event_id}"),
        }
        conn.execute(insert(event).values(row))
        return event_id

    def _deliver(self, conn: Connection, event_id: str, case_id: str, target: str, view: View, now: datetime) -> None:
        row = {"event_id": event_id, "case_id": case_id, "target": target, "view": view, "state": "waiting"}
        number = conn.execute(insert(delivery).values(row).returning(delivery.c.id)).scalar_one()
        ledger.enqueue(conn, lane_of(target), {"delivery": number}, key=case_id, now=now)

    def _withdraw(self, conn: Connection, case: Case, now: datetime) -> None:
        """Take a case that became restricted back from targets that may not have it.

        What still waits for them is dropped unsent (its ledger row stays and keeps the order: the worker ends it);
        a target that got any of it, or may have, is told that it is withdrawn, once.
        """
        full = (delivery.c.case_id == case.case_id) & (delivery.c.view == "full")
        for name in conn.execute(select(delivery.c.target).where(full).distinct()).scalars().all():
            settings = self.targets.get(name)
            if settings is None or settings.takes_restricted:
                continue
            here = full & (delivery.c.target == name)
            reached = conn.execute(
                select(exists().where(here & ((delivery.c.state == "delivered") | (_tried(name)))))
            ).scalar_one()
            conn.execute(update(delivery).where(here & (delivery.c.state != "delivered")).values(state="dropped"))
            ledger.discard(conn, _given_up(conn, name, case.case_id))
            told = exists().where(
                (delivery.c.case_id == case.case_id)
                & (delivery.c.target == name)
                & (delivery.c.event_id == event.c.id)
                & (event.c.type == "case.withdrawn")
                & (delivery.c.view == "numbers")
            )
            if reached and not conn.execute(select(told)).scalar_one():
                self._deliver(
                    conn, self._write(conn, case, "case.withdrawn", None, now), case.case_id, name, "numbers", now
                )


def lane_of(target: str) -> str:
    return f"push:{target}"


def view_for(settings: TargetSettings, case: Case, type_: str) -> View | None:
    """How much of this event the target gets: all, numbers only, or nothing."""
    if (settings.channels and case.channel not in settings.channels) or (
        settings.types and type_ not in settings.types
    ):
        return None
    if case.restricted and settings.takes_restricted:
        return "full"
    if not case.restricted:
        return None if settings.restricted == "only" else "full"
    return "numbers" if settings.restricted == "numbers" else None


def _tried(target: str) -> Any:  # noqa: ANN401 - an SQL condition
    """The delivery was sent, or is being sent, at least once."""
    return (delivery.c.attempts > 0) | exists().where(
        (ledger_table.c.lane == lane_of(target))
        & (ledger_table.c.payload["delivery"].as_integer() == delivery.c.id)
        & (ledger_table.c.attempts > 0)
    )


def _given_up(conn: Connection, target: str, case_id: str) -> Sequence[int]:
    dead = ledger_table.c.state == ledger.DEAD
    here = (ledger_table.c.lane == lane_of(target)) & (ledger_table.c.key == case_id)
    return conn.execute(select(ledger_table.c.id).where(here & dead)).scalars().all()


def _numbers(case: Case) -> str:
    shown = case.model_dump(mode="json", include=set(NUMBERS))
    return json.dumps({**{name: shown[name] for name in NUMBERS}, "restricted": True}, ensure_ascii=False)


def _envelope(type_: str, stamp: str, case_json: str, change: Sequence[dict[str, Any]] | None) -> bytes:
    """The payload, with the case's JSON put in as it is: it is serialised once."""
    data = f'{{"case": {case_json}, "change": {json.dumps(change, ensure_ascii=False)}}}'
    return f'{{"type": "{type_}", "timestamp": "{stamp}", "data": {data}}}'.encode()

"""The outbox: an event is written with the case it tells of, and gets one delivery for each target that may have it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

import structlog
from sqlalchemy import ColumnElement, Connection, Row, Update, insert, select, update
from ulid import ULID

from dispatch import accord
from dispatch.attempts import settle_doubt
from dispatch.holdings import holders, holds, lane_of, take_back
from dispatch.payload import Due
from dispatch.rights import STANDING, WITHDRAWN, View, right_of, sendable, takes_secrets, view_for
from dispatch.settings import TargetSettings
from normalize.case import Case
from store import ledger
from store.schema import cases, delivery, event
from store.schema import ledger as ledger_table
from store.sealing import SealBroken, Sealer

__all__ = ["Outbox", "View", "lane_of", "numbers_of"]

log = structlog.get_logger()
NUMBERS = ("case_id", "case_no", "channel_kind", "received_at", "deadlines")
"""All that a target without the right to restricted cases may learn of one."""
HOLDING = ("rejected", "unknown")
"""States of a delivery that wait for a person; the case's later events wait behind it."""


SLICE = 200
"""So many held events are released at a time: each takes a lock on PostgreSQL, which has some thousands."""


class Released(NamedTuple):
    """What came of a slice of the held events."""

    number: int
    last: int | None
    """Behind which the next slice begins; None: there is none."""


@dataclass(frozen=True)
class Outbox:
    """Where events go; publishes within the caller's transaction."""

    targets: Mapping[str, TargetSettings]
    sealer: Sealer
    zone: tzinfo

    def publish(
        self,
        conn: Connection,
        case: Case,
        type_: str,
        change: Sequence[dict[str, Any]] | None,
        now: datetime,
        *,
        was_restricted: bool = False,
    ) -> str:
        """Write the event and its deliveries; held when the case is restricted and no target takes such cases.

        `was_restricted`: the revision before was, so `change` repeats its words: only who takes restricted cases gets
        them; the others get the case as it now is, as a new one where they do not have it.
        """
        secret = case.restricted or was_restricted
        row = self._row(case, case.model_dump_json(), type_, change, now, secret=secret)
        conn.execute(insert(event), [row | {"held": self._is_held(case)}])
        if secret:
            self._withdraw(conn, case, now, changed=case.restricted != was_restricted)
        if case.restricted:
            self._release_of(conn, case, now)
        self._deliver(conn, self._deliveries(row, case, secret=secret), now)
        if was_restricted and not case.restricted:
            self._open_up(conn, case, type_, now)
        return str(row["id"])

    def announce(self, conn: Connection, new: Sequence[tuple[Case, str]], now: datetime) -> None:
        """Publish `case.created` of cases that nobody knows yet, each with its JSON."""
        if not new:
            return
        rows, deliveries = [], []
        for case, written in new:
            row = self._row(case, written, "case.created", None, now, secret=case.restricted)
            rows.append(row | {"held": self._is_held(case)})
            deliveries += self._deliveries(row, case, secret=case.restricted)
        conn.execute(insert(event), rows)
        self._deliver(conn, deliveries, now, first=True)

    def remind(self, conn: Connection, about: Sequence[tuple[Case, str, Due]], now: datetime) -> None:
        """Publish events of these types about deadlines, several of one case in their order, one statement a table;
        everybody who gets one may know of its deadline.
        """
        if not about:
            return
        written = {case.case_id: case.model_dump_json() for case, _, _ in about}
        rows, deliveries = [], []
        for case, type_, due in about:
            row = self._row(case, written[case.case_id], type_, None, now, secret=case.restricted, due=due)
            rows.append(row | {"held": self._is_held(case)})
            deliveries += self._deliveries(row, case, secret=case.restricted)
        conn.execute(insert(event), rows)
        for case in {case.case_id: case for case, _, _ in about if case.restricted}.values():
            self._withdraw(conn, case, now, changed=False)
            self._release_of(conn, case, now)
        self._deliver(conn, deliveries, now)

    def release(self, conn: Connection, now: datetime, *, after: int = 0) -> Released:
        """Hand some of the events held so far, those behind `after`, to the targets that now take restricted cases of
        their channel: a few at a time, since others write as well.
        """
        takers = [one for one in self.targets.values() if one.enabled and one.takes_restricted]
        if not takers:
            return Released(0, None)
        wanted = select(event, cases.c.channel).join(cases, cases.c.case_id == event.c.case_id)
        wanted = wanted.where(event.c.held, event.c.seq > after).order_by(event.c.seq).limit(SLICE)
        if all(one.channels for one in takers):
            wanted = wanted.where(cases.c.channel.in_({name for one in takers for name in one.channels}))
        # Several processes start at once: the second waits here, and finds nothing held any more.
        rows = conn.execute(wanted.with_for_update(of=event, key_share=True)).all()
        return Released(sum(self._released(conn, row, now) for row in rows), rows[-1].seq if rows else None)

    def resend(self, conn: Connection, delivery_id: int, due: datetime, *, uncertain: bool = False) -> bool:
        """Send a delivery again at `due`, same id and bytes, after the events of its case that still wait; one that
        waits for its next attempt goes then. False: it may not be sent again (`sendable`).
        """
        asked = STANDING.where(delivery.c.id == delivery_id).with_for_update(of=delivery, key_share=True)
        row = conn.execute(asked).one()
        if not sendable(self.targets.get(row.target), row, uncertain=uncertain):
            return False
        if uncertain:
            settle_doubt(conn, delivery_id)
        lane = lane_of(row.target)
        waiting = _step(conn, lane, row.case_id, delivery_id)
        conn.execute(update(delivery).where(delivery.c.id == delivery_id).values(state="waiting", error=None))
        if waiting is None:
            ledger.enqueue(conn, lane, {"delivery": delivery_id}, key=row.case_id, now=due)
        else:
            _ = ledger.revive(conn, waiting, now=due) or ledger.hasten(conn, waiting, now=due)
        return True

    def note_arrived(
        self, conn: Connection, case_id: str, target: str, receiver_id: str | None, now: datetime,
        only: int | None = None,
    ) -> list[str]:  # fmt: skip
        """A person found that what may have arrived has, or `only` this delivery: the ids of the events; the case's
        later ones go on.
        """
        here = _holding(case_id, target, only, ("unknown",))
        arrived = update(delivery).where(here).values(state="delivered", delivered_at=now, receiver_id=receiver_id)
        return _settled(conn, case_id, target, arrived)

    def skip(self, conn: Connection, case_id: str, target: str, only: int | None = None) -> list[str]:
        """Let a case's later events on a target go without those that hold them back, or `only` this delivery; the ids
        of those skipped.
        """
        skipped = update(delivery).where(_holding(case_id, target, only, HOLDING)).values(state="skipped")
        return _settled(conn, case_id, target, skipped)

    def _is_held(self, case: Case) -> bool:
        return case.restricted and not any(takes_secrets(one, case.channel) for one in self.targets.values())

    def _row(
        self,
        case: Case,
        written: str,
        type_: str,
        change: Sequence[dict[str, Any]] | None,
        now: datetime,
        *,
        secret: bool,
        due: Due | None = None,
    ) -> dict[str, Any]:
        event_id = f"evt_{ULID.from_datetime(now)}"
        stamp = now.astimezone(self.zone).isoformat(timespec="milliseconds")
        full = _envelope(type_, stamp, written, change, due)
        shown = json.dumps(numbers_of(case), ensure_ascii=False) if secret else None
        numbers = None if shown is None else _envelope(type_, stamp, shown, None, due)
        return {
            "id": event_id,
            "case_id": case.case_id,
            "revision": case.revision,
            "type": type_,
            "created_at": now,
            "taken_in_at": case.receipts[0].fetched_at if type_ == "case.created" and case.receipts else None,
            "restricted": secret,
            "sealed_full": self.sealer.seal(full, f"event:{event_id}"),
            "sealed_numbers": numbers and self.sealer.seal(numbers, f"event.numbers:{event_id}"),
        }

    def _deliveries(self, row: Mapping[str, Any], case: Case, *, secret: bool) -> list[dict[str, str]]:
        """The event's delivery to each target that may have it; one with a restricted case's words in full only to
        who takes such cases.
        """
        views = {
            name: view_for(settings, case.channel, row["type"], restricted=case.restricted)
            for name, settings in self.targets.items()
        }
        return [
            _delivery(row["id"], case.case_id, name, view)
            for name, view in views.items()
            if view == "numbers" or (view == "full" and (self.targets[name].takes_restricted or not secret))
        ]

    def _deliver(self, conn: Connection, rows: Sequence[dict[str, str]], now: datetime, *, first: bool = False) -> None:
        """Write deliveries, and a step for each: it waits behind the earlier ones of its case, but for no turn among
        many in which those are sent again. `first`: there are none.
        """
        if not rows:
            return
        added = insert(delivery).returning(delivery.c.id, sort_by_parameter_order=True)
        numbers = conn.execute(added, rows).scalars().all()
        steps: dict[str, list[tuple[str | None, dict[str, Any]]]] = {}
        for number, row in zip(numbers, rows, strict=True):
            steps.setdefault(row["target"], []).append((row["case_id"], {"delivery": number}))
        for target, added_steps in steps.items():
            ledger.enqueue_many(conn, lane_of(target), added_steps, now=now)
            if not first:
                keys = (str(key) for key, _ in added_steps)
                ledger.hasten_all(conn, lane_of(target), keys, now=now, untried=True)

    def _write(self, conn: Connection, case: Case, type_: str, now: datetime, *, secret: bool) -> str:
        """An event that is not for everyone."""
        row = self._row(case, case.model_dump_json(), type_, None, now, secret=secret)
        conn.execute(insert(event), [row])
        return str(row["id"])

    def agreed(self, conn: Connection, now: datetime) -> bool:
        """Whether no other process goes by other rights, as far as is known."""
        return accord.agreed(conn, self.targets, now)

    def _withdraw(self, conn: Connection, case: Case, now: datetime, *, changed: bool) -> None:
        """Take the case back from every target that may not have it as it now is; who got any of it is told.

        Not `changed`, who has it had the right to it once: it goes by the rights alone, so they must be everybody's.
        """
        without = [
            name
            for name in holders(conn, case.case_id)
            if right_of(self.targets.get(name), case.channel, restricted=case.restricted) != "full"
        ]
        if not without or not (changed or self.agreed(conn, now)):
            return
        for name in take_back(conn, case.case_id, without, now, lost=case.restricted and not changed):
            event_id = self._write(conn, case, WITHDRAWN, now, secret=True)
            self._deliver(conn, [_delivery(event_id, case.case_id, name, "numbers")], now)

    def _open_up(self, conn: Connection, case: Case, type_: str, now: datetime) -> None:
        """Give a case that is no longer restricted to those who could not see it, without a word of what it was."""
        conn.execute(update(event).where(event.c.case_id == case.case_id, event.c.held).values(held=False))
        written: dict[str, str] = {}
        for name, settings in self.targets.items():
            if settings.takes_restricted:
                continue
            known = holds(conn, case.case_id, name)
            types = [*([] if known else ["case.created"]), *([type_] if known or type_ != "case.updated" else [])]
            for one in types:
                if view_for(settings, case.channel, one, restricted=False) != "full":
                    continue
                if one not in written:
                    written[one] = self._write(conn, case, one, now, secret=False)
                self._deliver(conn, [_delivery(written[one], case.case_id, name, "full")], now)

    def _release_of(self, conn: Connection, case: Case, now: datetime) -> None:
        """What is held of a case that somebody takes by now goes before what follows: another process, whose
        configuration is older, may have held it.
        """
        if self._is_held(case):
            return
        wanted = select(event, cases.c.channel).join(cases, cases.c.case_id == event.c.case_id)
        held = wanted.where(event.c.case_id == case.case_id, event.c.held).order_by(event.c.seq)
        for row in conn.execute(held.with_for_update(of=event, key_share=True)).all():
            self._released(conn, row, now)

    def _released(self, conn: Connection, row: Row[Any], now: datetime) -> bool:
        try:
            self._release(conn, row, now)
        except SealBroken as error:
            log.error("held event cannot be opened and stays held", event_id=row.id, error=str(error))
            return False
        return True

    def _release(self, conn: Connection, row: Row[Any], now: datetime) -> None:
        takers = [
            name
            for name, settings in self.targets.items()
            if settings.takes_restricted and view_for(settings, row.channel, row.type, restricted=True) == "full"
        ]
        had = select(delivery.c.target, delivery.c.view, delivery.c.state).where(delivery.c.event_id == row.id)
        views = {one.target: one.view if one.state != "dropped" else "dropped" for one in conn.execute(had)}
        fresh = {name: self._copy(conn, row) for name in takers if views.get(name) in ("numbers", "dropped")}
        for name in takers:
            if views.get(name) != "full":
                self._deliver(conn, [_delivery(fresh.get(name, row.id), row.case_id, name, "full")], now)
        conn.execute(update(event).where(event.c.id == row.id).values(held=False))

    def _copy(self, conn: Connection, row: Row[Any]) -> str:
        """The event under a new id: under that of its numbers, the receiver would take the whole for a repetition; and
        what was dropped for it may have been before what withdrew the case from it.
        """
        event_id = f"evt_{ULID.from_datetime(row.created_at)}"
        full = self.sealer.open(row.sealed_full, f"event:{row.id}")
        copied = {
            name: getattr(row, name)
            for name in ("case_id", "revision", "type", "created_at", "taken_in_at", "restricted")
        }
        sealed = self.sealer.seal(full, f"event:{event_id}")
        conn.execute(insert(event).values(id=event_id, sealed_full=sealed, **copied))
        return event_id


def _step(conn: Connection, lane: str, case_id: str, delivery_id: int) -> int | None:
    """The ledger row of a delivery, if it has one."""
    here = (ledger_table.c.lane == lane) & (ledger_table.c.key == case_id)
    wanted = select(ledger_table.c.id).where(here, ledger_table.c.payload["delivery"].as_integer() == delivery_id)
    found: int | None = conn.execute(wanted).scalar_one_or_none()
    return found


def _settled(conn: Connection, case_id: str, target: str, said: Update) -> list[str]:
    """What a person said of a case's deliveries to a target: the ids of their events; their steps are gone."""
    rows = conn.execute(said.returning(delivery.c.id, delivery.c.event_id)).all()
    steps = [_step(conn, lane_of(target), case_id, row.id) for row in rows]
    ledger.discard(conn, [step for step in steps if step is not None])
    return [row.event_id for row in rows]


def _holding(case_id: str, target: str, only: int | None, states: Sequence[str]) -> ColumnElement[bool]:
    """A case's deliveries to a target in these states; with what was handed over there may be several."""
    here = (delivery.c.case_id == case_id) & (delivery.c.target == target) & delivery.c.state.in_(states)
    return here if only is None else here & (delivery.c.id == only)


def _delivery(event_id: str, case_id: str, target: str, view: View) -> dict[str, str]:
    return {"event_id": event_id, "case_id": case_id, "target": target, "view": view, "state": "waiting"}


def numbers_of(case: Case) -> dict[str, Any]:
    """What a target learns of a restricted case that it may not see."""
    shown = case.model_dump(mode="json", include=set(NUMBERS))
    return {**{name: shown[name] for name in NUMBERS}, "restricted": case.restricted}


def _envelope(
    type_: str, stamp: str, case_json: str, change: Sequence[dict[str, Any]] | None, due: Due | None
) -> bytes:
    """The payload, with the case's JSON put in as it is: it is serialised once."""
    told = "null" if change is None else json.dumps(change, ensure_ascii=False)
    about = "" if due is None else f', "deadline": {due.model_dump_json()}'
    data = f'{{"case": {case_json}, "change": {told}{about}}}'
    return f'{{"type": "{type_}", "timestamp": "{stamp}", "data": {data}}}'.encode()

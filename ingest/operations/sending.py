"""Sending again, skipping, saying what has arrived, comparing with what a target says it has."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from adapters.wire import TrustBroken
from dispatch.outbox import HOLDING, lane_of
from dispatch.reckoning import all_meant_for, meant_among
from dispatch.reconciling import HoldingsUnknown, ask_holdings, compare
from dispatch.rights import STANDING, sendable
from dispatch.stranded import HandedOver, cases_owed, clear, events_owed, hand_over, let_go
from dispatch.targets import PAUSED, resume, state_of
from ingest.history import record_history
from ingest.office import Office
from ingest.operations.terms import (
    Answer,
    OperationRefused,
    asked,
    case_id_of,
    known_or_owed,
    known_target,
    plain,
)
from store import ledger
from store.schema import cases, delivery, event
from store.schema import ledger as steps
from store.wakes import note

RATE = 50
"""So many deliveries a second are sent again to a target, unless asked otherwise."""
SHARE = 2
"""Of a target that lets itself be asked only so often, so much is left to what comes: one of two."""
SLICE = 200
"""So many deliveries are sent again in one transaction: a day of the OA's silence must not stop the doors."""


async def replay_send(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Send deliveries again, same id and bytes, `rate` a second to each target, so that what comes meanwhile need not
    wait for all.

    Withheld is what its target may not have any more, and what a target that would not know it again has, or
    (unless `unknown`) may have. A paused target named here is resumed, unless it is to `stay_paused`.
    """
    target, dry, uncertain = arguments.get("target"), bool(arguments.get("dry_run")), bool(arguments.get("unknown"))
    known_target(office, target)
    case_id = await office.store.read(lambda conn: _case_of(conn, arguments))
    targets, paces = office.desk.outbox.targets, _paces(office, arguments.get("rate"))

    def begin(conn: Connection) -> bool:
        if target is None or arguments.get("stay_paused"):
            return False
        if dry:
            return state_of(conn, target) == PAUSED
        resumed = resume(conn, target, office.clock())
        if resumed:
            note(conn, lane_of(target))  # its worker sleeps
            record_history(conn, None, "resumed", actor, {"target": target, **asked(arguments)}, office.clock())
        return resumed

    resumed = await office.store.write(begin)
    found, sent, begun = 0, 0, office.clock()
    turns = dict.fromkeys(paces, begun)
    ids = await office.store.read(lambda conn: _deliveries(conn, arguments, begun))
    async for rows in _slices(office, ids):
        chosen = [row for row in rows if sendable(targets.get(row.target), row, uncertain=uncertain)]
        found += len(rows)
        sent += len(chosen) if dry else await _resend(office, chosen, turns, paces, uncertain=uncertain)
    if not dry:
        told = {"sent": sent, **asked(arguments)}
        await office.store.write(lambda conn: record_history(conn, case_id, "replayed", actor, told, office.clock()))
    return {"sent_again": sent, "withheld": found - sent, "resumed": resumed, "dry_run": dry}


async def _slices(office: Office, ids: Sequence[int]) -> AsyncIterator[Sequence[Row[Any]]]:
    """Deliveries as they stand, some at a time, however many there are."""
    for start in range(0, len(ids), SLICE):
        wanted = STANDING.where(delivery.c.id.in_(ids[start : start + SLICE])).order_by(delivery.c.id)
        yield await office.store.read(lambda conn, wanted=wanted: conn.execute(wanted).all())  # type: ignore[misc]


def _paces(office: Office, rate: float | None) -> dict[str, timedelta]:
    """By target, the time from one that is sent again to the next."""
    usual = timedelta(seconds=1 / (rate or RATE))
    limits = {} if rate else {name: one.rate.interval for name, one in office.desk.outbox.targets.items() if one.rate}
    return {name: max(usual, SHARE * limits.get(name, usual / SHARE)) for name in office.desk.outbox.targets}


async def _resend(
    office: Office,
    deliveries: Sequence[Row[Any]],
    turns: dict[str, datetime],
    paces: Mapping[str, timedelta],
    *,
    uncertain: bool,
) -> int:
    """Each when it is its target's turn, which moves on; in small transactions, so that nobody else waits for long.

    Returns how many were sent.
    """
    sent = 0
    for start in range(0, len(deliveries), SLICE):
        some = deliveries[start : start + SLICE]

        def again(conn: Connection, some: Sequence[Row[Any]] = some) -> tuple[int, dict[str, datetime]]:
            count, after = 0, dict(turns)
            for row in some:
                if office.desk.outbox.resend(conn, row.id, after[row.target], uncertain=uncertain):
                    count, after[row.target] = count + 1, after[row.target] + paces[row.target]
            return count, after

        count, after = await office.store.write(again)
        sent += count
        turns.update(after)
    return sent


async def replay_arrived(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """A person found what may have arrived: it is delivered, under the receiver's number if that is given."""
    target, dry, number = arguments["target"], bool(arguments.get("dry_run")), arguments.get("receiver_id")

    def arrived(conn: Connection) -> list[str]:
        known_or_owed(conn, office, target)
        case_id, now = case_id_of(conn, arguments["case"]), office.clock()
        if dry:
            return _standing(conn, arguments, case_id, ("unknown",))
        events = office.desk.outbox.note_arrived(conn, case_id, target, number, now, arguments.get("delivery"))
        if events:
            record_history(conn, case_id, "arrived", actor, {"target": target, "events": events}, now)
        return events

    events = await office.store.write(arrived)
    if not events:
        raise OperationRefused(
            f"case {arguments['case']}: no event of it may or may not have arrived at {target}", code="moved"
        )
    return {"arrived": events, "dry_run": dry}


async def replay_skip(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Let a case's later events on a target go without the one it rejected, which is not sent any more. Of a target
    that left the configuration all is skipped that is owed to it, of the case or of all cases, unless one delivery is
    named.
    """
    target, dry = arguments["target"], bool(arguments.get("dry_run"))
    if target not in office.config.targets and not arguments.get("delivery"):
        return await _let_go(office, arguments, actor)
    if not arguments.get("case"):
        raise OperationRefused(f"replay --skip: target {target} is in the configuration; expected --case as well")

    def skip(conn: Connection) -> list[str]:
        case_id = case_id_of(conn, arguments["case"])
        if dry:
            return _standing(conn, arguments, case_id, HOLDING)
        events = office.desk.outbox.skip(conn, case_id, target, arguments.get("delivery"))
        if events:
            record_history(conn, case_id, "skipped", actor, {"target": target, "events": events}, office.clock())
        return events

    skipped = await office.store.write(skip)
    if not skipped:
        raise OperationRefused(f"case {arguments['case']}: target {target} has rejected no event of it", code="moved")
    return {"skipped": skipped, "dry_run": dry}


async def replay_hand_over(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Have another target get what is owed to one that left the configuration, of a case or of all cases, in order:
    what it may not have, or has, is withheld and stays.
    """
    target, to, dry = arguments["target"], arguments["to"], bool(arguments.get("dry_run"))
    known_target(office, to)
    settings, found = office.desk.outbox.targets[to], HandedOver()

    def move(conn: Connection, some: Sequence[str]) -> list[HandedOver]:
        now, done = office.clock(), []
        for case_id in some:
            one = hand_over(conn, case_id, target, to, settings, now, dry=dry)
            done.append(one)
            if one.moved and not dry:
                told = {"sent": len(one.moved), "target": target, "to": to}
                record_history(conn, case_id, "replayed", actor, told, now)
        return done

    for some in await _cases_stranded(office, arguments):
        for one in await office.store.write(partial(move, some=some)):
            found.moved += one.moved
            found.withheld += one.withheld
            found.under_way += one.under_way
    if not dry:
        await office.store.write(lambda conn: clear(conn, target))
    return {
        "handed_over": len(found.moved),
        "withheld": len(found.withheld),
        "under_way": len(found.under_way),
        "dry_run": dry,
    }


async def _let_go(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    target, dry = arguments["target"], bool(arguments.get("dry_run"))

    def skip(conn: Connection, some: Sequence[str]) -> list[str]:
        skipped: list[str] = []
        for case_id in some:
            if dry:
                skipped += events_owed(conn, case_id, target)
                continue
            if events := let_go(conn, case_id, target, now := office.clock()):
                record_history(conn, case_id, "skipped", actor, {"target": target, "events": events}, now)
            skipped += events
        return skipped

    found: list[str] = []
    for some in await _cases_stranded(office, arguments):
        found += await office.store.write(partial(skip, some=some))
    if not dry:
        await office.store.write(lambda conn: clear(conn, target))
    return {"skipped": found, "dry_run": dry}


async def _cases_stranded(office: Office, arguments: Mapping[str, Any]) -> list[Sequence[str]]:
    """Some at a time, the cases of which something is owed to a target that is gone, or the one that is asked for."""
    target = arguments["target"]

    def look(conn: Connection) -> Sequence[str]:
        if target in office.config.targets:
            raise OperationRefused(f"target {target}: is in the configuration; expected one that left it")
        known_or_owed(conn, office, target)
        if not office.desk.outbox.agreed(conn, office.clock()):
            raise OperationRefused("hosts go by different configurations; ask again when all have the same")
        wanted = case_id_of(conn, arguments["case"]) if arguments.get("case") else None
        return [one for one in cases_owed(conn, target) if wanted in (None, one)]

    found = await office.store.read(look)
    return [found[start : start + SLICE] for start in range(0, len(found), SLICE)]


def _standing(conn: Connection, arguments: Mapping[str, Any], case_id: str, states: Sequence[str]) -> list[str]:
    """The events of a case's deliveries to a target in these states, or of the one of them that is meant."""
    here = (delivery.c.case_id == case_id) & (delivery.c.target == arguments["target"]) & delivery.c.state.in_(states)
    if arguments.get("delivery"):
        here &= delivery.c.id == arguments["delivery"]
    return list(conn.execute(select(delivery.c.event_id).where(here)).scalars())


async def reconcile(office: Office, arguments: Mapping[str, Any], actor: str) -> Answer:
    """Compare what targets should have with what they say they have; with `send`, send what they miss again."""
    wanted = arguments.get("target")
    known_target(office, wanted)
    since = datetime.fromisoformat(arguments["since"]) if arguments.get("since") else None
    names = [wanted] if wanted else [name for name, one in office.config.targets.items() if one.holdings is not None]
    if not names:
        raise OperationRefused("reconcile: no target says how to ask what it has; expected holdings in its block")
    found: dict[str, Answer] = {}
    for name in names:
        settings, asked_at = office.config.targets[name], office.clock()
        try:
            held = await ask_holdings(settings, since, office.clock)
        except (HoldingsUnknown, TrustBroken) as error:
            found[name] = {"error": str(error)}
            continue
        found[name] = await office.store.read(
            partial(_compared, office=office, name=name, held=held, since=since, asked_at=asked_at)
        )
        if arguments.get("send"):
            lost = [*found[name]["missing"], *found[name]["behind"]]
            found[name]["sent_again"] = await _send_last(office, name, lost)
    if arguments.get("send"):
        sent = {name: one.get("sent_again", 0) for name, one in found.items()}
        await office.store.write(
            lambda conn: record_history(conn, None, "replayed", actor, {"reconcile": sent}, office.clock())
        )
    return {"targets": found}


def _compared(
    conn: Connection,
    office: Office,
    name: str,
    held: Mapping[str, int | None],
    since: datetime | None,
    asked_at: datetime,
) -> Answer:
    """With the number of each case that is named and is ours."""
    settings = office.config.targets[name]
    meant = [one for one in all_meant_for(conn, name, settings, since=since) if one.view == "full"]
    ours = {one.case_id for one in meant}
    others = [case_id for case_id in held if case_id not in ours]
    everything = ours | meant_among(conn, name, settings, others)
    found = compare(meant, held, asked_at=asked_at, all_of_it=everything, since=since)
    named = [*found.missing, *found.behind, *found.surplus, *found.waiting, *found.skipped, *found.unsent]
    return {**plain(found), "case_nos": _numbers(conn, named)}


def _numbers(conn: Connection, case_ids: Sequence[str]) -> dict[str, str]:
    wanted = select(cases.c.case_id, cases.c.case_no)
    slices = (case_ids[start : start + SLICE] for start in range(0, len(case_ids), SLICE))
    found = (conn.execute(wanted.where(cases.c.case_id.in_(some))) for some in slices)
    return {row.case_id: row.case_no for rows in found for row in rows}


async def _send_last(office: Office, name: str, case_ids: Sequence[str]) -> int:
    """Send the last event each case's target took once more."""
    last = (
        select(func.max(delivery.c.id))
        .where(delivery.c.target == name, delivery.c.state == "delivered", delivery.c.view == "full")
        .group_by(delivery.c.case_id)
    )
    ids = []
    for start in range(0, len(case_ids), SLICE):
        some = last.where(delivery.c.case_id.in_(case_ids[start : start + SLICE]))
        ids += await office.store.read(lambda conn, some=some: list(conn.execute(some).scalars()))  # type: ignore[misc]
    paces, sent = _paces(office, None), 0
    turns = dict.fromkeys(paces, office.clock())
    async for rows in _slices(office, ids):
        sent += await _resend(office, rows, turns, paces, uncertain=False)
    return sent


def _case_of(conn: Connection, arguments: Mapping[str, Any]) -> str | None:
    """The case that is asked about, if it is one."""
    if arguments.get("delivery"):
        wanted = select(delivery.c.case_id).where(delivery.c.id == arguments["delivery"])
        found: str | None = conn.execute(wanted).scalar_one_or_none()
        return found
    return case_id_of(conn, arguments["case"]) if arguments.get("case") else None


def _deliveries(conn: Connection, arguments: Mapping[str, Any], now: datetime) -> Sequence[int]:
    """The numbers of the deliveries asked for; without a case or `since`, of those that were rejected, and those that
    wait for another attempt later: what is due goes anyway, however much that is. What a person has skipped goes only
    if it is named.
    """
    case_id, since = arguments.get("case"), arguments.get("since")
    wanted = select(delivery.c.id).where(delivery.c.state != "dropped").order_by(delivery.c.id)
    if arguments.get("delivery"):
        return _numbered(conn, wanted.where(delivery.c.id == arguments["delivery"]))
    wanted = wanted.where(delivery.c.state != "skipped")
    if since or arguments.get("until"):
        wanted = wanted.join(event, event.c.id == delivery.c.event_id)
    if arguments.get("target") is not None:
        wanted = wanted.where(delivery.c.target == arguments["target"])
    if case_id:
        wanted = wanted.where(delivery.c.case_id == case_id_of(conn, case_id))
    if since:
        wanted = wanted.where(event.c.created_at >= datetime.fromisoformat(since))
    if until := arguments.get("until"):
        wanted = wanted.where(event.c.created_at < datetime.fromisoformat(until))
    if arguments.get("unknown"):
        wanted = wanted.where(delivery.c.state == "unknown")
    elif arguments.get("dead"):
        wanted = wanted.where(delivery.c.state == "rejected")
    elif not (case_id or since):
        put_off = (steps.c.state != ledger.DEAD) & ~steps.c.leased & (steps.c.due > now)
        later = select(steps.c.payload["delivery"].as_integer()).where(put_off, steps.c.lane.startswith("push:"))
        waits = (delivery.c.state == "waiting") & delivery.c.id.in_(later)
        wanted = wanted.where((delivery.c.state == "rejected") | waits)
    return _numbered(conn, wanted)


def _numbered(conn: Connection, wanted: Select[int]) -> Sequence[int]:
    """Packed: of a year's deliveries there may be millions."""
    return array("q", conn.execute(wanted).scalars())

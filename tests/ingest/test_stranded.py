"""What is owed to a target that left the configuration: it is told of, and a person hands it over or lets it go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from dispatch import accord
from dispatch.stranded import clear, hand_over, let_go, stranded
from ingest import listings
from ingest.alarms.watch import standing
from ingest.app import Daemon
from ingest.cli import main
from ingest.command_status import needs_a_person
from ingest.office import Office
from ingest.operations import OperationRefused, perform, sending
from store import ledger
from store.schema import delivery, history
from store.schema import ledger as steps
from tests.alarms.test_watch import HOUR, keeper
from tests.dispatch.receiver import receiving
from tests.dispatch.test_rights import at_work, settled
from tests.ingest.config_files import ENVIRONMENT, write
from tests.ingest.desk import Desk, open_desk, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.ingest.test_sending import office, reject, text, with_targets
from tests.patience import until
from tests.place import Place

__all__ = ["office"]
OWED_TO_OA = {"target": "oa", "to": "oa2"}


def states(desk: Desk) -> list[tuple[str, str]]:
    return [(name, state) for name, _, _, state in desk.deliveries()]


def lanes(desk: Desk) -> Mapping[str, Mapping[str, int]]:
    return {lane: found for lane, found in desk.store.read_now(ledger.counts).items() if lane.startswith("push:")}


def move(desk: Desk, case_id: str, **settings: Any) -> Any:
    return desk.write(lambda conn: hand_over(conn, case_id, "oa", "oa2", target(**settings), desk.now))


def test_what_is_handed_over_goes_before_what_waits_there_in_order(place: Place) -> None:
    with open_desk(place) as desk:
        (case_id,) = desk.take_in(reading())
        desk.take_in(reading(title="第二版"))
        desk.with_targets(oa2=target()).take_in(reading(title="第三版"))

        found = move(desk, case_id)
        wanted = select(steps.c.state, steps.c.payload).where(steps.c.lane == "push:oa2").order_by(steps.c.id)
        rows = desk.store.read_now(lambda conn: conn.execute(wanted).all())

        assert (found.moved, found.withheld, found.under_way) == ([1, 2], [], [])
        assert [(row.payload["delivery"], row.state) for row in rows] == [(1, "ready"), (2, "blocked"), (3, "blocked")]
        assert states(desk) == [("oa2", "waiting")] * 3
        assert desk.store.read_now(lambda conn: stranded(conn, {"oa2"})) == {}


async def test_the_other_target_gets_them_under_their_ids_in_order(place: Place) -> None:
    async with receiving() as oa:
        with open_desk(place) as desk:
            (case_id,) = desk.take_in(reading())
            desk.take_in(reading(title="第二版"))
            move(desk, case_id)
            wanted = select(delivery.c.event_id).order_by(delivery.c.id)
            ids = list(desk.store.read_now(lambda conn: conn.execute(wanted).scalars().all()))
            async with at_work(desk, "oa2", target(oa.url)):
                await until(lambda: settled(desk, "push:oa2"))

            assert [one.headers["webhook-id"] for one in oa.received] == ids
            assert states(desk) == [("oa2", "delivered")] * 2


@pytest.mark.parametrize(
    ("settings", "moved"),
    [
        ({}, False),
        ({"restricted": True}, True),
        ({"restricted": "numbers"}, False),
        ({"restricted": True, "channels": ("hotline",)}, False),
        ({"restricted": True, "types": ("case.updated",)}, False),
    ],
)
def test_the_other_target_gets_only_what_it_may_have(place: Place, settings: dict[str, Any], moved: bool) -> None:
    with open_desk(place, {"oa": target(restricted=True)}) as desk:
        (case_id,) = desk.take_in(reading(**ACCUSATION))

        found = move(desk, case_id, **settings)

        assert (bool(found.moved), bool(found.withheld)) == (moved, not moved)
        assert states(desk) == [("oa2" if moved else "oa", "waiting")]


def test_what_the_other_target_has_is_withheld(place: Place) -> None:
    with open_desk(place, {"oa": target(), "oa2": target()}) as desk:
        (case_id,) = desk.take_in(reading())

        found = move(desk, case_id)

        assert (found.moved, found.withheld) == ([], [1])
        assert lanes(desk) == {"push:oa": {"ready": 1}, "push:oa2": {"ready": 1}}


def test_a_withdrawal_goes_to_who_may_not_have_the_case_and_to_nobody_else(place: Place) -> None:
    with open_desk(place) as desk:
        (case_id,) = desk.take_in(reading())
        desk.write(lambda conn: conn.execute(update(delivery).values(state="delivered")))
        desk.write(lambda conn: ledger.discard(conn, [1]))
        desk.take_in(reading(**ACCUSATION))
        assert desk.deliveries()[-1] == ("oa", "case.withdrawn", "numbers", "waiting")

        to_who_may = move(desk, case_id, restricted=True)
        to_who_may_not = move(desk, case_id)

        assert (len(to_who_may.moved), len(to_who_may_not.moved)) == (0, 1)


def test_what_may_have_arrived_is_handed_over_as_such(place: Place) -> None:
    with open_desk(place) as desk:
        (case_id,) = desk.take_in(reading())
        desk.take_in(reading(title="第二版"))
        (held,) = desk.write(lambda conn: ledger.claim(conn, "push:oa", now=desk.now, lease=timedelta(0)))
        desk.write(lambda conn: ledger.give_up(conn, held, reason="it may have arrived"))
        desk.write(lambda conn: conn.execute(update(delivery).where(delivery.c.id == 1).values(state="unknown")))

        move(desk, case_id)

        assert states(desk) == [("oa2", "unknown"), ("oa2", "waiting")]
        assert lanes(desk) == {"push:oa2": {"ready": 1, "blocked": 1}}


@pytest.mark.parametrize("lane", ["push:oa", "push:oa2"])
def test_nothing_is_moved_from_under_a_worker(place: Place, lane: str) -> None:
    with open_desk(place) as desk:
        (case_id,) = desk.take_in(reading())
        desk.with_targets(oa2=target()).take_in(reading(title="第二版"))
        later = desk.now + HOUR
        desk.write(lambda conn: ledger.claim(conn, lane, now=later, lease=HOUR))

        found = move(desk, case_id)

        assert (found.moved, found.under_way) == ([], [1])
        assert states(desk) == [("oa", "waiting"), ("oa2", "waiting")]


def test_what_was_dropped_with_nobody_to_end_it_leaves_no_step(place: Place) -> None:
    with open_desk(place) as desk:
        (case_id,) = desk.take_in(reading("x:1"), key="1")
        desk.take_in(reading("x:2"), key="2")
        desk.write(lambda conn: conn.execute(update(delivery).where(delivery.c.id == 2).values(state="dropped")))

        desk.write(lambda conn: let_go(conn, case_id, "oa", desk.now))
        desk.write(lambda conn: clear(conn, "oa"))

        assert states(desk) == [("oa", "skipped"), ("oa", "dropped")]
        assert lanes(desk) == {}


@pytest.mark.parametrize(
    ("state", "claimed", "told"),
    [("waiting", False, []), ("waiting", True, ["oa"]), ("sending", True, ["oa"]), ("rejected", True, [])],
)
def test_of_what_was_let_go_of_only_what_may_have_arrived_is_told_withdrawn(
    place: Place, state: str, claimed: bool, told: list[str]
) -> None:
    """Whoever had claimed it died. What is rejected without an attempt could not be packed."""
    with open_desk(place) as desk:
        (case_id,) = desk.take_in(reading())
        if claimed:
            desk.write(lambda conn: ledger.claim(conn, "push:oa", now=desk.now, lease=timedelta(0)))
        desk.write(lambda conn: conn.execute(update(delivery).values(state=state)))
        desk.write(lambda conn: let_go(conn, case_id, "oa", desk.now))
        desk.take_in(reading(**ACCUSATION))

        assert [row[0] for row in desk.deliveries() if row[1] == "case.withdrawn"] == told


async def test_a_person_hands_over_and_skips_what_is_owed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SLICE", 2)
    _, before = with_targets(office, gone=target(restricted=True))
    for number in range(5):
        before.take_in(reading(f"x:{number}", **(ACCUSATION if number == 4 else {})), key=str(number))
    office, desk = with_targets(office, oa=target())
    asked = {"target": "gone", "to": "oa"}

    dry = await perform(office, "replay-hand-over", {**asked, "dry_run": True}, "wang")
    unmoved = states(desk)
    moved = await perform(office, "replay-hand-over", asked, "wang")
    skipped = await perform(office, "replay-skip", {"target": "gone"}, "wang")

    assert unmoved == [("gone", "waiting")] * 5
    for said in (dry, moved):
        assert (said["handed_over"], said["withheld"], said["under_way"]) == (4, 1, 0)
    assert len(skipped["skipped"]) == 1
    assert states(desk) == [("oa", "waiting")] * 4 + [("gone", "skipped")]
    assert lanes(desk) == {"push:oa": {"ready": 4}}
    wanted = select(history.c.kind, history.c.actor).where(history.c.kind.in_(("replayed", "skipped")))
    rows = desk.store.read_now(lambda conn: conn.execute(wanted).all())
    assert [tuple(row) for row in rows] == [("replayed", "wang")] * 4 + [("skipped", "wang")]
    with pytest.raises(OperationRefused, match="not in the configuration"):
        await perform(office, "replay-skip", {"target": "gone"}, "wang")


async def test_of_a_target_that_is_gone_one_delivery_may_be_skipped_by_itself(office: Office) -> None:
    _, before = with_targets(office, oa=target())
    (case_id,) = before.take_in(reading("x:1"), key="1")
    before.take_in(reading("x:1", title="第二版"), key="1")
    reject(before)
    renamed = before.write(lambda conn: conn.execute(update(delivery).values(target="gone")))
    before.write(lambda conn: conn.execute(update(steps).values(lane="push:gone")))

    await perform(office, "replay-skip", {"delivery": 1, "case": case_id, "target": "gone"}, "wang")

    assert renamed.rowcount == 2
    assert [state for _, state in states(before)] == ["skipped", "waiting"]


async def test_what_was_rejected_goes_to_the_other_target_again(office: Office) -> None:
    office, desk = with_targets(office, oa=target())
    (case_id,) = desk.take_in(reading("x:1"), key="1")
    reject(desk)

    found = move(desk, case_id)

    assert (len(found.moved), states(desk)) == (1, [("oa2", "waiting")])


async def test_of_two_that_hold_a_case_back_one_is_skipped_or_sent_again_and_the_order_stays(office: Office) -> None:
    _, before = with_targets(office, gone=target())
    (case_id,) = before.take_in(reading("x:1"), key="1")
    office, _ = with_targets(office, oa=target())
    desk = before.with_targets(oa=target())
    desk.take_in(reading("x:1", title="第二版"), key="1")
    reject(desk)
    desk.write(lambda conn: hand_over(conn, case_id, "gone", "oa", target(), desk.now))
    reject(desk)

    await perform(office, "replay-send", {"delivery": 2, "case": case_id, "target": "oa"}, "wang")
    assert lanes(desk) == {"push:oa": {"blocked": 1, "dead": 1}}
    await perform(office, "replay-skip", {"delivery": 1, "case": case_id, "target": "oa"}, "wang")

    assert states(desk) == [("oa", "skipped"), ("oa", "waiting")]
    assert lanes(desk) == {"push:oa": {"ready": 1}}


@pytest.mark.parametrize(
    ("act", "asked"), [("replay-hand-over", {"target": "gone", "to": "oa"}), ("replay-skip", {"target": "gone"})]
)
async def test_what_is_owed_stays_as_long_as_another_host_may_know_the_target(
    office: Office, act: str, asked: dict[str, Any]
) -> None:
    _, before = with_targets(office, gone=target())
    before.take_in(reading())
    office, desk = with_targets(office, oa=target())
    theirs = {"oa": target(), "gone": target()}
    desk.write(lambda conn: accord.announce(conn, "another", theirs, office.clock()))

    for more in ({}, {"case": "2026-000001"}, {"dry_run": True}):
        with pytest.raises(OperationRefused, match="hosts go by different configurations"):
            await perform(office, act, {**asked, **more}, "wang")
    refused = states(desk), lanes(desk)
    desk.write(lambda conn: accord.announce(conn, "another", {"oa": target()}, office.clock()))
    await perform(office, act, asked, "wang")

    assert refused == ([("gone", "waiting")], {"push:gone": {"ready": 1}})
    assert states(desk) in ([("oa", "waiting")], [("gone", "skipped")])


@pytest.mark.parametrize(
    "asked",
    [{"target": "oa", "to": "oa"}, {"target": "gone", "to": "elsewhere"}, {"target": "nobody", "to": "oa"}],
)
async def test_only_a_target_that_is_gone_hands_over_to_one_that_is_there(
    office: Office, asked: dict[str, Any]
) -> None:
    _, before = with_targets(office, gone=target())
    before.take_in(reading())

    with pytest.raises(OperationRefused, match="configuration"):
        await perform(office, "replay-hand-over", asked, "wang")


@pytest.mark.parametrize("more", [[], ["--target", "gone", "--dead"], ["--target", "gone", "--rate", "3"]])
def test_handing_over_wants_a_target_and_no_other_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = write(tmp_path, text(tmp_path))

    assert main(["replay", "--send", "--to", "oa", *more, "-c", str(path)]) == 2
    assert "expected --send and --target" in capsys.readouterr().err


async def test_it_is_told_in_the_status_and_the_log_and_by_an_alarm(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    _, before = with_targets(office, gone=target())
    before.take_in(reading())
    office, desk = with_targets(office, oa=target())

    answer = await perform(office, "status", {}, "wang")
    await Daemon(office)._warn_of_stranded()
    watching = keeper(desk, desk.now, nothing_new=0)
    await watching.look()
    alarms = {one.kind: one.facts for one in desk.store.read_now(standing)}

    assert [(one["name"], one["state"], one["waiting"]) for one in answer["targets"]] == [
        ("gone", "removed", 1),
        ("oa", "new", 0),
    ]
    assert needs_a_person({**answer, "alarms": [], "quarantined": 0})
    assert "gone" in capsys.readouterr().out
    assert alarms["target_removed"] == {"name": "gone", "count": 1}


def say(agreed: bool, _conn: Connection, _now: datetime) -> bool:
    return agreed


async def test_hosts_that_differ_leave_it_to_each_other_for_a_while(place: Place) -> None:
    with open_desk(place, {"gone": target()}) as desk:
        desk.take_in(reading())
        kinds = []
        for after, agreed in ((timedelta(0), False), (timedelta(0), True), (2 * HOUR, False)):
            watching = keeper(desk, desk.now + after, nothing_new=0)
            watching.agreed = partial(say, agreed)
            await watching.look()
            kinds.append("target_removed" in {one.kind for one in desk.store.read_now(standing)})

        assert kinds == [False, True, True]


async def test_a_disabled_target_shows_what_waits_and_is_told_of(place: Place) -> None:
    with open_desk(place) as desk:
        desk.take_in(reading())
        asleep = {"oa": target(enabled=False)}
        (shown,) = desk.store.read_now(lambda conn: listings.targets(conn, asleep))
        kinds = []
        for after in (timedelta(0), 2 * HOUR):
            watching = keeper(desk, desk.now + after, nothing_new=0)
            watching.places = watching.places.__class__(
                frozenset(), frozenset(), frozenset(), (), (), disabled=frozenset(asleep)
            )
            await watching.look()
            kinds.append({one.kind for one in desk.store.read_now(standing)} & {"target_disabled", "target_removed"})

        assert (shown.name, shown.state, shown.waiting, shown.is_stranded) == ("oa", "disabled", 1, False)
        assert kinds == [set(), {"target_disabled"}]

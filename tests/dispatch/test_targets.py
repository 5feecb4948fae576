"""Whether a target may be sent anything: its row, on both engines, by a clock that is told the time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, select

from dispatch import targets
from dispatch.retry import RetrySettings
from dispatch.settings import RateSettings
from dispatch.targets import OPEN, PAUSED, UNAVAILABLE, Admission
from store.schema import target
from tests.ingest.desk import Desk, open_desk
from tests.place import Place

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
RETRY = RetrySettings(first=timedelta(seconds=10), longest=timedelta(minutes=5), jitter=0)
PATIENCE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def desk(place: Place) -> Iterator[Desk]:
    with open_desk(place) as opened:
        yield opened


def admit(
    desk: Desk, now: datetime = NOW, *, room: int = 8, rate: RateSettings | None = None, take: int = 1
) -> Admission:
    """Ask, and claim up to `take` of what is admitted."""

    def act(conn: Connection) -> Admission:
        admission = targets.admit(conn, "oa", rate, room=room, now=now)
        claimed = min(take, admission.limit)
        if claimed:
            targets.note_claimed(conn, "oa", rate, admission, claimed, now=now, patience=PATIENCE)
        return admission

    found: Admission = desk.write(act)
    return found


def fail(desk: Desk, now: datetime, *, probe: bool = False, wait: timedelta | None = None) -> bool:
    news: bool = desk.write(
        lambda conn: targets.note_trouble(conn, "oa", RETRY, "HTTP 500", wait, now=now, chance=0, probe=probe)
    )
    return news


def succeed(desk: Desk, now: datetime, *, started: datetime | None = None, probe: bool = False) -> bool:
    begun = started or now
    news: bool = desk.write(lambda conn: targets.note_success(conn, "oa", now, started=begun, probe=probe))
    return news


def row(desk: Desk) -> Any:
    return desk.store.read_now(lambda conn: conn.execute(select(target)).one())


def test_a_target_never_seen_before_is_open(desk: Desk) -> None:
    assert admit(desk) == Admission(OPEN, 8)
    assert row(desk).state == OPEN


def test_one_in_trouble_gets_nothing_until_its_time_and_then_one_event(desk: Desk) -> None:
    admit(desk)

    assert fail(desk, NOW)
    assert admit(desk, NOW + 9 * SECOND) == Admission(UNAVAILABLE, 0, again_at=NOW + 10 * SECOND)
    assert admit(desk, NOW + 10 * SECOND) == Admission(UNAVAILABLE, 1, probe=True)
    assert admit(desk, NOW + 11 * SECOND) == Admission(UNAVAILABLE, 0, again_at=NOW + 10 * SECOND + PATIENCE)


def test_a_probe_is_taken_only_by_who_has_an_event_to_send(desk: Desk) -> None:
    admit(desk)
    fail(desk, NOW)

    assert admit(desk, NOW + 10 * SECOND, take=0).probe
    assert admit(desk, NOW + 11 * SECOND).probe


def test_a_probe_that_nobody_brings_back_is_followed_by_another(desk: Desk) -> None:
    admit(desk)
    fail(desk, NOW)
    admit(desk, NOW + 10 * SECOND)

    assert admit(desk, NOW + 10 * SECOND + PATIENCE).probe


def test_a_probe_handed_back_is_followed_by_another_at_once(desk: Desk) -> None:
    admit(desk)
    desk.write(lambda conn: targets.hand_back(conn, "oa", NOW))
    assert row(desk).retry_at is None  # it was no probe
    fail(desk, NOW)
    admit(desk, NOW + 10 * SECOND)

    desk.write(lambda conn: targets.hand_back(conn, "oa", NOW + 11 * SECOND))

    assert admit(desk, NOW + 11 * SECOND).probe


def test_it_is_tried_later_and_later_and_open_again_at_once(desk: Desk) -> None:
    admit(desk)
    fail(desk, NOW)
    waits = []
    now = NOW
    for _ in range(6):
        now = row(desk).retry_at
        admit(desk, now)
        assert not fail(desk, now, probe=True)  # no news: it was down before
        waits.append((row(desk).retry_at - now).total_seconds())

    assert waits == [20, 40, 80, 160, 300, 300]
    assert succeed(desk, now, probe=True)
    assert admit(desk, now) == Admission(OPEN, 8)
    assert fail(desk, now)
    assert row(desk).retry_at == now + 10 * SECOND


def test_of_many_that_fail_at_once_the_first_counts(desk: Desk) -> None:
    admit(desk)

    assert [fail(desk, NOW + number * SECOND) for number in range(5)] == [True, False, False, False, False]
    assert (row(desk).failures, row(desk).retry_at) == (1, NOW + 10 * SECOND)


def test_what_it_asks_for_is_kept_to_the_second(desk: Desk) -> None:
    admit(desk)
    fail(desk, NOW, wait=37 * SECOND)

    assert row(desk).retry_at == NOW + 37 * SECOND
    assert row(desk).failures == 0
    fail(desk, NOW, wait=5 * SECOND)
    assert row(desk).retry_at == NOW + 37 * SECOND


def test_who_asks_for_no_wait_again_and_again_is_asked_ever_more_rarely(desk: Desk) -> None:
    admit(desk)
    fail(desk, NOW, wait=timedelta(0))
    fail(desk, NOW, wait=timedelta(0))  # at the same time as the first
    waits, now = [(row(desk).retry_at - NOW).total_seconds()], NOW
    for _ in range(7):
        now = row(desk).retry_at
        admit(desk, now)
        fail(desk, now, probe=True, wait=timedelta(0))
        waits.append((row(desk).retry_at - now).total_seconds())

    assert waits == [1, 10, 20, 40, 80, 160, 300, 300]
    succeed(desk, now, probe=True)
    fail(desk, now, wait=timedelta(0))
    assert row(desk).retry_at == now + SECOND


def test_a_success_that_was_on_its_way_already_ends_no_wait(desk: Desk) -> None:
    admit(desk)
    fail(desk, NOW, wait=timedelta(hours=1))

    assert not succeed(desk, NOW + SECOND, started=NOW - SECOND)
    assert admit(desk, NOW + 2 * SECOND) == Admission(UNAVAILABLE, 0, again_at=NOW + timedelta(hours=1))
    assert row(desk).last_success_at == NOW + SECOND
    assert succeed(desk, NOW + timedelta(hours=1), started=NOW - SECOND, probe=True)


def test_a_success_begun_after_the_trouble_opens_the_target(desk: Desk) -> None:
    """Another process, which had not heard of it, has sent on."""
    admit(desk)
    fail(desk, NOW)

    assert succeed(desk, NOW + 2 * SECOND, started=NOW + SECOND)
    assert admit(desk, NOW + 3 * SECOND) == Admission(OPEN, 8)


def test_a_paused_target_waits_for_a_person(desk: Desk) -> None:
    assert desk.write(lambda conn: targets.pause(conn, "oa", "HTTP 410", NOW))
    assert not desk.write(lambda conn: targets.pause(conn, "oa", "HTTP 410", NOW))

    assert not succeed(desk, NOW)
    assert not fail(desk, NOW)
    assert admit(desk, NOW + timedelta(days=30)) == Admission(PAUSED, 0)
    assert desk.write(lambda conn: targets.resume(conn, "oa", NOW))
    assert not desk.write(lambda conn: targets.resume(conn, "oa", NOW))
    assert admit(desk) == Admission(OPEN, 8)


def test_an_answer_from_before_a_person_resumed_it_does_not_pause_a_target_again(desk: Desk) -> None:
    """A 410 may be written down late, as while the database stands still."""
    desk.write(lambda conn: targets.pause(conn, "oa", "HTTP 410", NOW))
    desk.write(lambda conn: targets.resume(conn, "oa", NOW + SECOND))

    def gone(started: datetime) -> bool:
        now = NOW + 3 * SECOND
        said: bool = desk.write(lambda conn: targets.note_gone(conn, "oa", "HTTP 410", now, started=started))
        return said

    assert not gone(NOW)
    assert admit(desk, NOW + 4 * SECOND) == Admission(OPEN, 8)
    assert gone(NOW + 2 * SECOND)
    assert admit(desk, NOW + 4 * SECOND) == Admission(PAUSED, 0)


def test_a_rate_is_kept_evenly(desk: Desk) -> None:
    rate = RateSettings(count=60, per=timedelta(minutes=1))
    sent = []
    for tenth in range(600):
        now = NOW + tenth * SECOND / 10
        if admit(desk, now, rate=rate, take=8).limit:
            sent.append(now)

    assert 60 <= len(sent) <= 61
    assert min(after - before for before, after in pairwise(sent)) >= SECOND - targets.PACE


def test_a_high_rate_goes_in_small_bursts_and_no_faster(desk: Desk) -> None:
    rate = RateSettings(count=1000, per=SECOND)
    total = sum(min(admit(desk, NOW + n * SECOND / 50, rate=rate, room=64, take=64).limit, 64) for n in range(50))

    assert 950 <= total <= 1101


def test_who_has_used_its_rate_is_told_when_to_ask_again(desk: Desk) -> None:
    rate = RateSettings(count=6, per=timedelta(minutes=1))
    admit(desk, rate=rate)

    again = admit(desk, NOW + SECOND, rate=rate)
    assert again.limit == 0
    assert again.again_at == NOW + 10 * SECOND - targets.PACE
    assert admit(desk, again.again_at, rate=rate).limit == 1

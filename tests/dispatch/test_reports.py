"""What an OA reports: genuine or not, readable or not, possible or not; and how far a case has come by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook as Signer

from dispatch.reports import (
    NotAReport,
    NotGenuine,
    OutOfOrder,
    Report,
    ReportType,
    after,
    expected_after,
    progress_of,
    read_report,
    verify,
)
from normalize.clocks import Progress
from tests.ingest.desk import SECRET

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
DAY = timedelta(days=1)
BODY = b'{"case_id": "01J", "type": "accepted", "at": "2026-03-02T09:30:00+08:00"}'
SECRETS = (SecretStr(SECRET),)


def signed(body: bytes = BODY, at: datetime = NOW, report_id: str = "rep_1") -> dict[str, str]:
    """By the independent implementation."""
    return {
        "webhook-id": report_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(SECRET).sign(report_id, at, body.decode()),
    }


def report(type_: str, day: int = 0, **more: Any) -> Report:
    return Report(case_id="01J", type=ReportType(type_), at=NOW + day * DAY, **more)


def test_what_an_independent_implementation_signs_is_genuine() -> None:
    assert verify(SECRETS, signed(), BODY, NOW + timedelta(minutes=4)) == "rep_1"
    other = {**signed(), "webhook-signature": "v1,AAAA " + signed()["webhook-signature"]}
    assert verify(SECRETS, other, BODY, NOW) == "rep_1"


@pytest.mark.parametrize(
    ("headers", "body", "now", "said"),
    [
        (signed(), BODY + b" ", NOW, "no signature"),
        (signed(), BODY, NOW + timedelta(minutes=6), "within five minutes"),
        (signed(), BODY, NOW - timedelta(minutes=6), "within five minutes"),
        ({**signed(), "webhook-timestamp": "soon"}, BODY, NOW, "within five minutes"),
        ({**signed(), "webhook-id": "rep_2"}, BODY, NOW, "no signature"),
        ({**signed(), "webhook-id": "x" * 300}, BODY, NOW, "webhook-id"),
        ({**signed(), "webhook-signature": ""}, BODY, NOW, "no signature"),
        ({"webhook-id": "rep_1"}, BODY, NOW, "webhook-timestamp is missing"),
    ],
)
def test_what_is_not_genuine_is_told_why(headers: dict[str, str], body: bytes, now: datetime, said: str) -> None:
    with pytest.raises(NotGenuine, match=said):
        verify(SECRETS, headers, body, now)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "body: is not JSON, expected an object"),
        (b"[]", "body: is no object, expected one with case_id, type and at"),
        (
            b'{"type": "accepted", "at": "2026-03-02T09:30:00+08:00"}',
            "case_id: missing, expected the case_id of the event",
        ),
        (
            b'{"case_id": "01J", "type": "lost", "at": "2026-03-02T09:30:00+08:00"}',
            "type: expected one of: accepted, not_ours, ",
        ),
        (
            b'{"case_id": "01J", "type": "closed", "at": "2026-03-02T09:30:00"}',
            "at: expected a time with its zone such as 2026-03-02T09:00:00",
        ),
        (
            b'{"case_id": "01J", "type": "extended", "at": "2026-03-02T09:30:00+08:00"}',
            "until: missing, expected with extended the new limit",
        ),
        (
            b'{"case_id": "01J", "type": "closed", "at": "2026-03-02T09:30:00+08:00", "secret": "x"}',
            "secret: no such field, expected one of: case_id, ",
        ),
    ],
)
def test_what_is_no_report_is_told_where_with_what_was_expected_and_not_repeated(body: bytes, said: str) -> None:
    with pytest.raises(NotAReport, match=said) as refused:
        read_report(body, NOW)
    assert "01J" not in str(refused.value)


def test_a_report_is_read_with_all_it_may_say() -> None:
    full: dict[str, Any] = {"case_id": "01J", "type": "rated", "at": "2026-03-02T09:30:00+08:00", "until": None}
    full |= {"unit": "财务处", "by": "李", "text": "内部", "public_text": "答复", "rating": {"stars": 5}}

    assert read_report(json.dumps(full).encode(), NOW).model_dump(mode="json") == full


def test_a_matter_of_course_is_followed_to_its_end() -> None:
    found = progress_of(
        [
            report("assigned", 1),
            report("accepted", 2),
            report("extended", 3, until=NOW + 90 * DAY),
            report("answered", 4),
            report("rated", 5),
            report("closed", 6),
            report("reviewed", 7),
        ]
    )

    assert (found.assigned_at, found.accepted_at, found.answered_at, found.closed_at) == tuple(
        NOW + n * DAY for n in (1, 2, 4, 6)
    )
    assert (found.extended_until, found.over) == (NOW + 90 * DAY, True)


def test_a_reopened_case_runs_on() -> None:
    found = progress_of([report("accepted"), report("closed", 1), report("reopened", 2)])

    assert (found.over, found.closed_at, found.accepted_at) == (False, None, NOW)
    assert after(found, report("closed", 3)).closed_at == NOW + 3 * DAY


def test_what_was_decided_before_the_source_had_it_done_again_counts_no_more() -> None:
    past = [report("accepted"), report("extended", 1, until=NOW + 30 * DAY), report("answered", 2), report("closed", 3)]
    found = progress_of(past, NOW + 4 * DAY)

    assert (found.over, found.answered_at, found.extended_until, found.accepted_at) == (False, None, None, NOW)
    again = progress_of([*past, report("answered", 5), report("rated", 3)], NOW + 4 * DAY)
    assert (again.answered_at, again.closed_at) == (NOW + 5 * DAY, None)


@pytest.mark.parametrize("type_", ["reopened", "answered", "closed", "extended"])
def test_who_takes_up_what_the_source_returned_may_say_so_or_not(type_: str) -> None:
    found = progress_of([report("accepted"), report("closed", 1)], NOW + 2 * DAY)

    assert after(found, report(type_, 3, until=NOW + 9 * DAY)).accepted_at == NOW


@pytest.mark.parametrize(
    ("before", "then", "expected"),
    [
        ([], "rated", "accepted, not_ours, assigned, extended, answered, closed"),
        (["accepted"], "accepted", "not_ours, assigned, extended, answered, closed"),
        (["closed"], "accepted", "reopened, reviewed, rated"),
        (["not_ours"], "closed", "reopened"),
        (["accepted", "answered"], "not_ours", "answered, closed, reopened"),
        (["accepted"], "reopened", "not_ours"),
    ],
)
def test_what_cannot_follow_is_refused_with_what_could(before: list[str], then: str, expected: str) -> None:
    with pytest.raises(OutOfOrder, match=f"case 01J: {then} cannot follow now; expected {expected}"):
        after(progress_of([report(one) for one in before]), report(then))


@pytest.mark.parametrize("between", [[], ["closed", "reopened"]])
def test_a_limit_is_extended_once(between: list[str]) -> None:
    extended = progress_of([report("extended", until=NOW + 30 * DAY), *(report(one) for one in between)])

    with pytest.raises(OutOfOrder, match="extended cannot follow now; expected accepted, not_ours"):
        after(extended, report("extended", 1, until=NOW + 60 * DAY))


@pytest.mark.parametrize("type_", ["assigned", "accepted", "answered", "closed", "not_ours"])
def test_any_report_after_an_extension_may_repeat_its_limit_or_name_another(type_: str) -> None:
    until = NOW + 30 * DAY
    extended = progress_of([report("extended", until=until)])

    for said in (until, until - DAY, until + DAY):
        assert after(extended, report(type_, 1, until=said)).extended_until == until


def test_what_was_taken_before_matters_were_extended_only_once_still_counts() -> None:
    found = progress_of([report("extended", until=NOW + 30 * DAY), report("extended", 1, until=NOW + 60 * DAY)])

    assert found.extended_until == NOW + 60 * DAY


@given(st.lists(st.sampled_from(ReportType), max_size=12))
def test_whatever_comes_what_is_expected_is_possible_and_nothing_else(types: list[ReportType]) -> None:
    found = Progress()
    for day, type_ in enumerate(types):
        one = report(type_, day, until=NOW + (100 + day) * DAY)
        if type_ in expected_after(found):
            found = after(found, one)
        else:
            with pytest.raises(OutOfOrder):
                after(found, one)
    assert found.over == (found.closed_at is not None or found.refused_at is not None)
    assert expected_after(found)  # no dead end

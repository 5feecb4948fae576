from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from normalize.calendar import WorkCalendar
from normalize.case import Deadline, DeadlineKind, Draft, PurposeCode
from normalize.clocks import ClockRules, Progress, deadlines, next_due
from tests.normalize.drafts import china, draft

CALENDAR = WorkCalendar()
RULES = ClockRules()
SEEN = china("2026-03-06 15:00")
WRITER = {"primary": True, "name": "顾晓棠", "phones": ["13900000000"]}


def due(case: Draft, rules: ClockRules = RULES, calendar: WorkCalendar = CALENDAR) -> dict[str, Deadline]:
    return {deadline.rule: deadline for deadline in deadlines(case, rules, calendar, seen_at=SEEN)}


def case(kind: str, received: str, code: str = "complaint", **more: Any) -> Draft:
    told = {"petitioners": [WRITER], "request_type": {"code": code, "confidence": 1.0}, **more}
    return draft(channel_kind=kind, received_at=china(received), **told)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2026-03-02 00:00", "2026-03-17"),  # the contract's example: the first day is not counted
        ("2026-03-02 23:59", "2026-03-17"),
        ("2026-03-06 10:00", "2026-03-23"),  # the 15th day is Saturday the 21st: Monday
        ("2026-02-02 10:00", "2026-02-24"),  # the 15th day lies in the Spring Festival
        ("2026-01-30 10:00", "2026-02-14"),  # the 15th day is a Saturday that is worked
        ("2026-09-18 10:00", "2026-10-08"),  # the 15th day lies in the National Day week
    ],
)
def test_notice_is_due_after_15_natural_days(received: str, expected: str) -> None:
    notice = due(case("letter", received))["xf.notice"]

    assert notice.due_at == china(f"{expected} 23:59:59")
    assert (notice.kind, notice.starts, notice.provisional) == (DeadlineKind.NOTICE, "received_at", False)
    assert notice.basis == "信访工作条例 第二十三条"


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2026-03-02 09:00", "2026-03-09"),
        ("2026-02-13 09:00", "2026-02-27"),  # 14th worked, then the festival until the 23rd
        ("2026-03-07 09:00", "2026-03-13"),  # received on a Saturday
    ],
)
def test_objection_is_due_after_5_working_days(received: str, expected: str) -> None:
    assert due(case("sunshine", received))["xf.object"].due_at == china(f"{expected} 23:59:59")


@pytest.mark.parametrize(
    ("unit", "limit", "dispatched", "expected"),
    [
        ("hours", 2, "2026-03-02 09:10", "2026-03-02 11:10"),
        ("hours", 2, "2026-03-06 23:10", "2026-03-07 01:10"),  # a Friday
        ("working_hours", 4, "2026-03-02 09:00", "2026-03-02 15:00"),  # two hours at noon are not counted
        ("working_hours", 4, "2026-03-06 16:30", "2026-03-09 11:30"),  # over a weekend
        ("working_hours", 4, "2026-03-07 10:00", "2026-03-09 14:30"),
        ("working_hours", 4, "2026-02-13 17:30", "2026-02-14 14:30"),  # a Saturday that is worked
        ("working_hours", 7, "2026-02-14 08:30", "2026-02-14 17:30"),  # up to the last minute
        ("working_hours", 8, "2026-02-14 03:00", "2026-02-24 09:30"),  # before the office opens; the festival follows
        ("working_hours", 2, "2026-03-02 12:30", "2026-03-02 16:00"),
    ],
)
def test_a_limit_in_hours_runs_from_the_moment_of_dispatch(
    unit: str, limit: int, dispatched: str, expected: str
) -> None:
    sign = {"rule": "12345.sign", "kind": "sign", "limit": limit, "unit": unit, "starts": "dispatched_at"}
    rules = ClockRules.model_validate({"rules": [sign]})
    found = due(case("hotline", "2026-02-01 09:00", dispatched_at=china(dispatched)), rules)["12345.sign"]

    assert found.due_at == china(expected)
    assert not found.provisional


def test_working_hours_are_those_of_the_office_counted_once() -> None:
    sign = {"rule": "12345.sign", "kind": "sign", "limit": 3, "unit": "working_hours"}
    rules = ClockRules.model_validate({"rules": [sign], "hours": ["14:30-18:00", "09:00-11:00", "10:00-11:30"]})

    assert due(case("hotline", "2026-03-02 09:00"), rules)["12345.sign"].due_at == china("2026-03-02 15:00")


@pytest.mark.parametrize("hours", ["", "8:30-12:00", "12:00-08:30", "09:00-09:00", "08:30-25:00", "08:30"])
def test_office_hours_that_are_none_are_refused(hours: str) -> None:
    with pytest.raises(ValidationError, match="expected such as 08:30-12:00"):
        ClockRules.model_validate({"hours": [hours]})


def test_the_day_is_the_chinese_day() -> None:
    late = draft(received_at=datetime(2026, 3, 1, 17, 0, tzinfo=UTC), petitioners=[WRITER])  # already the 2nd in China

    assert due(late)["xf.notice"].due_at == china("2026-03-17 23:59:59")


def test_closing_is_due_60_days_after_acceptance_and_open_before() -> None:
    waiting = due(case("sunshine", "2026-03-02 09:00"))["xf.close"]
    accepted = due(case("sunshine", "2026-03-02 09:00", accepted_at=china("2026-03-09 15:00")))["xf.close"]

    assert (waiting.due_at, waiting.starts) == (None, "accepted_at")
    assert accepted.due_at == china("2026-05-08 23:59:59")


def test_a_suggestion_has_no_closing_limit() -> None:
    assert "xf.close" not in due(case("letter", "2026-03-02 09:00", "suggestion"))


@pytest.mark.parametrize(
    ("code", "rule", "expected"),
    [
        ("consult", "12345.consult", "2026-03-04"),
        ("help", "12345.help", "2026-03-09"),
        ("suggestion", "12345.help", "2026-03-09"),
        ("complaint", "12345.complaint", "2026-03-09"),
        ("report", "12345.complaint", "2026-03-09"),
    ],
)
def test_a_hotline_order_runs_from_its_dispatch(code: str, rule: str, expected: str) -> None:
    order = due(case("hotline", "2026-03-05 08:00", code, dispatched_at=china("2026-03-02 16:40")))

    assert order[rule].due_at == china(f"{expected} 23:59:59")
    assert order["12345.sign"].due_at == china("2026-03-03 23:59:59")
    assert order["12345.return"].due_at == china("2026-03-04 23:59:59")
    assert set(order) == {rule, "12345.sign", "12345.return"}


def test_without_a_dispatch_the_clock_runs_from_receipt_and_says_so() -> None:
    sign = due(case("hotline", "2026-03-02 08:00"))["12345.sign"]

    assert (sign.starts, sign.due_at) == ("received_at", china("2026-03-03 23:59:59"))


def test_the_sources_own_date_stands_first_beside_ours() -> None:
    given = china("2026-03-06 12:00")
    all_due = deadlines(case("hotline", "2026-03-02 08:00", source_deadline_at=given), RULES, CALENDAR, seen_at=SEEN)

    assert all_due[0] == Deadline(
        rule="source",
        kind=DeadlineKind.SOURCE,
        starts="source_deadline_at",
        started_at=china("2026-03-02 08:00"),
        due_at=given,
    )
    assert len(all_due) > 1


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        ("consult", {"xf.notice", "bureau.consult.complex"}),
        ("complaint", {"xf.notice", "xf.close", "website.reply"}),
        ("praise", {"xf.notice", "website.reply"}),
    ],
)
def test_what_applies_to_a_mail(code: str, rules: set[str]) -> None:
    assert set(due(case("mailbox", "2026-03-02 08:00", code))) == rules


def test_a_limit_that_crosses_into_an_unknown_year_is_provisional() -> None:
    known = WorkCalendar.from_years({2043: {"holidays": ["2043-01-01"]}})
    late = due(case("mailbox", "2043-12-22 09:00", "help"), calendar=known)["website.reply"]
    early = due(case("mailbox", "2043-11-02 09:00", "help"), calendar=known)["website.reply"]

    assert late.due_at == china("2044-01-12 23:59:59")  # weekends only: the 15th working day after the 22nd
    assert (late.provisional, early.provisional) == (True, False)


def test_once_the_year_is_known_the_date_is_counted_anew() -> None:
    years = {2043: {}, 2044: {"holidays": ["2044-01-01"]}}
    reply = due(case("mailbox", "2043-12-22 09:00", "help"), calendar=WorkCalendar.from_years(years))["website.reply"]

    assert (reply.due_at, reply.provisional) == (china("2044-01-13 23:59:59"), False)


def test_an_office_may_replace_switch_off_and_add_limits() -> None:
    rules = ClockRules.model_validate(
        {
            "rules": [
                {"rule": "12345.complaint", "kind": "reply", "limit": 15, "unit": "working", "starts": "dispatched_at",
                 "channels": ["hotline"], "types": ["complaint", "report"]},
                {"rule": "12345.return", "kind": "object", "limit": 2, "unit": "working", "enabled": False},
                {"rule": "ours.callback", "kind": "review", "limit": 0, "unit": "working", "channels": ["hotline"]},
            ]
        }
    )  # fmt: skip

    order = due(case("hotline", "2026-03-07 08:00"), rules)

    assert order["12345.complaint"].due_at == china("2026-03-27 23:59:59")
    assert order["ours.callback"].due_at == china("2026-03-09 23:59:59")
    assert "12345.return" not in order


@pytest.mark.parametrize("names", [["a", "a"], ["source"]])
def test_a_name_taken_is_refused(names: list[str]) -> None:
    rules = [{"rule": name, "kind": "reply", "limit": 1, "unit": "working"} for name in names]

    with pytest.raises(ValidationError, match="taken"):
        ClockRules.model_validate({"rules": rules})


def test_the_next_date_is_the_earliest_known() -> None:
    all_due = deadlines(case("sunshine", "2026-03-02 09:00"), RULES, CALENDAR, seen_at=SEEN)

    assert next_due(all_due) == china("2026-03-09 23:59:59")
    assert next_due(()) is None
    assert next_due(d for d in all_due if d.due_at is None) is None


DAY = timedelta(days=1)


def as_of(
    facts: Draft, progress: Progress | None = None, before: Iterable[Deadline] = (), seen: datetime = SEEN
) -> dict[str, Deadline]:
    found = deadlines(facts, RULES, CALENDAR, progress, before=before, seen_at=seen)
    return {one.rule: one for one in found}


def ended(found: dict[str, Deadline]) -> dict[str, datetime | None]:
    return {rule: one.ended_at for rule, one in found.items()}


def test_a_report_stops_the_clocks_it_answers() -> None:
    facts = case("sunshine", "2026-03-02 09:00")
    at = china("2026-03-04 10:00")

    accepted = as_of(facts.model_copy(update={"accepted_at": at}), Progress(accepted_at=at))
    assigned = as_of(facts, Progress(assigned_at=at))
    closed = as_of(facts.model_copy(update={"accepted_at": at}), Progress(accepted_at=at, closed_at=at + DAY))

    assert {name: one.ended_at for name, one in accepted.items()} == {
        "xf.notice": at, "xf.object": at, "xf.close": None
    }  # fmt: skip
    assert {name: one.ended_at for name, one in assigned.items()} == {
        "xf.notice": None, "xf.object": at, "xf.close": None
    }  # fmt: skip
    assert {name: one.ended_at for name, one in closed.items()} == {
        "xf.notice": at, "xf.object": at, "xf.close": at + DAY
    }  # fmt: skip
    assert next_due(closed.values()) is None
    assert next_due(accepted.values()) == accepted["xf.close"].due_at


def test_what_is_not_ours_is_due_no_more() -> None:
    at = china("2026-03-04 10:00")

    assert {one.ended_at for one in as_of(case("sunshine", "2026-03-02 09:00"), Progress(refused_at=at)).values()} == {
        at
    }


def test_an_extension_moves_what_is_to_be_done_and_not_what_is_to_be_told() -> None:
    at, until = china("2026-03-04 10:00"), china("2026-06-30 23:59:59")
    facts = case("sunshine", "2026-03-02 09:00", accepted_at=at)

    found = as_of(facts, Progress(accepted_at=at, extended_until=until))

    assert (found["xf.close"].due_at, found["xf.close"].extended) == (until, True)
    assert (found["xf.notice"].due_at, found["xf.notice"].extended) == (china("2026-03-17 23:59:59"), False)


def test_an_extension_never_shortens() -> None:
    at = china("2026-03-04 10:00")
    facts = case("sunshine", "2026-03-02 09:00", accepted_at=at)

    found = as_of(facts, Progress(accepted_at=at, extended_until=at + DAY))

    assert not found["xf.close"].extended


RETURNED = china("2026-03-13 10:00")


def order(state: str | None = None, **more: Any) -> Draft:
    told = {"dispatched_at": china("2026-03-02 09:00"), "source_status": {"code": state}, **more}
    return case("hotline", "2026-03-02 09:00", **told)


def petition(state: str | None = None, **more: Any) -> Draft:
    return case("sunshine", "2026-03-02 09:00", source_status={"code": state}, **more)


def test_after_a_return_the_reply_counts_from_it_and_what_was_done_once_stays_done() -> None:
    answered = china("2026-03-05 10:00")
    facts = order(source_deadline_at=china("2026-03-20 18:00"))

    found = as_of(facts, Progress(settled_at=answered, returned_at=RETURNED))

    assert ended(found) == {"source": None, "12345.sign": answered, "12345.return": answered, "12345.complaint": None}
    reply = found["12345.complaint"]
    assert (reply.starts, reply.started_at) == ("returned_at", RETURNED)
    assert reply.due_at == china("2026-03-20 23:59:59")
    assert found["source"].started_at == RETURNED
    assert found["12345.sign"].started_at == china("2026-03-02 09:00")


def test_after_a_return_closing_counts_from_it_and_the_notice_from_the_receipt() -> None:
    facts = petition(accepted_at=china("2026-03-04 10:00"))

    found = as_of(facts, Progress(accepted_at=china("2026-03-04 10:00"), returned_at=RETURNED))

    assert found["xf.close"].due_at == china("2026-05-12 23:59:59")
    assert found["xf.notice"].due_at == china("2026-03-17 23:59:59")
    assert found["xf.notice"].ended_at == china("2026-03-04 10:00")


def test_a_return_without_a_new_date_of_the_sources_leaves_the_old_one_behind() -> None:
    facts = order(source_deadline_at=china("2026-03-09 18:00"))

    settled = as_of(facts, Progress(settled_at=china("2026-03-05 10:00"), returned_at=RETURNED))
    unknown = as_of(facts, Progress(returned_at=RETURNED))

    assert settled["source"].ended_at == china("2026-03-05 10:00")
    assert unknown["source"].ended_at == RETURNED


ORDER = ("source", "12345.sign", "12345.return", "12345.complaint")
PETITION = ("source", "xf.notice", "xf.object", "xf.close")


@pytest.mark.parametrize(
    ("facts", "runs"),
    [
        (order("new"), ORDER),
        (order("in_progress"), ("source", "12345.complaint")),
        (order("returned"), ("source", "12345.complaint")),
        (order("answered"), ()),
        (order("follow_up"), ()),
        (order("closed"), ()),
        (order("a code of the city's"), ORDER),
        (petition("new"), PETITION),
        (petition("under_review"), PETITION),
        (petition("in_progress"), ("source", "xf.notice", "xf.close")),
        (petition("accepted"), ("source", "xf.close")),
        (petition("overdue"), ("source", "xf.close")),
        (petition("answered"), ()),
        (petition("not_accepted"), ()),
        (petition("reexamination"), ("source",)),
        (petition("final_review"), ("source",)),
        (petition("closed"), ()),
    ],
)
def test_the_state_at_the_source_ends_what_came_before_it(facts: Draft, runs: tuple[str, ...]) -> None:
    found = as_of(facts.model_copy(update={"source_deadline_at": china("2026-04-30 18:00")}))

    assert ended(found) == {rule: None if rule in runs else SEEN for rule in found}
    assert {rule for rule, one in found.items() if one.ended_assumed} == found.keys() - set(runs)


def test_only_closing_ends_a_review() -> None:
    callback = {"rule": "ours.callback", "kind": "review", "limit": 3, "unit": "working"}
    rules = ClockRules.model_validate({"rules": [callback]})

    found = {code: due(order(code), rules)["ours.callback"].ended_at for code in ("answered", "closed")}

    assert found == {"answered": None, "closed": SEEN}


def test_what_the_state_ended_was_ended_when_it_was_first_seen_until_it_runs_again() -> None:
    first = as_of(order("answered"), seen=SEEN)
    later = as_of(order("closed"), before=first.values(), seen=SEEN + DAY)
    again = as_of(order("returned"), Progress(returned_at=RETURNED), later.values(), RETURNED)
    anew = as_of(order("answered"), Progress(returned_at=RETURNED), again.values(), RETURNED + DAY)

    assert set(ended(later).values()) == {SEEN}
    assert ended(again) == {"12345.sign": SEEN, "12345.return": SEEN, "12345.complaint": None}
    assert anew["12345.complaint"].ended_at == RETURNED + DAY


def test_what_was_returned_and_answered_between_two_visits_was_not_ended_before_it_began() -> None:
    first = as_of(order("answered"), seen=SEEN)
    found = as_of(order("answered"), Progress(returned_at=RETURNED), first.values(), RETURNED + DAY)

    assert ended(found) == {"12345.sign": SEEN, "12345.return": SEEN, "12345.complaint": RETURNED + DAY}


def test_of_a_report_and_the_state_at_the_source_the_earlier_counts() -> None:
    reported = SEEN - DAY
    first = as_of(order("answered"), Progress(answered_at=reported))
    other = as_of(order("answered"), Progress(answered_at=SEEN + DAY))

    assert (first["12345.complaint"].ended_at, first["12345.complaint"].ended_assumed) == (reported, False)
    assert (other["12345.complaint"].ended_at, other["12345.complaint"].ended_assumed) == (SEEN, True)


def test_in_a_review_only_a_date_that_the_source_sets_anew_runs() -> None:
    given = {"source_deadline_at": china("2026-04-30 18:00")}
    answered = as_of(petition("answered", **given))

    same = as_of(petition("reexamination", **given), before=answered.values())
    other = as_of(petition("reexamination", source_deadline_at=china("2026-05-20 18:00")), before=answered.values())

    assert (same["source"].ended_at, other["source"].ended_at) == (SEEN, None)


def test_an_acceptance_of_which_nobody_tells_the_moment_counts_from_when_it_was_seen() -> None:
    waiting = as_of(petition("new"), seen=SEEN - DAY)
    accepted = as_of(petition("accepted"), before=waiting.values())
    later = as_of(petition("in_progress"), before=accepted.values(), seen=SEEN + 9 * DAY)
    told = as_of(petition("in_progress", accepted_at=SEEN - DAY), before=later.values(), seen=SEEN + 9 * DAY)

    assert waiting["xf.close"].due_at is None
    for found in (accepted, later):
        assert found["xf.notice"].ended_at == SEEN
        assert (found["xf.close"].starts, found["xf.close"].started_at) == ("source_status", SEEN)
        assert found["xf.close"].due_at == china("2026-05-06 23:59:59")
    assert (told["xf.close"].starts, told["xf.close"].started_at) == ("accepted_at", SEEN - DAY)


def test_after_a_return_an_acceptance_that_was_seen_stays() -> None:
    accepted = as_of(petition("accepted"))
    found = accepted
    for _ in range(3):
        found = as_of(petition("returned"), Progress(returned_at=RETURNED), found.values(), RETURNED)

    close = found["xf.close"]
    assert (close.starts, close.started_at, close.ended_at) == ("returned_at", RETURNED, None)


def test_what_is_dispatched_again_after_a_refusal_was_not_ended_by_that() -> None:
    refused = as_of(petition("new", dispatched_at=china("2026-03-02 09:00")), Progress(refused_at=SEEN))
    again = petition("in_progress", dispatched_at=SEEN + DAY).model_copy(update={"received_at": SEEN + DAY})

    found = as_of(again, Progress(refused_at=SEEN), refused.values(), SEEN + 2 * DAY)

    assert (found["xf.notice"].ended_at, found["xf.object"].ended_at) == (None, SEEN + 2 * DAY)


def test_signing_at_the_source_ends_what_waits_for_it_unless_it_was_before_the_dispatch() -> None:
    signed = as_of(order(signed_at=china("2026-03-02 11:00")))
    before = as_of(order(signed_at=china("2026-03-01 11:00")))

    assert {signed[rule].ended_at for rule in ("12345.sign", "12345.return")} == {china("2026-03-02 11:00")}
    assert signed["12345.complaint"].ended_at is None
    assert before["12345.sign"].ended_at is None


@pytest.mark.parametrize(
    ("purpose", "closes"),
    [("appeal", True), ("other", True), (None, True), ("suggestion", False), ("accusation", False)],
)
def test_only_appeals_are_to_be_closed_within_sixty_days(purpose: str | None, closes: bool) -> None:
    assert ("xf.close" in due(petition(purpose={"code": purpose}))) is closes


@pytest.mark.parametrize(
    ("people", "anonymous", "told"),
    [
        ([], None, False),
        ([], True, False),
        ([{"name": "一位家长"}], True, False),
        ([{"name": "顾晓棠"}], None, True),
        ([{"phones": ["13900000000"]}], True, True),
        ([{"name": "顾晓棠"}, {"address": "青枫路6号"}], True, True),
    ],
)
def test_nobody_has_to_be_told_where_nobody_can_be(
    people: list[dict[str, Any]], anonymous: bool | None, told: bool
) -> None:
    assert ("xf.notice" in due(petition(petitioners=people, anonymous=anonymous))) is told


def test_an_office_sets_limits_by_purpose_urgency_and_who_can_be_told() -> None:
    base = {"kind": "reply", "limit": 1, "unit": "working"}
    rules = ClockRules.model_validate(
        {
            "rules": [
                {**base, "rule": "ours.urgent", "urgencies": ["urgent", "critical"]},
                {**base, "rule": "ours.suggestion", "purposes": ["suggestion"]},
                {**base, "rule": "ours.nobody", "reachable": False},
            ]
        }
    )

    def ours(**more: Any) -> set[str]:
        return {rule for rule in due(case("phone", "2026-03-02 09:00", **more), rules) if rule.startswith("ours.")}

    assert ours(purpose={"code": PurposeCode.APPEAL}) == set()
    assert ours(urgency="critical", purpose={"code": PurposeCode.SUGGESTION}) == {"ours.urgent", "ours.suggestion"}
    assert ours(purpose={"code": PurposeCode.OTHER}, petitioners=[]) == {"ours.nobody"}

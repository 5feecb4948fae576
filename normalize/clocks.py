"""What is due when: the rules of law and custom as data, counted on the working-day calendar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from normalize.calendar import WorkCalendar
from normalize.case import ChannelKind, Deadline, DeadlineKind, Draft, PurposeCode, RequestTypeCode, Urgency
from normalize.dates import CHINA

_END_OF_DAY = time(23, 59, 59)
_Hours: TypeAlias = "tuple[tuple[time, time], ...]"
_Start: TypeAlias = "tuple[str, datetime | None]"
RETURNED_AT, SOURCE_STATUS = "returned_at", "source_status"
"""What a clock starts from besides times of the case: the source's return, and its state there as it was seen."""


class Unit(StrEnum):
    NATURAL = "natural"
    WORKING = "working"
    HOURS = "hours"
    WORKING_HOURS = "working_hours"


def _stretch(written: str) -> str:
    hour = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
    if not re.fullmatch(f"{hour}-{hour}", written) or written[:5] >= written[6:]:
        raise ValueError(f"office hours {written}: expected such as 08:30-12:00")
    return written


def _times(stretch: str) -> tuple[time, time]:
    begin, end = map(time.fromisoformat, stretch.split("-"))
    return begin, end


@dataclass(frozen=True)
class Progress:
    """How far a case has come, as its OA reports."""

    assigned_at: datetime | None = None
    accepted_at: datetime | None = None
    refused_at: datetime | None = None
    """Reported as not ours."""
    answered_at: datetime | None = None
    closed_at: datetime | None = None
    extended_until: datetime | None = None
    returned_at: datetime | None = None
    """When its source last had it done again."""
    settled_at: datetime | None = None
    """When it was answered or closed before that."""

    def given_out(self, at: datetime | None) -> Progress:
        """As it stands once its source dispatched it then: after a refusal, it had it done again."""
        if at is None or self.refused_at is None or at <= self.refused_at:
            return self
        return replace(self, refused_at=None, returned_at=at)

    def taken_up(self, signed_at: datetime | None, accepted_at: datetime | None) -> Progress:
        """With its signing and acceptance where no report tells them."""
        return replace(self, assigned_at=self.assigned_at or signed_at, accepted_at=self.accepted_at or accepted_at)

    @property
    def over(self) -> bool:
        """Nothing is to be done any more."""
        return self.closed_at is not None or self.refused_at is not None

    @property
    def decided_at(self) -> datetime | None:
        """Answered, closed or handed back."""
        return _earliest(self.refused_at, self.answered_at, self.closed_at)

    def ends(self, kind: DeadlineKind) -> datetime | None:
        """What stopped a clock of this kind: signing and objecting end when somebody takes the matter up, telling the
        citizen when it is accepted or decided, and none of them has to be done again; the others when it is decided.
        """
        match kind:
            case DeadlineKind.SIGN | DeadlineKind.OBJECT:
                return _earliest(self.assigned_at, self.accepted_at, self.settled_at, self.decided_at)
            case DeadlineKind.NOTICE:
                return _earliest(self.accepted_at, self.settled_at, self.decided_at)
            case DeadlineKind.REVIEW:
                return _earliest(self.closed_at, self.refused_at)
        return self.decided_at


class ClockRule(BaseModel):
    """One time limit. In days, the one it starts on is not counted (民法典 第二百零一条) and it ends with the last; in
    hours, it runs from the moment on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str = Field(min_length=1, description="its name, unique, such as xf.notice")
    kind: DeadlineKind = Field(description="what is due: sign, object, notice, reply, close, review")
    limit: int = Field(ge=0, le=3650, description="days, or hours; 0 days: by the end of the same (working) day")
    unit: Unit = Field(
        description="natural: a last day off moves to the next working day (民法典 第二百零三条); working; "
        "hours: by the clock; working_hours: within `clocks.hours` of working days"
    )
    starts: Literal["received_at", "dispatched_at", "source_registered_at", "accepted_at"] = Field(
        default="received_at",
        description="the field the clock starts from; where the source does not say when it dispatched or registered, "
        "received_at takes its place; without acceptance nothing is due yet",
    )
    channels: tuple[ChannelKind, ...] = Field(default=(), description="kinds of channels it applies to; none: all")
    types: tuple[RequestTypeCode, ...] = Field(default=(), description="request types it applies to; none: all")
    purposes: tuple[PurposeCode, ...] = Field(
        default=(), description="purposes (信访目的) it applies to; none: all, as while the purpose is not known"
    )
    urgencies: tuple[Urgency, ...] = Field(default=(), description="urgencies it applies to; none: all")
    reachable: bool | None = Field(
        default=None,
        description="true: only where somebody can be told: a petitioner has a phone, e-mail or address, or a name "
        "and is not anonymous; false: only where nobody can",
    )
    basis: str | None = Field(default=None, description="law, rule or custom it rests on, shown beside the date")
    enabled: bool = Field(default=True, description="false: known but not applied here")

    def applies_to(self, facts: Draft) -> bool:
        return (
            self.enabled
            and (not self.channels or facts.channel_kind in self.channels)
            and (not self.types or facts.request_type.code in self.types)
            and (not self.purposes or facts.purpose.code is None or facts.purpose.code in self.purposes)
            and (not self.urgencies or facts.urgency in self.urgencies)
            and self.reachable in {None, _is_reachable(facts)}
        )


def _is_reachable(facts: Draft) -> bool:
    """Whether the citizen can be told anything (第二十三条: not where name or address are unclear)."""
    named = facts.anonymous is not True
    return any(one.phones or one.email or one.address or (named and one.name) for one in facts.petitioners)


_PETITION = (
    ChannelKind.SUNSHINE,
    ChannelKind.MAILBOX,
    ChannelKind.LETTER,
    ChannelKind.VISIT,
    ChannelKind.PHONE,
    ChannelKind.FILES,
    ChannelKind.TABLE,
    ChannelKind.PUSH,
)
_DIRECT = (ChannelKind.MAILBOX, ChannelKind.LETTER, ChannelKind.VISIT, ChannelKind.PHONE)
_HOTLINE = (ChannelKind.HOTLINE,)
_T = RequestTypeCode
_K = DeadlineKind
_P = PurposeCode
_REGULATION = "信访工作条例 第{}条"
_LOCAL = "本地热线办理规定"
_BUREAU = "本局办理惯例"
_SIMPLE = "信访事项简易办理办法(试行)"


def _rule(rule: str, kind: DeadlineKind, limit: int, unit: Unit, **more: object) -> ClockRule:
    return ClockRule.model_validate({"rule": rule, "kind": kind, "limit": limit, "unit": unit, **more})


SHIPPED: tuple[ClockRule, ...] = (
    _rule(
        "xf.notice",
        _K.NOTICE,
        15,
        Unit.NATURAL,
        channels=_PETITION,
        reachable=True,
        basis=_REGULATION.format("二十三"),
    ),
    _rule(
        "xf.object", _K.OBJECT, 5, Unit.WORKING, channels=(ChannelKind.SUNSHINE,), basis=_REGULATION.format("二十三")
    ),
    _rule(
        "xf.close",
        _K.CLOSE,
        60,
        Unit.NATURAL,
        starts="accepted_at",
        channels=_PETITION,
        types=(_T.HELP, _T.COMPLAINT, _T.REPORT, _T.OTHER),
        purposes=(_P.APPEAL, _P.OTHER),
        basis=_REGULATION.format("三十四"),
    ),
    _rule("xf.simple.accept", _K.NOTICE, 3, Unit.WORKING, channels=_PETITION, basis=_SIMPLE, enabled=False),
    _rule(
        "xf.simple.reply",
        _K.REPLY,
        10,
        Unit.WORKING,
        starts="accepted_at",
        channels=_PETITION,
        basis=_SIMPLE,
        enabled=False,
    ),
    _rule("12345.sign", _K.SIGN, 1, Unit.WORKING, starts="dispatched_at", channels=_HOTLINE, basis=_LOCAL),
    _rule("12345.return", _K.OBJECT, 2, Unit.WORKING, starts="dispatched_at", channels=_HOTLINE, basis=_LOCAL),
    _rule(
        "12345.consult",
        _K.REPLY,
        2,
        Unit.WORKING,
        starts="dispatched_at",
        channels=_HOTLINE,
        types=(_T.CONSULT,),
        basis=_LOCAL,
    ),
    _rule(
        "12345.help",
        _K.REPLY,
        5,
        Unit.WORKING,
        starts="dispatched_at",
        channels=_HOTLINE,
        types=(_T.HELP, _T.SUGGESTION, _T.PRAISE, _T.OTHER),
        basis=_LOCAL,
    ),
    _rule(
        "12345.complaint",
        _K.REPLY,
        5,
        Unit.WORKING,
        starts="dispatched_at",
        channels=_HOTLINE,
        types=(_T.COMPLAINT, _T.REPORT),
        basis=_LOCAL,
    ),
    _rule(
        "bureau.consult.simple",
        _K.REPLY,
        0,
        Unit.WORKING,
        channels=_DIRECT,
        types=(_T.CONSULT,),
        basis=_BUREAU,
        enabled=False,
    ),
    _rule(
        "bureau.consult.complex",
        _K.REPLY,
        5,
        Unit.WORKING,
        channels=_DIRECT,
        types=(_T.CONSULT,),
        basis=_BUREAU,
    ),
    _rule(
        "website.reply",
        _K.REPLY,
        15,
        Unit.WORKING,
        channels=(ChannelKind.MAILBOX,),
        types=tuple(code for code in _T if code is not _T.CONSULT),
        basis="国办秘函〔2019〕19号",
    ),
)


class ClockRules(BaseModel):
    """Section `rules.clocks`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[ClockRule, ...] = Field(
        default=(), description="a rule with a shipped name replaces the shipped one, a new name is added"
    )
    hours: tuple[Annotated[str, AfterValidator(_stretch)], ...] = Field(
        default=("08:30-12:00", "14:00-17:30"),
        min_length=1,
        description="office hours, in which working_hours are counted",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> ClockRules:
        names = [rule.rule for rule in self.rules]
        for name in names:
            if names.count(name) > 1 or name == "source":
                raise ValueError(f"time limit {name}: the name is taken, expected one of its own")
        return self

    @cached_property
    def open(self) -> tuple[tuple[time, time], ...]:
        """When the office opens and closes on a working day."""
        return tuple(sorted(map(_times, self.hours)))

    @cached_property
    def in_force(self) -> tuple[ClockRule, ...]:
        by_name = {rule.rule: rule for rule in (*SHIPPED, *self.rules)}
        return tuple(by_name.values())


_UNTIL_REVIEW = frozenset(_K) - {_K.REVIEW}
_IN_REVIEW = ("reexamination", "final_review")
_ENDED_BY: Mapping[str | None, frozenset[DeadlineKind]] = {
    "under_review": frozenset({_K.SIGN}),
    "in_progress": frozenset({_K.SIGN, _K.OBJECT}),
    **dict.fromkeys(("accepted", "returned", "overdue"), frozenset({_K.SIGN, _K.OBJECT, _K.NOTICE})),
    **dict.fromkeys(("answered", "follow_up", "not_accepted"), _UNTIL_REVIEW),
    **dict.fromkeys(_IN_REVIEW, _UNTIL_REVIEW - {_K.SOURCE}),
    "closed": frozenset(_K),
}
"""What is done once the matter's state at its source is this: who works on it has signed for it, who accepted it has
told the citizen; what is answered, or not accepted, waits for a review at the most.
"""
_STAYS = frozenset({("in_progress", _K.NOTICE), *((code, _K.SOURCE) for code in _IN_REVIEW)})
"""What was over before that state stays so; a date that the source sets in a review runs."""
_NOT_YET_ACCEPTED = ("new", "under_review")
_AGAIN = frozenset({_K.REPLY, _K.CLOSE, _K.REVIEW})
"""What a return asks for once more, in a time of its own."""


def deadlines(
    facts: Draft,
    rules: ClockRules,
    calendar: WorkCalendar,
    progress: Progress | None = None,
    *,
    before: Iterable[Deadline] = (),
    seen_at: datetime,
) -> tuple[Deadline, ...]:
    """All that is due of a case, the source's own date first; depends on nothing but its arguments.

    What the reports tell is weighed against the case's own dates: when it was dispatched, signed for and accepted. Of
    its state at the source nobody tells since when: since it was first seen, as the deadlines `before` know, else
    `seen_at`.
    """
    known = (progress or Progress()).given_out(facts.dispatched_at)
    known = known.taken_up(_by_us(facts, facts.signed_at), _by_us(facts, facts.accepted_at))
    were = {one.rule: one for one in before}
    applied = (rule for rule in rules.in_force if rule.applies_to(facts))
    counted = (
        _deadline(rule, _start(facts, rule, known, were.get(rule.rule), seen_at), calendar, rules.open)
        for rule in applied
    )
    reported = (_as_of(one, known) for one in (*_source_deadline(facts, known), *counted))
    return tuple(_as_its_source_says(one, facts, were.get(one.rule), seen_at) for one in reported)


def next_due(due: Iterable[Deadline]) -> datetime | None:
    """The earliest date that is known of a clock that runs; None: nothing is due (yet, or any more)."""
    return min((one.due_at for one in due if one.due_at is not None and one.ended_at is None), default=None)


def is_closed_at_source(facts: Draft) -> bool:
    """Nobody there waits any more, whatever its clocks say."""
    return facts.source_status.code == "closed"


_EXTENDABLE = frozenset({DeadlineKind.REPLY, DeadlineKind.CLOSE})


def extendable(due: Iterable[Deadline]) -> list[datetime]:
    """The known dates of the clocks that run and that an extension moves."""
    return [one.due_at for one in due if one.kind in _EXTENDABLE and one.due_at is not None and one.ended_at is None]


def _by_us(facts: Draft, at: datetime | None) -> datetime | None:
    """What came before the dispatch was done by whoever sent it to us."""
    earlier = at is not None and facts.dispatched_at is not None and at < facts.dispatched_at
    return None if earlier else at


def _as_of(one: Deadline, progress: Progress) -> Deadline:
    """A deadline as the reports leave it: its clock stopped, its limit extended."""
    until = progress.extended_until
    if until is not None and one.kind in _EXTENDABLE and one.due_at is not None and until > one.due_at:
        one = one.model_copy(update={"due_at": until.astimezone(CHINA), "extended": True})
    ended = progress.ends(one.kind)
    if ended is None and one.kind is _K.SOURCE and progress.returned_at and one.due_at:
        # a date from before the return: the source has set no other
        ended = (progress.settled_at or progress.returned_at) if one.due_at <= progress.returned_at else None
    return one.model_copy(update={"ended_at": ended})


def _as_its_source_says(one: Deadline, facts: Draft, was: Deadline | None, seen_at: datetime) -> Deadline:
    """A deadline as the matter's state at its source leaves it."""
    code, seen = facts.source_status.code, _ended_before(one, was)
    stays = seen is not None and was is not None and was.due_at == one.due_at and (code, one.kind) in _STAYS
    if not stays and one.kind not in _ENDED_BY.get(code, ()):
        return one
    ended = _earliest(one.ended_at, seen or seen_at.astimezone(CHINA))
    return one.model_copy(update={"ended_at": ended, "ended_assumed": ended != one.ended_at})


def _ended_before(one: Deadline, was: Deadline | None) -> datetime | None:
    """When it was over already: before the return, or another dispatch, does not count."""
    ended = was.ended_at if was else None
    return None if ended and one.started_at and ended < one.started_at else ended


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _source_deadline(facts: Draft, known: Progress) -> tuple[Deadline, ...]:
    """The source names the end only: it runs since the matter is ours."""
    given = facts.source_deadline_at
    if given is None:
        return ()
    ours = facts.dispatched_at or facts.received_at
    start = max(ours, known.returned_at or ours).astimezone(CHINA)
    return (Deadline(rule="source", kind=_K.SOURCE, starts="source_deadline_at", started_at=start, due_at=given),)


def _deadline(rule: ClockRule, starts: _Start, calendar: WorkCalendar, hours: _Hours) -> Deadline:
    field, start = starts
    if start is None:
        return Deadline(rule=rule.rule, kind=rule.kind, starts=field, due_at=None, basis=rule.basis)
    start = start.astimezone(CHINA)
    due = _due(start, rule, calendar, hours)
    return Deadline(
        rule=rule.rule,
        kind=rule.kind,
        starts=field,
        started_at=start,
        due_at=due,
        basis=rule.basis,
        provisional=not all(calendar.knows(date(year, 1, 1)) for year in range(start.year, due.year + 1)),
    )


def _start(facts: Draft, rule: ClockRule, known: Progress, was: Deadline | None, seen_at: datetime) -> _Start:
    """From which field the clock starts, and when: what must be done again, from the return on."""
    field, start = _first_start(facts, rule, was, seen_at)
    again = known.returned_at
    return (RETURNED_AT, again) if again and start and start < again and rule.kind in _AGAIN else (field, start)


def _first_start(facts: Draft, rule: ClockRule, was: Deadline | None, seen_at: datetime) -> _Start:
    start: datetime | None = getattr(facts, rule.starts)
    if start is not None:
        return rule.starts, start
    if rule.starts != "accepted_at":
        return "received_at", facts.received_at
    return _seen_accepted(facts, was, seen_at)


def _seen_accepted(facts: Draft, was: Deadline | None, seen_at: datetime) -> _Start:
    """Where nobody tells when it was accepted: since its state at the source was first seen to say so."""
    code = facts.source_status.code
    if was is not None and was.starts in {SOURCE_STATUS, RETURNED_AT} and code not in _NOT_YET_ACCEPTED:
        return was.starts, was.started_at
    return (SOURCE_STATUS, seen_at) if code == "accepted" else ("accepted_at", None)


def _due(start: datetime, rule: ClockRule, calendar: WorkCalendar, hours: _Hours) -> datetime:
    first = start.date()
    match rule.unit:
        case Unit.HOURS:
            return start + timedelta(hours=rule.limit)
        case Unit.WORKING_HOURS:
            return _after_working_hours(start, timedelta(hours=rule.limit), calendar, hours)
        case Unit.WORKING:
            last = calendar.after_workdays(first, rule.limit)
        case Unit.NATURAL:
            last = calendar.next_workday(first + timedelta(days=rule.limit))
    return datetime.combine(last, _END_OF_DAY, CHINA)


def _after_working_hours(start: datetime, left: timedelta, calendar: WorkCalendar, hours: _Hours) -> datetime:
    """The moment until which the office has been open for so long."""
    day = calendar.next_workday(start.date())
    while True:
        for begin, end in hours:
            opens, closes = max(start, datetime.combine(day, begin, CHINA)), datetime.combine(day, end, CHINA)
            if opens + left <= closes:
                return opens + left
            left -= max(closes - opens, timedelta())
            start = max(start, closes)
        day = calendar.after_workdays(day, 1)

"""What is due when: the rules of law and custom as data, counted on the working-day calendar."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from normalize.calendar import WorkCalendar
from normalize.case import ChannelKind, Deadline, DeadlineKind, Draft, RequestTypeCode
from normalize.dates import CHINA

_END_OF_DAY = time(23, 59, 59)
_Hours: TypeAlias = "tuple[tuple[time, time], ...]"


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

    def given_out(self, at: datetime | None) -> Progress:
        """As it stands once its source dispatched it then: after a refusal, it had it done again."""
        if at is None or self.refused_at is None or at <= self.refused_at:
            return self
        return replace(self, refused_at=None, returned_at=at)

    def known_accepted(self, at: datetime | None) -> Progress:
        """Its acceptance where no report tells it; after a return only one that came later."""
        if at is None or self.accepted_at is not None or (self.returned_at is not None and at <= self.returned_at):
            return self
        return replace(self, accepted_at=at)

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
        citizen when it is accepted or decided, the others when it is decided.
        """
        match kind:
            case DeadlineKind.SIGN | DeadlineKind.OBJECT:
                return _earliest(self.assigned_at, self.accepted_at, self.decided_at)
            case DeadlineKind.NOTICE:
                return _earliest(self.accepted_at, self.decided_at)
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
    basis: str | None = Field(default=None, description="law, rule or custom it rests on, shown beside the date")
    enabled: bool = Field(default=True, description="false: known but not applied here")

    def applies_to(self, facts: Draft) -> bool:
        return (
            self.enabled
            and (not self.channels or facts.channel_kind in self.channels)
            and (not self.types or facts.request_type.code in self.types)
        )


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
_REGULATION = "信访工作条例 第{}条"
_LOCAL = "本地热线办理规定"
_BUREAU = "本局办理惯例"
_SIMPLE = "信访事项简易办理办法(试行)"


def _rule(rule: str, kind: DeadlineKind, limit: int, unit: Unit, **more: object) -> ClockRule:
    return ClockRule.model_validate({"rule": rule, "kind": kind, "limit": limit, "unit": unit, **more})


SHIPPED: tuple[ClockRule, ...] = (
    _rule("xf.notice", _K.NOTICE, 15, Unit.NATURAL, channels=_PETITION, basis=_REGULATION.format("二十三")),
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


def deadlines(
    case_facts: Draft, rules: ClockRules, calendar: WorkCalendar, progress: Progress | None = None
) -> tuple[Deadline, ...]:
    """All that is due of a case, the source's own date first; depends on nothing but its arguments.

    What the reports tell is weighed against the case's own dates: when it was dispatched, and accepted.
    """
    applied = (rule for rule in rules.in_force if rule.applies_to(case_facts))
    ours = (_deadline(case_facts, rule, calendar, rules.open) for rule in applied)
    dispatched, accepted = case_facts.dispatched_at, case_facts.accepted_at
    if dispatched is not None and accepted is not None and accepted < dispatched:
        accepted = None  # by whoever sent it to us
    known = (progress or Progress()).given_out(dispatched).known_accepted(accepted)
    return tuple(_as_of(one, known) for one in (*_source_deadline(case_facts), *ours))


def next_due(due: Iterable[Deadline]) -> datetime | None:
    """The earliest date that is known of a clock that runs; None: nothing is due (yet, or any more)."""
    return min((one.due_at for one in due if one.due_at is not None and one.ended_at is None), default=None)


def is_closed_at_source(facts: Draft) -> bool:
    """Nobody there waits any more, whatever its clocks say: the source does not tell since when."""
    return facts.source_status.code == "closed"


_EXTENDABLE = frozenset({DeadlineKind.REPLY, DeadlineKind.CLOSE})


def extendable(due: Iterable[Deadline]) -> list[datetime]:
    """The known dates of the clocks that run and that an extension moves."""
    return [one.due_at for one in due if one.kind in _EXTENDABLE and one.due_at is not None and one.ended_at is None]


def _as_of(one: Deadline, progress: Progress) -> Deadline:
    """A deadline as the reports leave it: its clock stopped, its limit extended."""
    until = progress.extended_until
    if until is not None and one.kind in _EXTENDABLE and one.due_at is not None and until > one.due_at:
        one = one.model_copy(update={"due_at": until.astimezone(CHINA), "extended": True})
    return one.model_copy(update={"ended_at": progress.ends(one.kind)})


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _source_deadline(facts: Draft) -> tuple[Deadline, ...]:
    if facts.source_deadline_at is None:
        return ()
    given = facts.source_deadline_at
    return (Deadline(rule="source", kind=DeadlineKind.SOURCE, starts="source_deadline_at", due_at=given),)


def _deadline(facts: Draft, rule: ClockRule, calendar: WorkCalendar, hours: _Hours) -> Deadline:
    field, start = _start(facts, rule)
    if start is None:
        return Deadline(rule=rule.rule, kind=rule.kind, starts=field, due_at=None, basis=rule.basis)
    start = start.astimezone(CHINA)
    due = _due(start, rule, calendar, hours)
    return Deadline(
        rule=rule.rule,
        kind=rule.kind,
        starts=field,
        due_at=due,
        basis=rule.basis,
        provisional=not all(calendar.knows(date(year, 1, 1)) for year in range(start.year, due.year + 1)),
    )


def _start(facts: Draft, rule: ClockRule) -> tuple[str, datetime | None]:
    start: datetime | None = getattr(facts, rule.starts)
    if start is None and rule.starts != "accepted_at":
        return "received_at", facts.received_at
    return rule.starts, start


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

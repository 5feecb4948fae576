"""What is due of a case and when to remind of it: by the rules, the calendar in force, and what its OA reported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from ingest.compute import with_deadlines
from ingest.register import Timing
from normalize.calendar import WorkCalendar
from normalize.case import Case, Deadline
from normalize.clocks import ClockRules, Progress, deadlines, is_closed_at_source
from normalize.reminders import NEWS, Reminder, ReminderRules, Stage, next_at, reminders, to_tell


@dataclass(frozen=True)
class Clockwork:
    """What is counted by. An act that dates a case and notes its timing asks one and the same, whatever comes into
    force meanwhile: dates counted by another are found by its mark.
    """

    rules: ClockRules
    reminders: ReminderRules
    calendar: WorkCalendar

    @cached_property
    def mark(self) -> str:
        """The same as long as the rules and the calendar are."""
        rules = [rule.model_dump_json() for rule in self.rules.in_force]
        named = f"{rules}{self.rules.hours}{self.reminders.model_dump_json()}{self.calendar.mark}"
        return hashlib.sha256(named.encode()).hexdigest()[:16]

    def dated(
        self, case: Case, progress: Progress | None, *, before: Iterable[Deadline] = (), seen_at: datetime
    ) -> Case:
        """The case with its deadlines, as the reports and its state at the source leave them."""
        found = deadlines(case, self.rules, self.calendar, progress, before=before, seen_at=seen_at)
        return with_deadlines(case, found)

    def timing(self, case: Case, *, withdrawn: bool, now: datetime) -> Timing:
        """When a case just written must be looked at; at once, if anything of it has fallen due lately."""
        return Timing(self._next(case, now - NEWS, withdrawn=withdrawn), self.mark)

    def rewound(self, case: Case, *, withdrawn: bool, now: datetime) -> Timing:
        """When a case that was looked at now must be looked at again."""
        return Timing(self._next(case, now, withdrawn=withdrawn), self.mark)

    def to_tell(
        self, case: Case, told: Iterable[tuple[str, Stage, datetime]], *, withdrawn: bool, now: datetime
    ) -> list[Reminder]:
        """Which reminders are due now."""
        return [] if is_over(case, withdrawn=withdrawn) else to_tell(self._reminders(case), told, now)

    def _next(self, case: Case, after: datetime, *, withdrawn: bool) -> datetime | None:
        """A case is looked at until its last date has passed, whatever stages are told."""
        if is_over(case, withdrawn=withdrawn):
            return None
        dates = [one.due_at for one in case.deadlines if one.due_at is not None and one.ended_at is None]
        found = [next_at(self._reminders(case), after), *(date for date in dates if date > after)]
        return min((moment for moment in found if moment is not None), default=None)

    def _reminders(self, case: Case) -> list[Reminder]:
        return reminders(case, self.reminders, self.calendar)


def is_over(case: Case, *, withdrawn: bool) -> bool:
    """Nobody waits for anything any more."""
    return withdrawn or is_closed_at_source(case)

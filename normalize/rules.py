"""Section `rules` of the configuration: everything an office may set about how its cases are understood."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from normalize.accusation import AccusationRules
from normalize.clocks import ClockRules
from normalize.kind import KindRules
from normalize.letter_rules import LetterRules
from normalize.mail_rules import MailRules
from normalize.reminders import ReminderRules
from normalize.restrict import RestrictRules
from normalize.topics import TopicRules
from normalize.triage import TriageRules, UnitRules


class Rules(BaseModel):
    """All rules with their shipped defaults: `Rules()` is ready for use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mail: MailRules = Field(default_factory=MailRules, description="how mails are read")
    letter: LetterRules = Field(default_factory=LetterRules, description="how scanned letters are read")
    kind: KindRules = Field(default_factory=KindRules, description="words that tell the request type")
    accusation: AccusationRules = Field(default_factory=AccusationRules, description="words that tell an accusation")
    topics: TopicRules = Field(default_factory=TopicRules, description="topics and their words")
    triage: TriageRules = Field(default_factory=TriageRules, description="urgency, flags, and what to do first")
    restrict: RestrictRules = Field(default_factory=RestrictRules, description="which cases are withheld")
    units: UnitRules = Field(default_factory=UnitRules, description="which unit handles which topic")
    clocks: ClockRules = Field(default_factory=ClockRules, description="time limits")
    reminders: ReminderRules = Field(default_factory=ReminderRules, description="when the OA is reminded of them")

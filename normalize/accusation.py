"""Whether someone is accused: an official, teacher or leader, of breaking law or discipline (检举控告)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from pydantic import BaseModel, ConfigDict, Field

from normalize.accusation_words import ACTORS, BREACHES
from normalize.case import Draft, Purpose, PurposeCode, RequestTypeCode
from normalize.kind import without_salutation
from normalize.sentences import statements
from normalize.words import Words, merged

_SHORT = 150
"""In so few words nothing meets by chance."""
_STRONG = 2.5
_ANY = 1.0
_SENTENCES = 200
_PERSON = 0.6
"""From this weight on an actor is somebody, not just a school."""
_ASKED = re.compile(r"[请望求向找盼让给][^，,。！？\n]{0,8}?(?:教育局|局长|领导|部门|书记|市长|县长)")
"""Whom the writer turns to, who is not accused."""


class AccusationRules(BaseModel):
    """Section `rules.accusation`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    breaches: dict[str, float] = Field(
        default_factory=dict,
        description="words for breaches of law or discipline, added to the shipped ones; 0 removes",
    )
    actors: dict[str, float] = Field(
        default_factory=dict, description="words for those who can be accused, added to the shipped ones; 0 removes"
    )
    least: float = Field(default=4.0, gt=0, description="from this weight on a text is taken as an accusation")

    @cached_property
    def compiled(self) -> tuple[Words, Words]:
        return Words.of(merged(BREACHES, self.breaches)), Words.of(merged(ACTORS, self.actors))


@dataclass(frozen=True)
class Suspicion:
    """How strongly a text accuses someone."""

    breach: float
    """The weight of the breaches named, whoever did them."""
    weight: float
    least: float
    described: bool
    """Few words, and one sentence of them says who did what."""
    personal: bool
    """Some sentence names a breach together with somebody; told only where that decides."""

    @property
    def accuses(self) -> bool:
        return self.described or self.weight >= self.least


def suspicion(draft: Draft, rules: AccusationRules) -> Suspicion:
    """How strongly the words accuse. Without somebody who did it, a breach is a grievance; and in a long letter words
    meet by chance.
    """
    breaches, actors = rules.compiled
    whole = f"{draft.title}\n{draft.content or ''}"
    body = without_salutation(draft.content or "")
    text = f"{draft.title}\n{body}"
    breach = breaches.weight_in(text, whole)
    actor = actors.weight_in(text, whole) if breach else 0.0
    stressed = breach + 0.5 * breaches.weight_in(draft.title, whole)
    weight = stressed * min(1.0, 0.3 + 0.35 * actor) / max(1.0, len(body) / 500) ** 0.2
    described = len(text) < _SHORT and breach >= _STRONG and describes(text, rules)
    personal = rules.least / 2 <= weight < rules.least and describes(text, rules, _ANY)
    return Suspicion(breach, float(weight), rules.least, described, personal)


def describes(text: str, rules: AccusationRules, gravity: float = _STRONG) -> bool:
    """Whether one sentence states a breach of such gravity together with somebody who can be accused of it."""
    breaches, actors = rules.compiled
    return any(
        breaches.heaviest_in(sentence) >= gravity and actors.heaviest_in(sentence) >= _PERSON
        for sentence in (_ASKED.sub("", stated) for stated in islice(statements(text), _SENTENCES))
    )


def purpose(draft: Draft, found: Suspicion) -> Purpose:
    """The source's own purpose where it gave one, else accusation by the words, else what the type implies.

    What is a report already needs only half the weight where it names somebody. Expects the request type to be
    understood already.
    """
    if draft.purpose.code is not None:
        return draft.purpose
    return Purpose(code=_implied(draft, found), raw=draft.purpose.raw)


def _implied(draft: Draft, found: Suspicion) -> PurposeCode:
    is_report = draft.request_type.code is RequestTypeCode.REPORT
    if found.accuses or (is_report and found.personal):
        return PurposeCode.ACCUSATION
    return _OF_TYPE.get(draft.request_type.code, PurposeCode.OTHER)


_OF_TYPE: Mapping[RequestTypeCode, PurposeCode] = {
    RequestTypeCode.SUGGESTION: PurposeCode.SUGGESTION,
    RequestTypeCode.HELP: PurposeCode.APPEAL,
    RequestTypeCode.COMPLAINT: PurposeCode.APPEAL,
    RequestTypeCode.REPORT: PurposeCode.APPEAL,
}

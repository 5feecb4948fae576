"""Whether someone is accused: an official, teacher or leader, of breaking law or discipline (检举控告)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from normalize.accusation_words import ACTORS, BREACHES
from normalize.case import Draft, Purpose, PurposeCode, RequestTypeCode
from normalize.kind import without_salutation
from normalize.words import Words, merged


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
    actor: float
    length: int

    @property
    def weight(self) -> float:
        """Without somebody who did it, a breach is a grievance; and in a long letter words meet by chance."""
        return float(self.breach * min(1.0, 0.3 + 0.35 * self.actor) / max(1.0, self.length / 500) ** 0.2)


def suspicion(title: str, body: str, rules: AccusationRules) -> Suspicion:
    breaches, actors = rules.compiled
    text = without_salutation(body)
    breach = breaches.weight_in(f"{title}\n{text}") + 0.5 * breaches.weight_in(title)
    return Suspicion(breach, actors.weight_in(f"{title}\n{text}"), len(text))


def purpose(draft: Draft, rules: AccusationRules) -> Purpose:
    """The source's own purpose where it gave one, else accusation by the words, else what the type implies.

    What is a report already needs only half the weight. Expects the request type to be understood already.
    """
    if draft.purpose.code is not None:
        return draft.purpose
    return Purpose(code=_implied(draft, rules), raw=draft.purpose.raw)


def accuses(draft: Draft, rules: AccusationRules) -> bool:
    """Whether the text accuses someone, whatever the source calls it."""
    return suspicion(draft.title, draft.content or "", rules).weight >= rules.least


def _implied(draft: Draft, rules: AccusationRules) -> PurposeCode:
    found = suspicion(draft.title, draft.content or "", rules)
    bar = rules.least / 2 if draft.request_type.code is RequestTypeCode.REPORT else rules.least
    if found.weight >= bar:
        return PurposeCode.ACCUSATION
    return _OF_TYPE.get(draft.request_type.code, PurposeCode.OTHER)


_OF_TYPE: Mapping[RequestTypeCode, PurposeCode] = {
    RequestTypeCode.SUGGESTION: PurposeCode.SUGGESTION,
    RequestTypeCode.HELP: PurposeCode.APPEAL,
    RequestTypeCode.COMPLAINT: PurposeCode.APPEAL,
    RequestTypeCode.REPORT: PurposeCode.APPEAL,
}

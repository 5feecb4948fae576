"""What the matter is about: up to three topics, the main one first."""

from __future__ import annotations

from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from normalize.case import Draft
from normalize.topic_words import OTHER
from normalize.topic_words import TOPICS as SHIPPED
from normalize.words import WordLists, merged


class TopicRules(BaseModel):
    """Section `rules.topics`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="topic code: words with weight; added to a shipped topic (0 takes a word out), or a new topic",
    )
    title_factor: float = Field(default=2.5, ge=0, description="a word in the title counts so many times as much")
    least: float = Field(default=2.0, ge=0, description="a topic with less weight than this is not given")
    beside: float = Field(
        default=0.45, ge=0, le=1, description="a further topic needs this share of the main one's weight"
    )

    @cached_property
    def compiled(self) -> WordLists[str]:
        codes = [*SHIPPED, *(code for code in self.words if code not in SHIPPED)]
        return WordLists.of({code: merged(SHIPPED.get(code, {}), self.words.get(code, {})) for code in codes})


def topics(draft: Draft, rules: TopicRules) -> tuple[str, ...]:
    """At most three topic codes, the main one first; `other` where no topic's words stand out or others do."""
    head = " ".join((draft.title, *draft.category.path))
    return topics_of(head, draft.content or "", rules)


def topics_of(title: str, body: str, rules: TopicRules) -> tuple[str, ...]:
    in_title = rules.compiled.weights_in(title)
    in_body = rules.compiled.weights_in(body, within=f"{title}\n{body}")
    weights = {code: rules.title_factor * in_title[code] + in_body[code] for code in rules.compiled.keys}
    ranked = sorted(weights, key=lambda code: -weights[code])
    best = weights[ranked[0]]
    if best < rules.least:
        return (OTHER,)
    if ranked[0] == OTHER:
        return (OTHER,)
    beside = max(rules.least, rules.beside * best)
    return tuple([code for code in ranked if weights[code] >= beside and code != OTHER][:3])

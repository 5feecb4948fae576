"""Understanding a case once it is read: type, purpose, topics, urgency, flags, restriction, first step, unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from normalize.accusation import describes, purpose, suspicion
from normalize.case import Draft, ReadingMethod
from normalize.kind import request_type
from normalize.own_words import Spoken, spoken
from normalize.restrict import (
    ACCUSES,
    CALLED,
    SECRECY,
    TERM,
    as_called,
    asks_confidentiality,
    has_a_term,
    has_an_own_term,
    is_a_name,
    restriction,
)
from normalize.rules import Rules
from normalize.topics import topics
from normalize.triage import flags, suggested_unit, triage, urgency

WORDS = ("title", "content", "summary", "subject_party", "addressee")
"""The fields that hold somebody's words."""


@dataclass(frozen=True)
class Beside:
    """What a matter brings besides its title and content: the names of its files; the words of attached mails, texts
    and documents, of a body that was not read, and those with which its source added to it; how it is called.
    """

    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    called: tuple[str, ...] = ()


def understand(draft: Draft, rules: Rules, beside: Beside = Beside()) -> Draft:
    """The draft with everything the rules tell about it; what the source said itself stays. Pure and idempotent.

    A mail is judged by its writer's own words and those of a mail he hands on, not by what he quotes; but who quotes an
    accusation, or has one beside his words, carries it along, and the case is restricted. Who asks for secrecy has it,
    whatever the source says: platforms write "no" where nobody was asked.
    """
    said = _spoken(draft)
    heard = as_called(_with(draft, title=said.title, content=said.text or None), rules.restrict)
    found = suspicion(heard, rules.accusation)
    heard = _with(heard, request_type=request_type(heard, rules.kind, found.breach))
    secrecy = asks_confidentiality(heard, rules.restrict)
    heard = _with(
        heard,
        purpose=purpose(heard, found),
        topics=heard.topics or topics(heard, rules.topics),
        urgency=urgency(heard, rules.triage),
        flags=flags(heard, rules.triage),
        confidential_requested=_confidential(heard, asked=secrecy),
    )
    reason = TERM if names_an_own_term(draft, rules, beside) else restriction(heard, rules.restrict, found)
    reason = reason or (SECRECY if secrecy else None)
    if reason is None and _carries_an_accusation(draft, said, beside, rules):
        reason = ACCUSES
    if reason is None and any(is_a_name(called, rules.restrict) for called in beside.called):
        reason = CALLED
    heard = _with(heard, restricted=reason is not None, restricted_reason=reason, triage=triage(heard, rules.triage))
    unit = heard.suggested_unit or suggested_unit(heard, rules.units)
    return _with(heard, title=draft.title, content=draft.content, suggested_unit=unit)


def names_an_own_term(draft: Draft, rules: Rules, beside: Beside = Beside()) -> bool:
    """Whether one of the office's own words stands anywhere in a matter, or in what comes beside it."""
    return bool(rules.restrict.terms) and has_an_own_term(_everything(draft, beside), rules.restrict)


def _carries_an_accusation(draft: Draft, said: Spoken, beside: Beside, rules: Rules) -> bool:
    """A file is called for what it is: there a word is enough. What it says is weighed as a letter of its own."""
    words = (said.quoted, draft.summary or "", *beside.words, *beside.names)
    return (
        any(text and describes(text, rules.accusation) for text in words)
        or any(suspicion(_with(draft, title="", content=text), rules.accusation).accuses for text in beside.words)
        or any(has_a_term(name, rules.restrict) for name in beside.names)
    )


def _everything(draft: Draft, beside: Beside) -> str:
    """All text there is of a matter: what is quoted, what the source says of it, what comes beside."""
    told = draft.model_dump(mode="json", include={*WORDS, "request_type", "purpose", "category", "source_fields"})
    return "\n".join([*_texts(told), *beside.words, *beside.names, *beside.called])


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _spoken(draft: Draft) -> Spoken:
    """Only mail programs quote; elsewhere a line that looks like a quotation is the citizen's. Where the source tells
    what somebody said only in its own summary, that is what there is.
    """
    if draft.content and draft.reading.method is ReadingMethod.MIME:
        return spoken(draft.title, draft.content)
    return Spoken(draft.title, draft.content or draft.summary or "", "")


def _confidential(draft: Draft, *, asked: bool) -> bool | None:
    """What the source says, else what the words do; a mail that does not ask for it asks for none."""
    if draft.confidential_requested is not None:
        return draft.confidential_requested
    if asked:
        return True
    return False if draft.reading.method is ReadingMethod.MIME and draft.content and not draft.restricted else None


def _with(draft: Draft, **values: object) -> Draft:
    """A copy; the values are of our own making and not validated again."""
    return draft.model_copy(update=values)

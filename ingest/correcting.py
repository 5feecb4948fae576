"""From what a person wrote into fields to corrections of a case; and whether they make it a restricted one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.compute import Correction, Whom
from ingest.config import Config
from ingest.fields import CASE_FIELDS, PERSONAL, Fields, document_of, value_at
from ingest.register import Standing
from ingest.written import FieldRefused, Pen, Written, is_same
from normalize.accusation import suspicion
from normalize.case import Draft, PurposeCode, RequestTypeCode
from normalize.restrict import TERM, restriction
from normalize.rules import Rules
from normalize.understand import WORDS, names_an_own_term

RESTRICTION = ("restricted", "restricted_reason")
"""Corrected together, undone together."""


@dataclass(frozen=True)
class Read:
    """What was read of what a person wrote: the corrections, and what does not fit, by field."""

    corrections: Sequence[Correction]
    refused: Mapping[str, FieldRefused]
    unknown: Sequence[str]


def pens_of(config: Config) -> tuple[Fields, Pen]:
    """The fields as this office has them, and how they are written."""
    return Fields(tuple(config.rules.topics.compiled.keys)), Pen(config.service.zone, config.rules.mail.places)


def read_changes(fields: Fields, pen: Pen, case: Draft, changes: Mapping[str, Written]) -> Read:
    """The corrections these changes come to; what is written as it stands already is none."""
    document = document_of(case)
    count = len(document["petitioners"])
    values: dict[str, Any] = {}
    refused: dict[str, FieldRefused] = {}
    unknown = []
    for name, written in changes.items():
        field = fields.named(name, document)
        if field is None or _number(field.name) > count:
            unknown.append(name)
            continue
        before = value_at(document, field.name)
        if is_same(field, written, pen.shown(field, before)):
            continue
        try:
            values[field.name] = pen.read(field, written, before)
        except FieldRefused as error:
            refused[field.name] = error
    _judge_restriction(fields, document, values, refused)
    return Read(list(_corrections(values, document["petitioners"])), refused, unknown)


def restricted_by(before: Draft, after: Draft, rules: Rules, *, decided: bool) -> str | None:
    """Why a case that was open must be closed: for what it is now called, or for what its words now say.

    `decided`: a person has said of this very case whether it is restricted; then its words are not judged again.
    """
    if after.restricted:
        return None
    told = [reason for reason in _facts(after) if reason not in _facts(before)]
    if told:
        return told[0]
    if decided or all(getattr(before, field) == getattr(after, field) for field in WORDS):
        return None
    if names_an_own_term(after, rules):
        return TERM
    return restriction(after, rules.restrict, suspicion(after, rules.accusation))


def openings(standing: Sequence[Standing]) -> list[Standing]:
    """The corrections by which a person said of a case that it is not restricted."""
    opened = [one.at for one in standing if one.field == "restricted" and not one.value]
    return [one for one in standing if one.field in RESTRICTION and one.at in opened]


def says_else(before: Draft, after: Draft, corrected: Collection[str] = ()) -> bool:
    """Whether a case's words, or what it is called, are others than before; of `before` what a person has written over
    tells nothing.
    """
    fields = [field for field in WORDS if field not in corrected]
    facts = [fact for fact in _facts(after) if fact not in _facts(before)]
    return any(getattr(before, field) != getattr(after, field) for field in fields) or bool(facts)


def closing(reason: str) -> list[Correction]:
    """The corrections that make a case restricted."""
    return [Correction("restricted", value=True), Correction("restricted_reason", reason)]


def fact_of_restriction(draft: Draft) -> str | None:
    """Why what the case is called makes it one the accused must not see."""
    return next(iter(_facts(draft)), None)


def known_names() -> str:
    return ", ".join([*(field.name for field in CASE_FIELDS), *PERSONAL, "petitioners.1.name …"])


def _facts(draft: Draft) -> list[str]:
    reasons = (
        ("purpose accusation", draft.purpose.code is PurposeCode.ACCUSATION),
        ("type report", draft.request_type.code is RequestTypeCode.REPORT),
        ("confidentiality requested", bool(draft.confidential_requested)),
    )
    return [reason for reason, applies in reasons if applies]


def _judge_restriction(
    fields: Fields, document: Mapping[str, Any], values: dict[str, Any], refused: dict[str, FieldRefused]
) -> None:
    """A restricted case has its reason, an open one has none."""
    restricted = values.get("restricted", document["restricted"])
    reason = values.get("restricted_reason", document["restricted_reason"])
    if restricted and not reason:
        refused.setdefault("restricted_reason", _refusal(fields, document, "restricted_reason", "empty"))
    elif not restricted and values.get("restricted_reason"):
        if "restricted" not in values:
            refused.setdefault("restricted", _refusal(fields, document, "restricted", "reason"))
        values.pop("restricted_reason")
    if not restricted and document["restricted_reason"] is not None:
        values["restricted_reason"] = None


def _refusal(fields: Fields, document: Mapping[str, Any], name: str, code: str) -> FieldRefused:
    return FieldRefused(next(one for one in fields.of_case(document) if one.name == name), code)


def _corrections(values: Mapping[str, Any], people: Sequence[Mapping[str, Any]]) -> Iterator[Correction]:
    """A correction a field; a person who is new to the case is one."""
    count = len(people)
    prefix = f"petitioners.{count}."
    person = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    for name, value in values.items():
        if not name.startswith(prefix):
            number = _number(name)
            yield Correction(name, value, whom=Whom.of(people, number) if number >= 0 else None)
    if any(person.values()):
        yield Correction(f"petitioners.{count}", {"primary": count == 0, **person})


def _number(field: str) -> int:
    """Of the petitioner a field is of; -1: of none."""
    head, _, rest = field.partition(".")
    return int(rest.partition(".")[0]) if head == "petitioners" else -1

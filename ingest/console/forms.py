"""The form in which a person writes a case's fields: what it shows, what comes back, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from multidict import MultiMapping

from ingest.console.case_view import Corrected
from ingest.fields import LONGEST_TEXT, MOST_PERSONS, Field, Fields, Kind, value_at
from ingest.written import Pen, Written, is_same

GROUPS: Mapping[str, Sequence[str]] = {
    "content": ("title", "content", "summary"),
    "classification": (
        "request_type.code", "purpose.code", "topics", "urgency", "triage", "subject_party", "region", "addressee",
    ),
    "petitioners": ("anonymous", "joint", "petitioner_count"),
    "restriction": ("confidential_requested", "restricted", "restricted_reason"),
    "dates": ("petition_date", "postmark_date", "received_at", "accepted_at", "source_deadline_at"),
    "reading": ("reading.needs_review",),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One field on the form."""

    field: Field
    shown: Written
    problem: str | None = None
    """Why what was written does not fit: a key of the words under `problem`."""
    now: Written | None = None
    """What stands in the case by now, where that is not what is shown."""
    program: Written | None = None
    """What the program read, where a person has corrected it."""
    corrections: Sequence[Corrected] = ()
    """Those that stand, newest first."""
    too_long: bool = False
    """To be written here: it stays as it is."""


@dataclass(frozen=True)
class Form:
    """Its fields by group; the petitioners one by one, with an empty one at the end."""

    groups: Mapping[str, Sequence[Entry]]
    people: Sequence[Sequence[Entry]]
    problems: int = 0


@dataclass(frozen=True)
class Shown:
    """What a form is filled with: a case or draft as JSON, and what is known about its fields."""

    document: Mapping[str, Any]
    written: Mapping[str, Written] = field(default_factory=dict)
    """What the person has written already."""
    problems: Mapping[str, str] = field(default_factory=dict)
    program: Mapping[str, Any] | None = None
    corrections: Sequence[Corrected] = ()
    hidden: frozenset[str] = frozenset()
    """Fields with corrections that this person may not see."""


def form_of(fields: Fields, pen: Pen, shown: Shown, *, without: Sequence[str] = ()) -> Form:
    """The form over a case, or over what is to become one."""
    named = {one.name: one for one in fields.of_case(shown.document)}
    groups = {
        key: [_entry(named[name], pen, shown) for name in names if name not in without] for key, names in GROUPS.items()
    }
    people = [
        [_entry(one, pen, shown) for one in fields.of_person(number)] for number in range(_people(shown.document))
    ]
    return Form({key: entries for key, entries in groups.items() if entries}, people, len(shown.problems))


def written_in(form: MultiMapping[Any], fields: Fields, document: Mapping[str, Any]) -> dict[str, Written]:
    """What the browser sent of a form over this document, by field."""
    return {one.name: _sent(form, one) for one in _all(fields, document) if one.name in form}


def changed_from(
    fields: Fields, pen: Pen, written: Mapping[str, Written], document: Mapping[str, Any]
) -> dict[str, Written]:
    """Of what was written that which is not as it stood in the document when the form was shown."""
    named = {one.name: one for one in _all(fields, document)}
    return {
        name: value
        for name, value in written.items()
        if name not in named or not is_same(named[name], value, pen.shown(named[name], value_at(document, name)))
    }


def _all(fields: Fields, document: Mapping[str, Any]) -> Iterator[Field]:
    yield from fields.of_case(document)
    for number in range(_people(document)):
        yield from fields.of_person(number)


def _people(document: Mapping[str, Any]) -> int:
    return min(len(document.get("petitioners") or ()) + 1, MOST_PERSONS)


def _entry(one: Field, pen: Pen, shown: Shown) -> Entry:
    value = value_at(shown.document, one.name)
    now = pen.shown(one, value)
    written = shown.written.get(one.name)
    standing = [each for each in shown.corrections if each.field == one.name and each.undone_at is None]
    entry = Entry(one, now, shown.problems.get(one.name), corrections=standing)
    if standing and shown.program is not None and one.name not in shown.hidden:
        entry = replace(entry, program=pen.shown(one, value_at(shown.program, one.name)))
    if one.kind is Kind.TEXT and len(now) > one.longest:
        return replace(entry, shown="", too_long=True)
    if written is not None and not is_same(one, written, now):
        return replace(entry, shown=written, now=now)
    return entry


def _sent(form: MultiMapping[Any], one: Field) -> Written:
    values = [value for value in form.getall(one.name) if isinstance(value, str)]
    if one.kind is Kind.CODES:
        return [value for value in values if value]
    return values[0] if values else ""


__all__ = ["LONGEST_TEXT", "Entry", "Form", "Shown", "changed_from", "form_of", "written_in"]

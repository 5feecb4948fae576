"""The fields of a case that a person corrects or types."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from normalize.case import Draft, PurposeCode, RequestTypeCode, Triage, Urgency

DECIDED = "decided by a person"
RESTRICTED_REASONS = (
    "purpose accusation", "type report", "confidentiality requested", "text accuses someone", DECIDED,
)  # fmt: skip
LONGEST_TEXT = 50_000
"""Characters of a text a form takes; what is longer is not corrected by typing."""


class Kind(StrEnum):
    LINE = "line"
    TEXT = "text"
    CODE = "code"
    CODES = "codes"
    TRUTH = "truth"
    DAY = "day"
    MOMENT = "moment"
    PHONES = "phones"
    IDENTITY = "identity"
    COUNT = "count"
    REGION = "region"


@dataclass(frozen=True)
class Field:
    """`name`: as forms, commands and the history call it; it is the dotted place in the case."""

    name: str
    kind: Kind = Kind.LINE
    group: str = ""
    """Of the words of its codes."""
    codes: tuple[str, ...] = ()
    required: bool = False
    longest: int = 200


CASE_FIELDS = (
    Field("title", required=True, longest=500),
    Field("content", Kind.TEXT, longest=LONGEST_TEXT),
    Field("summary", Kind.TEXT, longest=2000),
    Field("request_type.code", Kind.CODE, "request_type", tuple(RequestTypeCode), required=True),
    Field("purpose.code", Kind.CODE, "purpose", tuple(PurposeCode)),
    Field("topics", Kind.CODES, "topic"),
    Field("urgency", Kind.CODE, "urgency", tuple(Urgency), required=True),
    Field("triage", Kind.CODE, "triage", tuple(Triage), required=True),
    Field("subject_party"),
    Field("region", Kind.REGION),
    Field("addressee"),
    Field("anonymous", Kind.TRUTH),
    Field("joint", Kind.TRUTH),
    Field("petitioner_count", Kind.COUNT),
    Field("confidential_requested", Kind.TRUTH),
    Field("restricted", Kind.TRUTH, required=True),
    Field("restricted_reason", Kind.CODE, "restricted_reason", RESTRICTED_REASONS),
    Field("petition_date", Kind.DAY),
    Field("postmark_date", Kind.DAY),
    Field("received_at", Kind.MOMENT, required=True),
    Field("accepted_at", Kind.MOMENT),
    Field("source_deadline_at", Kind.MOMENT),
    Field("reading.needs_review", Kind.TRUTH, required=True),
)
PERSON_FIELDS = (
    Field("name", longest=100),
    Field("phones", Kind.PHONES),
    Field("email"),
    Field("id_no", Kind.IDENTITY, longest=40),
    Field("address"),
)
PERSONAL = tuple(field.name for field in PERSON_FIELDS)
ALIASES = {
    "request_type": "request_type.code",
    "purpose": "purpose.code",
    "region.name": "region",
    "needs_review": "reading.needs_review",
}
_GROUPS = {field.name: field.group for field in CASE_FIELDS if field.group}
MOST_PERSONS = 20
_PERSON = re.compile(r"petitioners\.(\d{1,2})\.(\w+)")


def code_group(name: str) -> str:
    """Where the words for a field's codes stand, also for one of several such as topics.0; none: it holds no codes."""
    return _GROUPS.get(name) or _GROUPS.get(name.rpartition(".")[0], "")


@dataclass(frozen=True)
class Fields:
    """The fields as this office has them, with its topics. A code that stands in the case already may stay."""

    topics: tuple[str, ...]

    def of_case(self, document: Mapping[str, Any]) -> tuple[Field, ...]:
        return tuple(self._own(field, value_at(document, field.name)) for field in CASE_FIELDS)

    def of_person(self, number: int) -> tuple[Field, ...]:
        """Of the petitioner with this number, from 0."""
        return tuple(replace(one, name=f"petitioners.{number}.{one.name}") for one in PERSON_FIELDS)

    def named(self, name: str, document: Mapping[str, Any]) -> Field | None:
        """The field of this name; of the first petitioner also without saying so (`phones`). None: there is none."""
        if name in PERSONAL:
            name = f"petitioners.0.{name}"
        if found := _PERSON.fullmatch(name):
            number = int(found[1])
            mine = self.of_person(number) if number < MOST_PERSONS else ()
            return next((field for field in mine if field.name == name), None)
        asked = ALIASES.get(name, name)
        return next((field for field in self.of_case(document) if field.name == asked), None)

    def _own(self, field: Field, value: Any) -> Field:  # noqa: ANN401 - a JSON value
        if field.kind is Kind.CODES:
            return replace(field, codes=tuple(dict.fromkeys((*self.topics, *(value or ())))))
        if field.kind is Kind.CODE and value is not None and value not in field.codes:
            return replace(field, codes=(*field.codes, value))
        return field


def value_at(document: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - walks JSON
    """What stands at a dotted place of a case's JSON; None also where there is no such place."""
    found: Any = document
    for step in name.split("."):
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def document_of(draft: Draft) -> dict[str, Any]:
    """The draft as JSON."""
    found: dict[str, Any] = json.loads(draft.model_dump_json(include=set(Draft.model_fields)))
    return found

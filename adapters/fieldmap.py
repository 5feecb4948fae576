"""Which field of a platform's record means what: plain data an operator writes for a new city.

A path is dotted (`data.bt`); where several are given, the first that is filled in wins. What no entry uses goes to
the case's `source_fields`, and so does what cannot be used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _words(value: object) -> object:
    """YAML reads 1, 0, yes and no as numbers and truths: a record's words are compared as text."""
    if isinstance(value, Mapping):
        return {_word(key): _word(code) for key, code in value.items()}
    return tuple(_word(one) for one in value) if isinstance(value, list | tuple) else value


def _word(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return value


Paths = Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Codes = Annotated[Mapping[str, str], BeforeValidator(_words)]
Pattern = Annotated[str, AfterValidator(_pattern)]

RequestWord = Literal["consult", "help", "complaint", "report", "suggestion", "praise", "other"]
PurposeWord = Literal["suggestion", "appeal", "accusation", "other"]
UrgencyWord = Literal["normal", "urgent", "critical"]
SignalWord = Literal["reminder", "returned", "supplemented", "withdrawn"]
StepTime = Literal["signed_at", "accepted_at"]
FlagWord = Literal["minor_involved", "threat", "legal_matter", "media_hot", "backlog", "first_time", "repeat_at_source"]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Coded(_Entry):
    """A field whose words stand for codes; a word without code keeps its `raw` and gets none."""

    path: Paths = Field(default=(), description="where the word stands")
    codes: Codes = Field(default_factory=dict, description="word at the source: code in the case")


class RequestTypes(Coded):
    codes: Annotated[Mapping[str, RequestWord], BeforeValidator(_words)] = Field(
        default_factory=dict,
        description="word at the source: consult, help, complaint, report, suggestion, praise, other",
    )


class Purposes(Coded):
    codes: Annotated[Mapping[str, PurposeWord], BeforeValidator(_words)] = Field(
        default_factory=dict, description="word at the source: suggestion, appeal, accusation, other"
    )


class Urgencies(Coded):
    codes: Annotated[Mapping[str, UrgencyWord], BeforeValidator(_words)] = Field(
        default_factory=dict, description="word at the source: normal, urgent, critical"
    )


class Statuses(Coded):
    withdrawn: Words = Field(default=(), description="words that say the source took the matter back")


class CategoryEntry(_Entry):
    code: Paths = Field(default=(), description="the platform's code of the category")
    path: Paths = Field(default=(), description="the category's path, a text or a list")
    separator: Pattern = Field(default=r"[_/]", description="regular expression between its levels")
    leaf_first: bool = Field(default=False, description="true: written from leaf to root")


class RegionEntry(_Entry):
    code: Paths = Field(default=(), description="division code")
    name: Paths = Field(default=(), description="its name; without a code the name is looked up in the known places")


class PetitionersEntry(_Entry):
    """One petitioner in the record itself, or a list of them."""

    list: Paths = Field(default=(), description="the list; none: the record itself tells of one")
    primary: Paths = Field(default=(), description="flag of the main petitioner; none: the first")
    name: Paths = Field(default=(), description="name")
    phones: Paths = Field(default=(), description="every path that holds numbers, the best first; all are read")
    email: Paths = Field(default=(), description="e-mail address")
    id_type: Coded = Field(default=Coded(), description="kind of identity document; resident_id for 居民身份证")
    id_no: Paths = Field(default=(), description="its number")
    address: Paths = Field(default=(), description="address")
    gender: Paths = Field(default=(), description="gender, in the source's words")
    workplace: Paths = Field(default=(), description="employer")
    postcode: Paths = Field(default=(), description="postcode")


class AttachmentsEntry(_Entry):
    list: Paths = Field(description="a list, or a text of references")
    separator: Pattern = Field(default=",", description="regular expression between references in a text")
    ref: Paths = Field(default=(), description="within an item of a list: where it is fetched")
    name: Paths = Field(default=(), description="within an item: its name; none: the reference's last part")
    size: Paths = Field(default=(), description="within an item: bytes")
    name_pattern: Pattern | None = Field(
        default=None, description="regular expression over the reference's last part; its group `name` is the name"
    )
    role: Literal["evidence", "recording", "original", "scan"] = Field(default="evidence", description="what it is")
    external: bool = Field(default=False, description="true: only noted, not fetched")


class StepsEntry(_Entry):
    """What the source did with the matter, step by step."""

    list: Paths = Field(default=(), description="the list of steps")
    id: Paths = Field(default=(), description="the step's own key; none: told by its content")
    word: Paths = Field(default=(), description="what was done, in the source's words")
    at: Paths = Field(default=(), description="when")
    text: Paths = Field(default=(), description="what was said with it")
    signals: Annotated[Mapping[str, SignalWord], BeforeValidator(_words)] = Field(
        default_factory=dict,
        description="word: reminder, returned, supplemented or withdrawn; other steps are kept as told",
    )
    times: Annotated[Mapping[str, StepTime], BeforeValidator(_words)] = Field(
        default_factory=dict,
        description="word: signed_at or accepted_at, what its first step since the dispatch tells where no field does",
    )


class Descriptors(_Entry):
    """A record told as a list of fields, `[{"fd_name": "bt", "choice_value": "…"}, …]`."""

    list: str = Field(default="", description="path to the list within the record; '': the record is the list")
    name: str = Field(description="key that holds the field's name")
    value: str = Field(description="key that holds its value")


class FieldMap(_Entry):
    """What the fields of a record mean; every entry may be left out but the key."""

    key: Paths = Field(min_length=1, description="what names the matter at the platform; several are joined by /")
    modified: Paths = Field(default=(), description="when the source last changed it")
    descriptors: Descriptors | None = Field(default=None, description="how a record told as a list of fields is read")
    blank: Words = Field(
        default=("", "无", "暂无", "空", "/", "-", "--", "null", "NULL", "None"), description="words that say nothing"
    )
    yes: Words = Field(default=("1", "是", "true", "t", "y", "yes", "有", "√"), description="words that affirm a flag")
    no: Words = Field(default=("0", "2", "否", "false", "f", "n", "no", "没有", "×"), description="words that deny it")
    excel_dates: bool = Field(default=False, description="true: small bare numbers in times are a spreadsheet's days")

    source_no: Paths = Field(default=(), description="number people know it by")
    query_code: Paths = Field(default=(), description="code the citizen asks with")
    follows: Paths = Field(default=(), description="numbers of earlier matters it belongs to; all are read")
    title: Paths = Field(default=(), description="title")
    content: Paths = Field(default=(), description="the citizen's words")
    summary: Paths = Field(default=(), description="the source's summary")
    request_type: RequestTypes = Field(default=RequestTypes(), description="consult, complaint, …")
    purpose: Purposes = Field(default=Purposes(), description="suggestion, appeal, accusation")
    category: CategoryEntry = Field(default=CategoryEntry(), description="the source's category")
    form: Coded = Field(default=Coded(), description="how the citizen came: letter, visit, web, …")
    status: Statuses = Field(default=Statuses(), description="the matter's state at the source")
    urgency: Urgencies = Field(default=Urgencies(), description="urgency")
    petitioners: PetitionersEntry = Field(default=PetitionersEntry(), description="who petitions")
    anonymous: Paths = Field(default=(), description="flag")
    joint: Paths = Field(default=(), description="flag")
    petitioner_count: Paths = Field(default=(), description="how many petition")
    affected_count: Paths = Field(default=(), description="how many are affected")
    confidential_requested: Paths = Field(default=(), description="flag: asks not to be named")
    allow_public: Paths = Field(default=(), description="flag: agrees to publication")
    subject_party: Paths = Field(default=(), description="person or institution it is about")
    region: RegionEntry = Field(default=RegionEntry(), description="where the matter lies")
    addressee: Paths = Field(default=(), description="whom it is addressed to")
    flags: Mapping[FlagWord, Paths] = Field(
        default_factory=dict, description="flag of the case: path of the source's flag"
    )
    petition_date: Paths = Field(default=(), description="day of the petition")
    postmark_date: Paths = Field(default=(), description="day of the postmark")
    source_registered_at: Paths = Field(default=(), description="when the source registered it")
    dispatched_at: Paths = Field(default=(), description="when the source sent it to us")
    signed_at: Paths = Field(default=(), description="when it was signed for (签收)")
    accepted_at: Paths = Field(default=(), description="when it was accepted")
    source_deadline_at: Paths = Field(default=(), description="the source's own deadline")
    attachments: tuple[AttachmentsEntry, ...] = Field(default=(), description="attachments, one entry a field")
    steps: StepsEntry = Field(default=StepsEntry(), description="what the source did with it")
    ignore: Paths = Field(default=(), description="fields not worth keeping in source_fields")

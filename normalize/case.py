"""The one schema: a petition as the OA and every page see it, whichever door it came through.

The field names are the outer contract: they are only added to. Unknown is null, never an empty string.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1"


class ChannelKind(StrEnum):
    SUNSHINE = "sunshine"
    HOTLINE = "hotline"
    MAILBOX = "mailbox"
    LETTER = "letter"
    VISIT = "visit"
    PHONE = "phone"
    FILES = "files"
    TABLE = "table"
    PUSH = "push"


class RequestTypeCode(StrEnum):
    CONSULT = "consult"
    HELP = "help"
    COMPLAINT = "complaint"
    REPORT = "report"
    SUGGESTION = "suggestion"
    PRAISE = "praise"
    OTHER = "other"


class PurposeCode(StrEnum):
    SUGGESTION = "suggestion"
    APPEAL = "appeal"
    ACCUSATION = "accusation"
    OTHER = "other"


class Urgency(StrEnum):
    NORMAL = "normal"
    URGENT = "urgent"
    CRITICAL = "critical"


class Triage(StrEnum):
    NORMAL = "normal"
    DIRECT_REPLY = "direct_reply"
    NEED_CONTACT = "need_contact"
    LEADER_REVIEW = "leader_review"
    DISCIPLINE = "discipline"


class Flag(StrEnum):
    MINOR_INVOLVED = "minor_involved"
    THREAT = "threat"
    LEGAL_MATTER = "legal_matter"
    MEDIA_HOT = "media_hot"
    BACKLOG = "backlog"
    FIRST_TIME = "first_time"
    REPEAT_AT_SOURCE = "repeat_at_source"


class DeadlineKind(StrEnum):
    SIGN = "sign"
    OBJECT = "object"
    NOTICE = "notice"
    REPLY = "reply"
    CLOSE = "close"
    REVIEW = "review"
    SOURCE = "source"


class Relation(StrEnum):
    SAME_PETITION = "same_petition"
    SAME_MATTER = "same_matter"
    SAME_PERSON = "same_person"
    FOLLOW_UP = "follow_up"


class AttachmentRole(StrEnum):
    ORIGINAL = "original"
    SCAN = "scan"
    ENVELOPE = "envelope"
    EVIDENCE = "evidence"
    RECORDING = "recording"
    BODY_HTML = "body_html"
    SEARCHABLE = "searchable"


class AttachmentState(StrEnum):
    STORED = "stored"
    PENDING = "pending"
    EXTERNAL = "external"
    REFUSED = "refused"


class ReadingMethod(StrEnum):
    MIME = "mime"
    RECORD = "record"
    TEXT_LAYER = "text_layer"
    OCR = "ocr"
    TYPED = "typed"
    FORM = "form"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Confidence = Annotated[float, Field(ge=0, le=1)]


class RequestType(_Part):
    code: RequestTypeCode
    raw: str | None = None
    confidence: Confidence | None = None


class Purpose(_Part):
    code: PurposeCode | None = None
    raw: str | None = None


class Category(_Part):
    code: str | None = None
    path: tuple[str, ...] = ()
    raw: str | None = None


class Form(_Part):
    code: str | None = None
    raw: str | None = None


class SourceStatus(_Part):
    code: str | None = None
    raw: str | None = None


class Region(_Part):
    code: str | None = None
    name: str | None = None
    raw: str | None = None


class Unit(_Part):
    name: str
    reason: str | None = None


class Petitioner(_Part):
    primary: bool = False
    name: str | None = None
    phones: tuple[str, ...] = ()
    email: str | None = None
    id_type: str | None = None
    id_no: str | None = None
    address: str | None = None
    gender: str | None = None
    workplace: str | None = None
    postcode: str | None = None


class Receipt(_Part):
    """One arrival of the matter through one channel."""

    channel: str
    locator: str
    received_at: AwareDatetime | None
    fetched_at: AwareDatetime


class Deadline(_Part):
    rule: str
    kind: DeadlineKind
    starts: str = Field(description="the field its clock starts from, such as received_at")
    due_at: AwareDatetime | None = Field(description="null while the start is unknown")
    basis: str | None = None
    provisional: bool = Field(default=False, description="reaches beyond the known working-day calendar")
    ended_at: AwareDatetime | None = Field(default=None, description="when its clock was stopped; null: it runs")
    extended: bool = Field(default=False, description="due_at was extended in the OA")


class Related(_Part):
    case_id: str
    relation: Relation
    score: Confidence
    reasons: tuple[str, ...] = ()
    state: str = "proposed"


class Attachment(_Part):
    name: str
    media_type: str | None = None
    size: int | None = None
    sha256: str | None = None
    role: AttachmentRole
    pages: int | None = None
    url: str | None = None
    state: AttachmentState


class ReadingNote(_Part):
    """How the original was read, and how far to trust it."""

    method: ReadingMethod
    confidence: Confidence | None = None
    needs_review: bool = False
    pages: int | None = None


class Warning_(_Part):
    """Something a person should know of this reading; the codes are listed in the manual."""

    code: str
    text: str


class Numbering(_Part):
    """What we call it."""

    case_id: str
    case_no: str
    schema_version: str = SCHEMA_VERSION
    revision: int = Field(ge=1)


class Draft(_Part):
    """What the source said, normalized: a case without number, deadlines and relations."""

    channel: str
    channel_kind: ChannelKind
    source_id: str
    source_no: str | None = None
    query_code: str | None = None
    title: str
    content: str | None = None
    summary: str | None = None
    request_type: RequestType = RequestType(code=RequestTypeCode.OTHER)
    purpose: Purpose = Purpose()
    category: Category = Category()
    form: Form = Form()
    topics: tuple[str, ...] = ()
    petitioners: tuple[Petitioner, ...] = ()
    anonymous: bool | None = None
    joint: bool | None = None
    petitioner_count: int | None = None
    affected_count: int | None = None
    confidential_requested: bool | None = None
    allow_public: bool | None = None
    restricted: bool = False
    restricted_reason: str | None = None
    subject_party: str | None = None
    region: Region = Region()
    addressee: str | None = None
    urgency: Urgency = Urgency.NORMAL
    flags: tuple[Flag, ...] = ()
    petition_date: date | None = None
    postmark_date: date | None = None
    source_registered_at: AwareDatetime | None = None
    dispatched_at: AwareDatetime | None = None
    received_at: AwareDatetime
    accepted_at: AwareDatetime | None = None
    source_deadline_at: AwareDatetime | None = None
    source_status: SourceStatus = SourceStatus()
    triage: Triage = Triage.NORMAL
    suggested_unit: Unit | None = None
    attachments: tuple[Attachment, ...] = ()
    reading: ReadingNote
    source_fields: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[Warning_, ...] = ()


class Case(Draft, Numbering):
    """The case as it is delivered."""

    ingested_at: AwareDatetime
    receipts: tuple[Receipt, ...] = Field(min_length=1)
    deadlines: tuple[Deadline, ...] = ()
    related: tuple[Related, ...] = ()

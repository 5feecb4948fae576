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
    """What the citizen wants (诉求类型)."""

    code: RequestTypeCode = Field(description="what the citizen wants; other: not told")
    raw: str | None = Field(default=None, description="the source's own word for it")
    confidence: Confidence | None = Field(
        default=None, description="0 to 1: how sure that is; 1: the source says so; null: nothing tells"
    )


class Purpose(_Part):
    """The purpose (信访目的)."""

    code: PurposeCode | None = Field(
        default=None, description="the purpose in the sense of the petition regulations (信访目的)"
    )
    raw: str | None = Field(default=None, description="the source's own word for it")


class Category(_Part):
    """The content category (内容分类) of the source."""

    code: str | None = Field(default=None, description="the source's code of the content category (内容分类)")
    path: tuple[str, ...] = Field(default=(), description="its names from the broadest to the narrowest")
    raw: str | None = Field(default=None, description="as the source wrote it")


class Form(_Part):
    """How the citizen turned to the source (信访形式)."""

    code: str | None = Field(
        default=None,
        description="how the citizen turned to the source (信访形式): letter, visit, web, app, wechat, phone, fax,"
        " mailbox, or a code of the channel's field map",
    )
    raw: str | None = Field(default=None, description="the source's own word for it")


class SourceStatus(_Part):
    """How far the matter is at its source."""

    code: str | None = Field(
        default=None,
        description="how far it is at the source: new, under_review, accepted, not_accepted, in_progress, overdue,"
        " answered, returned, follow_up, reexamination, final_review, closed, withdrawn, or a code of the field map",
    )
    raw: str | None = Field(default=None, description="the source's own word for it")


class Region(_Part):
    """Where the problem is (问题属地)."""

    code: str | None = Field(default=None, description="administrative division code (GB/T 2260)")
    name: str | None = Field(default=None, description="its name")
    raw: str | None = Field(default=None, description="as the source wrote it")


class Unit(_Part):
    """The office that is to have it (责任单位)."""

    name: str = Field(description="the office that is to have it")
    reason: str | None = Field(default=None, description="by which rule it was suggested")


class Petitioner(_Part):
    """One who writes (信访人). What he does not tell is null."""

    primary: bool = Field(default=False, description="the one to answer to (主访人)")
    name: str | None = Field(default=None, description="as written")
    phones: tuple[str, ...] = Field(default=(), description="digits, with 0 and area code where given")
    email: str | None = Field(default=None, description="address")
    id_type: str | None = Field(default=None, description="resident_id, or the source's word")
    id_no: str | None = Field(
        default=None, description="identity number as written; whether it is doubtful stands in warnings"
    )
    address: str | None = Field(default=None, description="where he lives, as written")
    gender: str | None = Field(default=None, description="男 or 女")
    workplace: str | None = Field(default=None, description="where he works, as written")
    postcode: str | None = Field(default=None, description="six digits")


class Receipt(_Part):
    """One arrival of the matter through one channel."""

    channel: str = Field(description="the channel's name in the configuration")
    locator: str = Field(description="where it lies there: folder and UID, record key, file name")
    received_at: AwareDatetime | None = Field(description="when the source had it; null: it does not say")
    fetched_at: AwareDatetime = Field(description="when we took it in")


class Deadline(_Part):
    """One time limit (时限)."""

    rule: str = Field(description="the rule's name, such as xf.notice; source: set by the source")
    kind: DeadlineKind = Field(description="what has to be done by then")
    starts: str = Field(
        description="the field its clock starts from, such as received_at; returned_at: the source had it done again;"
        " source_status: there it was first seen as accepted, nobody tells when that was"
    )
    started_at: AwareDatetime | None = Field(default=None, description="when its clock started; null: not yet")
    due_at: AwareDatetime | None = Field(description="null while the start is unknown")
    basis: str | None = Field(default=None, description="the law or order it comes from")
    provisional: bool = Field(default=False, description="reaches beyond the known working-day calendar")
    ended_at: AwareDatetime | None = Field(default=None, description="when its clock was stopped; null: it runs")
    ended_assumed: bool = Field(
        default=False,
        description="ended_at is when its state at the source was first seen to say so: it ended then or before",
    )
    extended: bool = Field(default=False, description="due_at was extended in the OA")


class Related(_Part):
    """A case that belongs to this one."""

    case_id: str = Field(description="the other case")
    relation: Relation = Field(description="what it is to this one")
    score: Confidence = Field(description="how sure that is")
    reasons: tuple[str, ...] = Field(default=(), description="what tells so")
    state: str = Field(default="proposed", description="proposed, or what a clerk made of it")


class Attachment(_Part):
    """A file that belongs to the case."""

    name: str = Field(description="file name to show and to save it under")
    media_type: str | None = Field(default=None, description="as the source or the bytes say; null: not known")
    size: int | None = Field(default=None, description="bytes")
    sha256: str | None = Field(default=None, description="of the bytes, hexadecimal; null: they are not here")
    role: AttachmentRole = Field(description="what it is to the case")
    pages: int | None = Field(default=None, description="of a scan")
    url: str | None = Field(
        default=None, description="where to fetch it with the target's token; state external: where a person finds it"
    )
    state: AttachmentState = Field(
        description="stored: fetch it; pending: it comes, or is being scanned for viruses; external: we keep no copy;"
        " refused: it will not come"
    )


class ReadingNote(_Part):
    """How the original was read, and how far to trust it."""

    method: ReadingMethod = Field(description="from what the words were taken")
    confidence: Confidence | None = Field(default=None, description="0 to 1, of a scan's recognition")
    needs_review: bool = Field(default=False, description="a clerk should compare it with the original")
    pages: int | None = Field(default=None, description="of a scan")


class Warning_(_Part):
    """Something a person should know of this reading; the codes are listed in the manual."""

    code: str = Field(description='see the manual, "Warnings"')
    text: str = Field(description="a Chinese sentence for the clerk")


class Numbering(_Part):
    """What we call it."""

    case_id: str = Field(description="ULID, 26 characters; never changes")
    case_no: str = Field(description="YYYY-NNNNNN, gap-free in a year")
    schema_version: str = Field(
        default=SCHEMA_VERSION, description="of this schema; fields are added without changing it"
    )
    revision: int = Field(ge=1, description="grows by one with each change of the content")


class Draft(_Part):
    """What the source said, normalized: a case without number, deadlines and relations."""

    channel: str = Field(
        description="the channel's name in the configuration; of several, the one it first came through"
    )
    channel_kind: ChannelKind = Field(description="which kind of door")
    source_id: str = Field(
        description="the matter's identity at its source, the same whenever it comes: a record's key, which is unique"
        " on its platform, or sha256:… of a mail or scan"
    )
    source_no: str | None = Field(
        default=None, description="the number the source gave it (信访件编号, 工单编号, Message-ID)"
    )
    query_code: str | None = Field(default=None, description="the code with which the citizen asks for it (查询码)")
    title: str = Field(description="never empty; where the source gives none it is taken from the text, with a warning")
    content: str | None = Field(
        default=None, description="the citizen's words; null: there are none beside the attachments"
    )
    summary: str | None = Field(default=None, description="the source's own summary (概况)")
    request_type: RequestType = RequestType(code=RequestTypeCode.OTHER)
    purpose: Purpose = Purpose()
    category: Category = Category()
    form: Form = Form()
    topics: tuple[str, ...] = Field(
        default=(), description="what it is about, the main one first: codes of rules.topics"
    )
    petitioners: tuple[Petitioner, ...] = Field(default=(), description="who writes, the one to answer to first")
    anonymous: bool | None = Field(default=None, description="null: not known")
    joint: bool | None = Field(default=None, description="written by several together (联名)")
    petitioner_count: int | None = Field(default=None, description="how many people it is from (信访人数)")
    affected_count: int | None = Field(default=None, description="how many it concerns (涉及人数)")
    confidential_requested: bool | None = Field(
        default=None, description="the citizen, or the source, asks to keep secret who wrote"
    )
    allow_public: bool | None = Field(default=None, description="the answer may be published")
    restricted: bool = Field(default=False, description="only the discipline line may see it; the accused must not")
    restricted_reason: str | None = Field(default=None, description="which rule says so, never the words")
    subject_party: str | None = Field(default=None, description="whom or what it is about (被反映人或单位)")
    region: Region = Field(default=Region(), description="where the problem is (问题属地)")
    addressee: str | None = Field(default=None, description="to whom it was addressed (受信人)")
    urgency: Urgency = Urgency.NORMAL
    flags: tuple[Flag, ...] = Field(default=(), description="what to watch out for")
    petition_date: date | None = Field(default=None, description="when the citizen wrote (信访日期)")
    postmark_date: date | None = Field(default=None, description="of a letter (邮戳日期)")
    source_registered_at: AwareDatetime | None = Field(default=None, description="when the source registered it")
    dispatched_at: AwareDatetime | None = Field(
        default=None, description="when the source passed it on to us (转送时间)"
    )
    received_at: AwareDatetime = Field(
        description="when the office has it from: the clocks start here, unless their rule says otherwise"
    )
    signed_at: AwareDatetime | None = Field(default=None, description="签收, as the source tells it")
    accepted_at: AwareDatetime | None = Field(default=None, description="受理, as the source or the OA reports it")
    source_deadline_at: AwareDatetime | None = Field(
        default=None, description="the limit the source set (限办截止时间)"
    )
    source_status: SourceStatus = SourceStatus()
    triage: Triage = Field(default=Triage.NORMAL, description="the suggested first step")
    suggested_unit: Unit | None = Field(default=None, description="the suggested unit")
    attachments: tuple[Attachment, ...] = Field(
        default=(), description="all files; what came with it, what it names, its scan"
    )
    reading: ReadingNote
    source_fields: dict[str, Any] = Field(
        default_factory=dict, description="whatever else the source gave, under its own names and in its own shape"
    )
    warnings: tuple[Warning_, ...] = Field(default=(), description="what a person should know of this reading")


class Case(Draft, Numbering):
    """The case as it is delivered."""

    ingested_at: AwareDatetime = Field(description="when we first took it in")
    receipts: tuple[Receipt, ...] = Field(min_length=1, description="every arrival, the first first")
    deadlines: tuple[Deadline, ...] = Field(default=(), description="every time limit that applies")
    related: tuple[Related, ...] = Field(default=(), description="cases that belong together; empty in this version")

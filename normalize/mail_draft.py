"""The draft of a case from what a mail says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from normalize import joint, labels, people, places
from normalize.case import (
    Draft,
    Form,
    Purpose,
    PurposeCode,
    ReadingMethod,
    ReadingNote,
    Region,
    RequestType,
    RequestTypeCode,
    Warning_,
)
from normalize.confidential import asks_confidentiality, is_wanted
from normalize.dates import CHINA, parse_moment, signature_date
from normalize.labels import Labelled, LabelRules
from normalize.mail_bodies import Bodies
from normalize.mail_entity import Entity
from normalize.mail_headers import header_date, header_text, mailboxes
from normalize.mail_sender import Sender, sender
from normalize.mail_times import received_time
from normalize.mail_words import first_sentence, for_recognition, tidy
from normalize.own_words import forwarded, own_words
from normalize.places import PlaceRules
from normalize.reading import Source
from normalize.restrict import UNREADABLE
from normalize.writers import DOUBTFUL_ID, DOUBTFUL_PHONE, anonymous, is_nameless

_TYPES = (
    ("举报", RequestTypeCode.REPORT),
    ("检举", RequestTypeCode.REPORT),
    ("控告", RequestTypeCode.REPORT),
    ("揭发", RequestTypeCode.REPORT),
    ("投诉", RequestTypeCode.COMPLAINT),
    ("求助", RequestTypeCode.HELP),
    ("咨询", RequestTypeCode.CONSULT),
    ("建议", RequestTypeCode.SUGGESTION),
    ("意见", RequestTypeCode.SUGGESTION),
    ("表扬", RequestTypeCode.PRAISE),
    ("感谢", RequestTypeCode.PRAISE),
)
_PURPOSES = (
    ("举报", PurposeCode.ACCUSATION),
    ("检举", PurposeCode.ACCUSATION),
    ("控告", PurposeCode.ACCUSATION),
    ("揭发", PurposeCode.ACCUSATION),
    ("申诉", PurposeCode.APPEAL),
    ("求决", PurposeCode.APPEAL),
    ("建议", PurposeCode.SUGGESTION),
    ("意见", PurposeCode.SUGGESTION),
)
_ASKED_SECRECY = re.compile(r"是否.*保密|保密(?:要求|需求|意愿)")
_PLACED = frozenset(
    """name email id_no address workplace gender postcode title content request_type purpose query_code petition_date
    subject_party region addressee allow_public confidential anonymous""".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Understood:
    """A mail's draft, whether it is a web form that names its citizen, and how it calls the matter besides."""

    draft: Draft
    is_form: bool
    called: tuple[str, ...] = ()


def draft(
    mail: Entity, bodies: Bodies, source: Source, identity: str, label_rules: LabelRules, place_rules: PlaceRules
) -> Understood:
    """Say what a mail says in the one schema. Warnings tell what was assumed or doubtful."""
    hint = bodies.charset
    whole = tidy(bodies.text)
    passed = forwarded(whole, header_text(mail.get("subject"), hint))
    own = own_words(passed.body if passed else whole)
    labelled = labels.read(own, label_rules)
    given = labelled.values if labelled.is_form else {}
    notes = dict(bodies.notes)
    content = _content(labelled, whole)
    title = _title(mail, given, content, bodies, notes)
    spoken = for_recognition((content or "") if given else own)
    closing = {} if given else labels.closing(own, label_rules)
    who = sender(mail, hint, labelled, spoken, closing, passed)
    notes |= {doubt.code: doubt.text for doubt in who.doubts}
    if not content:
        notes["content_empty"] = "邮件正文为空" + ("，内容可能在附件中" if bodies.parts else "")
    together = joint.together(title, spoken, len(who.petitioners))
    received = _received(mail, source, notes)
    sent = header_date(mail.get("date"))
    deadline, dispatched = _deadline(given.get("deadline")), parse_moment(given.get("dispatched", ""))
    nameless = is_nameless((given or closing).get("name", ""))
    asked = _confidential(labelled) if given else closing.get("confidential")
    secret = _is_secret(asked, default=asks_confidentiality(spoken) or None)
    unclear = asked is not None and secret is None
    if unclear:
        notes["flag_unreadable"] = f"是否保密一栏填的“{asked}”既不是“是”也不是“否”"
    made = Draft(
        channel=source.channel,
        channel_kind=source.channel_kind,
        source_id=identity,
        source_no=header_text(mail.get("message-id")) or None,
        query_code=_query_code(given, own),
        title=title,
        content=content,
        request_type=_request_type(given.get("request_type")),
        purpose=_purpose(given.get("purpose")),
        form=Form(code="mailbox"),
        petitioners=who.petitioners,
        anonymous=_yes(
            given.get("anonymous"),
            default=anonymous(who.petitioners, asked=nameless or people.asks_anonymity(spoken)),
        ),
        joint=together.joint,
        petitioner_count=together.count,
        confidential_requested=secret,
        restricted=unclear,
        restricted_reason=UNREADABLE if unclear else None,
        allow_public=_yes(
            given.get("allow_public"), default=False if people.refuses_publication(spoken) else None, no="保密|匿名"
        ),
        subject_party=given.get("subject_party") or places.subject_party(spoken, place_rules, title),
        region=_region(given.get("region"), f"{title}\n{spoken}", place_rules),
        addressee=given.get("addressee") or _addressee(mail, hint),
        petition_date=_petition_date(given, sent, spoken, received),
        source_registered_at=source.received_at.astimezone(CHINA) if source.received_at else None,
        received_at=received,
        dispatched_at=dispatched,
        source_deadline_at=deadline,
        reading=_reading(notes, review=unclear),
        source_fields=_fields(mail, labelled, who, title, hint, read={"deadline": deadline, "dispatched": dispatched}),
        warnings=tuple(Warning_(code=code, text=text) for code, text in notes.items()),
    )
    return Understood(made, bool(given), _called(mail, hint, labelled, title))


def _called(mail: Entity, hint: str | None, labelled: Labelled, title: str) -> tuple[str, ...]:
    """How labels call the matter (举报内容), and the subject that a form's own title stands for (网站举报)."""
    subject = header_text(mail.get("subject"), hint)
    return (*labelled.words, subject) if labelled.is_form and subject != title else labelled.words


def _content(labelled: Labelled, whole: str) -> str | None:
    """The citizen's words: before a form and in it, else what stands under its labels, else the whole text."""
    if not labelled.is_form:
        return whole or None
    if written := labelled.values.get("content"):
        return tidy("\n\n".join(each for each in (labelled.before, written) if each)) or None
    return tidy(labelled.rest) or whole or None


def _reading(notes: Mapping[str, str], *, review: bool) -> ReadingNote:
    doubtful = {"characters_lost", "encrypted", DOUBTFUL_ID.code, DOUBTFUL_PHONE.code} & notes.keys()
    return ReadingNote(
        method=ReadingMethod.MIME,
        confidence=0.8 if "characters_lost" in notes else 1.0,
        needs_review=review or bool(doubtful),
    )


def _fields(
    mail: Entity, labelled: Labelled, who: Sender, title: str, hint: str | None, *, read: Mapping[str, datetime | None]
) -> dict[str, str]:
    """What has no place: the name and subject shown, and a form's further lines, unknown ones under their own words."""
    subject = header_text(mail.get("subject"), hint)
    fields = {"from_name": who.shown_name, "subject": subject if subject != title else None}
    fields |= {"forwarded_from": who.handed_on_from, "signed_email": who.signed_email}
    if labelled.is_form:
        placed = {*_PLACED, *(name for name, value in read.items() if value)}
        placed |= {"phone"} if any(each.phones for each in who.petitioners) else set()
        fields |= {f"label_{name}": value for name, value in labelled.values.items() if name not in placed}
        fields |= {words: value for words, value in labelled.others.items() if words not in fields}
    return {name: value for name, value in fields.items() if value}


def _deadline(written: str | None) -> datetime | None:
    """A deadline; a day without a clock lasts to its end."""
    at = parse_moment(written or "")
    whole_day = at is not None and at.time() == time() and not re.search(r"\d\s*[:：时点]", written or "")
    return at.replace(hour=23, minute=59, second=59) if at is not None and whole_day else at


def _title(mail: Entity, form: Mapping[str, str], content: str | None, bodies: Bodies, notes: dict[str, str]) -> str:
    """The form's title, else the subject, else the first sentence or the first attachment's name, with a warning."""
    if title := form.get("title") or header_text(mail.get("subject"), bodies.charset):
        return title.rstrip("\ufffd ") or title  # a header cut within a character
    notes["title_derived"] = "邮件没有主题，标题取自正文首句"
    first_file = bodies.parts[0].name if bodies.parts else None
    return first_sentence(content or "") or first_file or "（无主题）"


def _received(mail: Entity, source: Source, notes: dict[str, str]) -> datetime:
    """When the mail server took it in, else when its headers say, else when we fetched it."""
    if source.received_at:
        return source.received_at.astimezone(CHINA)
    if told := received_time(mail, source.fetched_at):
        return told
    notes["received_at_assumed"] = "邮件没有可信的收到时间，以读取时间代替"
    return source.fetched_at.astimezone(CHINA)


def _petition_date(form: Mapping[str, str], sent: datetime | None, own: str, received: datetime) -> date | None:
    written = parse_moment(form.get("petition_date", ""))
    return (written or sent or received).date() if written or sent else signature_date(own, received.date())


def _request_type(raw: str | None) -> RequestType:
    if not raw:
        return RequestType(code=RequestTypeCode.OTHER)
    code = next((code for word, code in _TYPES if word in raw), None)
    return RequestType(code=code or RequestTypeCode.OTHER, raw=raw, confidence=1.0 if code else None)


def _purpose(raw: str | None) -> Purpose:
    return Purpose(code=next((code for word, code in _PURPOSES if word in (raw or "")), None), raw=raw)


def _query_code(form: Mapping[str, str], own: str) -> str | None:
    written = re.search(r"[A-Za-z0-9]{6,20}", form.get("query_code", ""))
    found = written or re.search(r"(?<=查询码)\s*(?:[:：是为]\s*)?(\d{10})(?!\d)", own)
    return (found[1] if found.re.groups else found[0]) if found else None


def _region(label: str | None, text: str, rules: PlaceRules) -> Region:
    if not label:
        return places.region(text, rules)
    known = places.region(label, rules)
    return Region(code=known.code, name=known.name, raw=label)


def _addressee(mail: Entity, hint: str | None) -> str | None:
    first = next(iter(mailboxes(mail.get("to"), hint)), None)
    return (first.name or first.address) if first else None


def _confidential(labelled: Labelled) -> str | None:
    """What stands under a form's question for confidentiality, however that is put."""
    put = (value for words, value in labelled.others.items() if _ASKED_SECRECY.search(words))
    return labelled.values.get("confidential") or next(put, None)


def _is_secret(raw: str | None, *, default: bool | None) -> bool | None:
    """What a form's question for confidentiality is answered with; None: with nothing that can be read.

    A plain no alone denies it: 不便透露 and the like do not.
    """
    if raw is None:
        return default
    if (wanted := is_wanted(raw)) is not None:
        return wanted
    if re.fullmatch(r"\W*(?:no?|0|false|×)\W*", raw, re.IGNORECASE):
        return False
    return True if re.match(r"\W*(?:是|有|同意|愿意|yes\b|y$|1$|true)|\s*√", raw, re.IGNORECASE) else default


def _yes(raw: str | None, *, default: bool | None, no: str = "否") -> bool | None:
    """Read a yes or no as forms write it (是, 同意, 公开, 否, 不公开); `no`: words that deny what this field asks."""
    if raw is None:
        return default
    if re.match(rf"\s*(?:否|不|无|非|no\b|n$|0|false|{no})", raw, re.IGNORECASE):
        return False
    return (
        True
        if re.match(r"\s*(?:是|同意|要|愿意|公开|保密|匿名|可以|有|yes\b|y$|1|true|√)", raw, re.IGNORECASE)
        else default
    )

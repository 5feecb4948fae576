"""Reading a mail: bytes of an RFC 5322 message to a draft, its attachments and what it follows."""

from __future__ import annotations

import hashlib
import re

from normalize.mail_auto import why_no_case
from normalize.mail_bodies import Bodies, gather
from normalize.mail_draft import draft
from normalize.mail_entity import Entity, Limits, parse_entity
from normalize.mail_headers import header_text, message_ids
from normalize.mail_identity import identity
from normalize.mail_links import large_attachments
from normalize.mail_rules import MailRules
from normalize.reading import Disposition, Reading, Source, Unreadable

_TELLING = frozenset(
    ["from", "to", "subject", "date", "message-id", "received", "return-path", "mime-version", "content-type"]
)
_NUMBER = re.compile(
    r"(?:查询码|查询编号|工单号|工单编号|受理编号|信访件?编号|登记号|流水号|编号)\s*[:：#]?\s*([A-Za-z]{0,4}\d[\dA-Za-z-]{5,24})|(?<!\d)(\d{18}|20\d{2}-\d{6})(?!\d)"
)


def read_mail(data: bytes, source: Source, rules: MailRules) -> list[Reading]:
    """Read one mail; always exactly one Reading, and never an error.

    Bytes that are no mail are put in quarantine with the reason; automatic replies, bounces and newsletters are told
    from citizens' mails and open no case, but the draft they would have made is there.
    """
    limits = Limits(rules.max_depth, rules.max_parts)
    mail = parse_entity(data, limits)
    try:
        _must_be_a_mail(mail, data)
    except Unreadable as wrong:
        name = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return [Reading(Disposition.QUARANTINE, name, reason=str(wrong))]
    bodies = gather(mail, limits, _charset(mail))
    _add_large_attachments(bodies, rules)
    name = identity(mail)
    understood = draft(mail, bodies, source, name, rules.labels, rules.places)
    reason = why_no_case(mail, bodies.text, form=understood.is_form)
    disposition = Disposition.AUTO if reason else Disposition.CASE
    return [
        Reading(
            disposition,
            name,
            reason=reason,
            draft=understood.draft,
            parts=tuple(bodies.parts),
            unread=tuple(bodies.unread),
            called=understood.called,
            follows=_follows(mail, bodies.charset),
        )
    ]


def _must_be_a_mail(mail: Entity, data: bytes) -> None:
    if not data.strip(b"\0 \t\r\n"):
        raise Unreadable("邮件没有内容（零字节）")
    if not any(name in _TELLING for name, _ in mail.headers):
        raise Unreadable("不是邮件：找不到 From、Subject、Date 等邮件头")


def _charset(mail: Entity) -> str | None:
    """The charset the mail declares first: a hint for headers written in raw bytes."""
    for entity in (mail, *mail.parts, *(inner for part in mail.parts for inner in part.parts)):
        if declared := entity.content_type.raw("charset"):
            return declared.decode("ascii", "replace")
    return None


def _add_large_attachments(bodies: Bodies, rules: MailRules) -> None:
    links = large_attachments(bodies.text, bodies.html, rules.large_attachment_links)
    bodies.parts += links
    if links:
        bodies.notes["external_attachment"] = f"有 {len(links)} 个超大附件只是会过期的链接，未下载，请及时人工下载"


def _follows(mail: Entity, hint: str | None) -> tuple[str, ...]:
    """Message-IDs this mail answers, then the numbers its subject names."""
    ids = message_ids(mail.get("in-reply-to"), mail.get("references"))
    numbers = (labelled or bare for labelled, bare in _NUMBER.findall(header_text(mail.get("subject"), hint)))
    return tuple(dict.fromkeys([*ids, *numbers]))

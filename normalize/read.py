"""One way in for every kind of Raw: read it, then understand what was read."""

from __future__ import annotations

from dataclasses import replace

from adapters.base import RawKind
from adapters.fieldmap import FieldMap
from normalize.case import AttachmentRole, Warning_
from normalize.documents import document_words
from normalize.feed import read_feed
from normalize.letter import read_letter
from normalize.mail import read_mail
from normalize.mail_bodies import words_in
from normalize.mail_entity import Limits
from normalize.reading import Reading, Source, Unreadable
from normalize.rules import Rules
from normalize.scan import Scan
from normalize.understand import Beside, understand


def read(
    content: bytes,
    pointer: str,
    source: Source,
    rules: Rules,
    fields: FieldMap | None = None,
    scan: Scan | None = None,
    *,
    documents: bool = True,
) -> list[Reading]:
    """The matters in a Raw, each understood by the rules; `documents`: also by what attached ones say.

    A record needs its channel's field map, a letter the scan that was made of its content.

    Raises:
        Unreadable: nothing can be made of it.
    """
    if refused := source.meta.get("refused"):
        raise Unreadable(f"{source.channel}: {refused}")
    found = _read(content, pointer, source, rules, fields, scan)
    return [_understood(one, source, rules, documents=documents) for one in found]


def _read(
    content: bytes, pointer: str, source: Source, rules: Rules, fields: FieldMap | None, scan: Scan | None
) -> list[Reading]:
    match source.kind:
        case RawKind.MAIL:
            return read_mail(content, source, rules.mail)
        case RawKind.RECORD:
            if fields is None:
                raise Unreadable(f"{source.channel}：渠道没有配置字段对照表")
            return read_feed(content, pointer, source, fields, rules.mail.places)
        case RawKind.LETTER:
            if scan is None:
                raise Unreadable(f"{source.channel}：扫描件尚未识别")
            return read_letter(scan, source, rules.letter, content)


def _beside(reading: Reading, limits: Limits, *, documents: bool) -> Beside:
    told = (one.text or "" for one in reading.signals)
    files = [one.content for one in reading.parts if one.content and one.role is AttachmentRole.EVIDENCE]
    written = (document_words(file) for file in files if documents)
    words = (*told, *reading.unread, *(words_in(part, limits) for part in reading.parts), *written)
    return Beside(tuple(part.name for part in reading.parts), tuple(each for each in words if each), reading.called)


def _understood(reading: Reading, source: Source, rules: Rules, *, documents: bool) -> Reading:
    if reading.draft is None:
        return reading
    limits = Limits(rules.mail.max_depth, rules.mail.max_parts)
    draft = understand(reading.draft, rules, _beside(reading, limits, documents=documents))
    if source.meta.get("truncated"):
        said = f"原件 {source.meta.get('size')} 字节，超过渠道上限，只取了前面部分"
        draft = draft.model_copy(update={"warnings": (*draft.warnings, Warning_(code="truncated", text=said))})
    return replace(reading, draft=draft, unread=(), called=())  # they are weighed, and told to nobody

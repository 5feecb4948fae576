"""Reading a scanned letter: who writes to whom, about what, and how sure we are of what we read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from adapters.base import Json
from normalize import labels
from normalize.case import AttachmentRole, AttachmentState, Draft, Form, ReadingMethod, ReadingNote, Warning_
from normalize.dates import CHINA, signature_date
from normalize.letter_form import letter_form
from normalize.letter_people import Writers, writers
from normalize.letter_rules import LetterRules
from normalize.letter_split import Letter, letters_in, register_number
from normalize.paragraphs import paragraphs
from normalize.people import refuses_publication
from normalize.places import region, subject_party
from normalize.reading import Disposition, Part, Reading, Source, Unreadable
from normalize.scan import Page, Scan, mean_confidence
from normalize.titles import first_sentence

__all__ = ["LetterRules", "read_letter"]

NO_TEXT = "来信（未识别出文字）"
_CLOCKS_AGREE_WITHIN = timedelta(days=1)
_LIES_UNREAD = timedelta(days=366)
"""No letter waits longer for a scanner; a clock whose battery is empty begins in 1980 or 2000."""


def read_letter(scan: Scan, source: Source, rules: LetterRules, content: bytes | None = None) -> list[Reading]:
    """One reading for each letter in the scan, in order; a letter without legible text is a case to be reviewed.

    The first is known by the file's hash (`source.meta["sha256"]`), further ones by it with `#2`, `#3`… With the
    file's bytes in `content`, letters that share a scan have their own pages attached: one writer's accusation is not
    shown with another's request. Raises Unreadable when the channel refused the file (`source.meta["refused"]`), or
    it holds nothing but separators.
    """
    if refused := source.meta.get("refused"):
        raise Unreadable(f"{source.channel}: {refused}")
    letters = letters_in(scan, rules)
    if not letters:
        raise Unreadable(f"{source.channel}：只有分隔页，没有来信")
    identity = f"sha256:{source.meta['sha256']}"
    shared = len(letters) > 1
    return [
        _reading(
            letter,
            identity if place == 1 else f"{identity}#{place}",
            _own_pages(letter, scan, source, content) if shared and content else _scan_part(scan, source, content),
            source,
            rules,
            shared=shared and not content,
        )
        for place, letter in enumerate(letters, start=1)
    ]


def _reading(letter: Letter, identity: str, scan: Part, source: Source, rules: LetterRules, *, shared: bool) -> Reading:
    pages = tuple(page for page in letter.pages if not page.blank)
    form = letter_form(paragraphs(pages))
    title, words = form.heading, "\n".join(form.body)
    content = "\n".join((*form.letterhead, *form.body))
    people = writers(content, rules.labels, title or "")
    sure, doubts = _note(pages, rules.review_below, people)
    warnings = [*doubts]
    if title is None and content:
        title = first_sentence(content)
        warnings.append(Warning_(code="title_derived", text="来信没有标题，标题取自正文首句"))
    if shared:
        warnings.append(Warning_(code="shared_scan", text="所附扫描件中还有其他来信"))
    received_at, assumed = _received(source)
    near = received_at.astimezone(CHINA).date()
    draft = Draft(
        channel=source.channel,
        channel_kind=source.channel_kind,
        source_id=identity,
        source_no=letter.number or register_number(letter.pages, rules),
        title=title or NO_TEXT,
        content=content or None,
        form=Form(code="letter", raw="来信"),
        **_persons(people),
        allow_public=False if refuses_publication(content) else None,
        region=region(f"{title or ''}\n{words}", rules.places),
        subject_party=subject_party(words, rules.places, title or ""),
        addressee=form.addressee,
        petition_date=signature_date(content, near),
        received_at=received_at,
        reading=sure,
        source_fields=_fields(letter, source, rules),
        warnings=(*warnings, *assumed),
    )
    called = labels.read(content, rules.labels).words
    return Reading(Disposition.CASE, identity, draft=draft, parts=(scan,), called=called)


def _persons(people: Writers) -> dict[str, Any]:
    return {
        "petitioners": people.petitioners,
        "anonymous": people.anonymous,
        "joint": people.together.joint,
        "petitioner_count": people.together.count,
    }


def _note(pages: Sequence[Page], review_below: float, people: Writers) -> tuple[ReadingNote, list[Warning_]]:
    """How the letter was read and what of it a person should look at."""
    warnings = []
    lines = tuple(line for page in pages for line in page.lines)
    unsure = sum(1 for line in lines if line.confidence < review_below)
    if not lines:
        warnings.append(Warning_(code="no_text", text="未能识别出文字，请看图像"))
    if unsure:
        warnings.append(Warning_(code="low_confidence", text=f"{len(lines)} 行中有 {unsure} 行识别把握不足，请核对"))
    if unread := [page.number for page in pages if page.unread]:
        warnings.append(
            Warning_(code="unread_ink", text=f"第 {'、'.join(map(str, unread))} 页有未识别出的字迹，请看图像")
        )
    warnings += people.doubts
    method = ReadingMethod.OCR if any(page.method == "ocr" for page in pages) or not pages else ReadingMethod.TEXT_LAYER
    note = ReadingNote(
        method=method, confidence=mean_confidence(lines), needs_review=bool(warnings), pages=len(pages) or None
    )
    return note, warnings


def _received(source: Source) -> tuple[datetime, list[Warning_]]:
    """The scan's file time, in China's zone, unless it is missing, lies ahead of our clock or so far back that the
    scanner's is wrong.
    """
    at = source.received_at
    if at is None:
        why = "扫描件没有文件时间"
    elif at > source.fetched_at + _CLOCKS_AGREE_WITHIN:
        why = "扫描件的文件时间晚于当前时间"
    elif at < source.fetched_at - _LIES_UNREAD:
        why = "扫描件的文件时间在一年以前，可能是扫描仪的时钟不对"
    else:
        return at.astimezone(CHINA), []
    warning = Warning_(code="received_at_assumed", text=f"{why}，以首次发现的时间作为收到时间")
    return source.fetched_at.astimezone(CHINA), [warning]


def _fields(letter: Letter, source: Source, rules: LetterRules) -> dict[str, Json]:
    unsure: list[Json] = [
        {"page": page.number, "text": line.text, "confidence": round(line.confidence, 3)}
        for page in letter.pages
        for line in page.lines
        if line.confidence < rules.review_below
    ]
    fields: dict[str, Json] = {
        "file_name": source.meta.get("file_name"),
        "batch": source.meta.get("batch"),
        "scan_pages": [page.number for page in letter.pages],
        "unsure_lines": unsure[:50],
    }
    return {name: value for name, value in fields.items() if value}


def _scan_part(scan: Scan, source: Source, content: bytes | None) -> Part:
    return Part(
        name=_file_name(source),
        role=AttachmentRole.SCAN,
        state=AttachmentState.STORED,
        media_type=scan.media_type,
        size=len(content) if content else None,
        pages=len(scan.pages),
        whole=True,
    )


def _own_pages(letter: Letter, scan: Scan, source: Source, content: bytes) -> Part:
    from normalize.cut import cut, name_of  # noqa: PLC0415 - few scans hold several letters; the others load no PDF library

    numbers = [page.number for page in letter.pages]
    return Part(
        name=name_of(_file_name(source), numbers),
        role=AttachmentRole.SCAN,
        state=AttachmentState.STORED,
        media_type=scan.media_type,
        content=cut(content, scan.media_type, numbers),
        pages=len(numbers),
    )


def _file_name(source: Source) -> str:
    return str(source.meta.get("file_name") or source.locator.rpartition("/")[2])

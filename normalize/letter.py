"""Reading a scanned letter: who writes to whom, about what, and how sure we are of what we read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.base import Json
from normalize.case import AttachmentRole, AttachmentState, Draft, Form, ReadingMethod, ReadingNote, Warning_
from normalize.dates import CHINA, signature_date
from normalize.labels import LabelRules
from normalize.letter_form import addressee, begins_letter, heading
from normalize.letter_people import Writers, writers
from normalize.paragraphs import paragraphs
from normalize.people import joint_count, refuses_publication
from normalize.places import PlaceRules, region, subject_party
from normalize.reading import Disposition, Part, Reading, Source, Unreadable
from normalize.scan import Page, Scan, mean_confidence
from normalize.titles import first_sentence

NO_TEXT = "来信（未识别出文字）"
_CLOCKS_AGREE_WITHIN = timedelta(days=1)
_SHEET = 80
"""A page with a separator's barcode and more characters than this is a letter someone stuck the barcode on."""


class LetterRules(BaseModel):
    """How scans are cut into letters and read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    separator: str = Field(
        default=r"PATCH ?T|[A-Z]+-SEP",
        description="regular expression: barcodes of a sheet between two letters; after | may stand a register number",
    )
    register_number: str = Field(
        default=r"[A-Z]{0,4}\d{4}[-\d]{4,}",
        description="regular expression: barcodes that are a letter's register number",
    )
    split_by_form: bool = Field(
        default=True,
        description="a page that begins with heading and salutation, after one that ends with a date, is a new letter",
    )
    review_below: float = Field(
        default=0.95, ge=0, le=1, description="a line read with less confidence asks for a person's eye"
    )
    labels: LabelRules = Field(default_factory=LabelRules, description="words in front of a colon")
    places: PlaceRules = Field(default_factory=PlaceRules, description="places and schools known by name")

    @field_validator("separator", "register_number")
    @classmethod
    def _is_expression(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f'"{pattern}" is not a regular expression: {error}') from error
        return pattern


@dataclass(frozen=True)
class _Letter:
    """The pages of one letter within a scan, and the number on its barcode."""

    pages: tuple[Page, ...]
    number: str | None = None


def read_letter(scan: Scan, source: Source, rules: LetterRules) -> list[Reading]:
    """One reading for each letter in the scan, in order; a letter without legible text is a case to be reviewed.

    The first is known by the file's hash (`source.meta["sha256"]`), further ones by it with `#2`, `#3`…
    Raises Unreadable when the channel refused the file (`source.meta["refused"]`), or it holds nothing but separators.
    """
    if refused := source.meta.get("refused"):
        raise Unreadable(f"{source.channel} {source.locator}: {refused}")
    letters = _letters(scan, rules)
    if not letters:
        raise Unreadable(f"{source.channel} {source.locator}: only separator sheets; expected a letter between them")
    identity = f"sha256:{source.meta['sha256']}"
    return [
        _reading(
            letter, identity if place == 1 else f"{identity}#{place}", scan, source, rules, shared=len(letters) > 1
        )
        for place, letter in enumerate(letters, start=1)
    ]


def _letters(scan: Scan, rules: LetterRules) -> list[_Letter]:
    letters: list[_Letter] = []
    pages: list[Page] = []
    number: str | None = None
    for page in scan.pages:
        separator = next((code for code in page.barcodes if _is_separator(code, rules)), None)
        if separator is not None:
            letters.append(_Letter(tuple(pages), number))
            pages, number = [], _register_number([page], rules)
            if sum(len(line.text) for line in page.lines) <= _SHEET:
                continue
        pages.append(page)
    letters.append(_Letter(tuple(pages), number))
    if rules.split_by_form:
        letters = [part for letter in letters for part in _split_by_form(letter)]
    written = [letter for letter in letters if not all(page.blank for page in letter.pages)]
    return written or [letter for letter in letters if letter.pages][:1]


def _split_by_form(letter: _Letter) -> Iterator[_Letter]:
    pages: list[Page] = []
    number = letter.number
    for page in letter.pages:
        if pages and begins_letter(paragraphs([page])) and signature_date("\n".join(paragraphs(pages[-1:]))):
            yield _Letter(tuple(pages), number)
            pages, number = [], None
        pages.append(page)
    yield _Letter(tuple(pages), number)


def _is_separator(code: str, rules: LetterRules) -> bool:
    return re.fullmatch(rules.separator, code.partition("|")[0].strip(), re.IGNORECASE) is not None


def _register_number(pages: Sequence[Page], rules: LetterRules) -> str | None:
    """The register number a barcode carries: on its own, else behind a separator's `|`."""
    codes = [code for page in pages for code in page.barcodes]
    behind = [code.partition("|")[2] for code in codes if _is_separator(code, rules)]
    candidates = [code for code in codes if not _is_separator(code, rules)] + behind
    return next((code for code in candidates if re.fullmatch(rules.register_number, code)), None)


def _reading(
    letter: _Letter, identity: str, scan: Scan, source: Source, rules: LetterRules, *, shared: bool
) -> Reading:
    pages = tuple(page for page in letter.pages if not page.blank)
    told = paragraphs(pages)
    title, body = heading(told)
    content = "\n".join(body)
    people = writers(content, rules.labels)
    sure, doubts = _note(pages, rules.review_below, people)
    warnings = [*doubts]
    if title is None and told:
        title = first_sentence(content)
        warnings.append(Warning_(code="title_derived", text="the letter has no heading; it is its first sentence"))
    if shared:
        warnings.append(Warning_(code="shared_scan", text="the scan attached holds further letters"))
    received_at, assumed = _received(source)
    near = received_at.astimezone(CHINA).date()
    draft = Draft(
        channel=source.channel,
        channel_kind=source.channel_kind,
        source_id=identity,
        source_no=letter.number or _register_number(letter.pages, rules),
        title=title or NO_TEXT,
        content=content or None,
        form=Form(code="letter", raw="来信"),
        **_persons(people, content),
        allow_public=False if refuses_publication(content) else None,
        region=region(content, rules.places),
        subject_party=subject_party(content, rules.places, title or ""),
        addressee=addressee(body),
        petition_date=signature_date(content, near),
        received_at=received_at,
        reading=sure,
        source_fields=_fields(letter, source, rules),
        warnings=(*warnings, *assumed),
    )
    return Reading(Disposition.CASE, identity, draft=draft, parts=(_scan_part(scan, source),))


def _persons(people: Writers, content: str) -> dict[str, Any]:
    joint = joint_count(content) or (len(people.petitioners) if len(people.petitioners) > 1 else None)
    return {
        "petitioners": people.petitioners,
        "anonymous": people.anonymous,
        "joint": True if joint is not None and joint > 1 else None,
        "petitioner_count": joint or (1 if people.petitioners else None),
    }


def _note(pages: Sequence[Page], review_below: float, people: Writers) -> tuple[ReadingNote, list[Warning_]]:
    """How the letter was read and what of it a person should look at."""
    warnings = []
    lines = tuple(line for page in pages for line in page.lines)
    unsure = sum(1 for line in lines if line.confidence < review_below)
    if not lines:
        warnings.append(Warning_(code="no_text", text="no text could be read; the image is the record"))
    if unsure:
        warnings.append(Warning_(code="low_confidence", text=f"{unsure} of {len(lines)} lines were read unsurely"))
    if unread := [page.number for page in pages if page.unread]:
        warnings.append(
            Warning_(code="unread_ink", text=f"there is writing nobody read on page {', '.join(map(str, unread))}")
        )
    if people.doubtful_id:
        warnings.append(Warning_(code="id_check_digit", text="the identity number's check digit does not fit"))
    method = ReadingMethod.OCR if any(page.method == "ocr" for page in pages) or not pages else ReadingMethod.TEXT_LAYER
    note = ReadingNote(
        method=method, confidence=mean_confidence(lines), needs_review=bool(warnings), pages=len(pages) or None
    )
    return note, warnings


def _received(source: Source) -> tuple[Any, list[Warning_]]:
    """The scan's file time, unless it is missing or lies ahead of our clock."""
    at = source.received_at
    if at is not None and at <= source.fetched_at + _CLOCKS_AGREE_WITHIN:
        return at, []
    why = "the scan has no file time" if at is None else "the scan's file time lies ahead"
    return source.fetched_at, [Warning_(code="received_at_assumed", text=f"{why}; it is when it was first seen")]


def _fields(letter: _Letter, source: Source, rules: LetterRules) -> dict[str, Json]:
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


def _scan_part(scan: Scan, source: Source) -> Part:
    return Part(
        name=str(source.meta.get("file_name") or source.locator.rpartition("/")[2]),
        role=AttachmentRole.SCAN,
        state=AttachmentState.STORED,
        media_type=scan.media_type,
        pages=len(scan.pages),
        whole=True,
    )

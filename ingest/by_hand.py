"""A matter that a person reads in a Raw: what he types becomes a reading like the program's, only that it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.base import RawKind
from ingest.compute import Correction, corrected
from ingest.correcting import Read, closing, fact_of_restriction, read_changes
from ingest.fields import Fields
from ingest.inbox import RawRow
from ingest.reader import Door
from ingest.readings import KeptPart, KeptReading, PreparedReading, prepare
from ingest.written import FieldRefused, Pen, Written
from normalize.case import AttachmentRole, AttachmentState, Draft, Form, ReadingMethod, ReadingNote, Warning_
from normalize.media import media_type
from normalize.reading import Disposition, Part, Reading
from normalize.rules import Rules
from normalize.understand import understand
from store.blobs import Blobs
from store.sealing import Sealer

_FORM = {RawKind.MAIL: Form(code="mailbox"), RawKind.LETTER: Form(code="letter", raw="来信"), RawKind.RECORD: Form()}


@dataclass(frozen=True)
class Sheet:
    """What lies before the person: a Raw, the part of it he reads, and what the program made of that, if anything."""

    row: RawRow
    door: Door
    part: int
    program: KeptReading | None

    @property
    def identity(self) -> str:
        """The matter's own, as the program would have it."""
        if self.program is not None:
            return self.program.identity
        if self.row.kind is RawKind.RECORD:
            return f"{self.door.platform or self.row.channel}:{self.row.key}"
        return f"sha256:{self.row.sha256}" + (f"#{self.part}" if self.part > 1 else "")

    def draft(self, pen: Pen) -> Draft:
        """What the form begins with: the program's reading as far as it came, else next to nothing."""
        received = self.row.received_at or self.row.fetched_at
        note = ReadingNote(method=ReadingMethod.TYPED)
        if self.program is not None and self.program.draft is not None:
            return self.program.draft.model_copy(update={"reading": note, "warnings": ()})
        return Draft(
            channel=self.row.channel,
            channel_kind=self.door.kind,
            source_id=self.identity,
            title="",
            form=_FORM[self.row.kind],
            received_at=received.astimezone(pen.zone),
            reading=note,
        )


def part_to_read(found: Sequence[KeptReading]) -> tuple[int, KeptReading | None]:
    """Which part of a Raw is to be read by hand next, with the program's reading of it: the first of which it made no
    case, else one more than there is.
    """
    given_up = [one for one in found if one.disposition is not Disposition.CASE]
    if given_up:
        return given_up[0].part, given_up[0]
    return max((one.part for one in found), default=0) + 1, None


def read_form(sheet: Sheet, fields: Fields, pen: Pen, written: Mapping[str, Written]) -> Read:
    """What was read of what a person typed; a matter has a title."""
    read = read_changes(fields, pen, sheet.draft(pen), written)
    titled = sheet.draft(pen).title or any(one.field == "title" for one in read.corrections)
    if not titled and "title" not in read.refused:
        title = fields.named("title", {})
        if title is not None:
            read = replace(read, refused={"title": FieldRefused(title, "empty"), **read.refused})
    return read


def typed(
    sheet: Sheet, pen: Pen, corrections: Sequence[Correction], rules: Rules, *, shared: bool
) -> tuple[Draft, str | None]:
    """The draft a person typed, understood like any other, his own word before the rules'; and why it is restricted.

    `shared`: the original holds other matters besides.
    """
    draft = _laid(sheet.draft(pen), corrections)
    draft = _laid(understand(draft, rules), corrections)
    decided = any(one.field == "restricted" for one in corrections)
    if not draft.restricted and not decided and (reason := fact_of_restriction(draft)):
        draft = _laid(draft, closing(reason))
    warnings = []
    if sheet.row.received_at is None and not any(one.field == "received_at" for one in corrections):
        warnings.append(Warning_(code="received_at_assumed", text="原件没有收到时间，以首次发现的时间作为收到时间"))
    if shared:
        warnings.append(Warning_(code="shared_scan", text="所附扫描件中还有其他来信"))
    draft = draft.model_copy(update={"warnings": tuple(warnings)})
    return draft, draft.restricted_reason if draft.restricted else None


def prepared(sheet: Sheet, draft: Draft, content: bytes | None, blobs: Blobs, sealer: Sealer) -> PreparedReading:
    """The reading to enter, with the original attached; `content`: its bytes, None if they cannot be had now."""
    reading = Reading(Disposition.CASE, sheet.identity, draft=draft, parts=_parts(sheet.row, content))
    made = prepare(reading, sheet.row.sha256, blobs, sealer)
    if sheet.program is None:
        return made
    kept: tuple[KeptPart, ...] = sheet.program.parts
    return replace(
        made,
        reading=replace(reading, signals=sheet.program.signals, modified_at=sheet.program.modified_at),
        parts=kept or made.parts,
    )


def _laid(draft: Draft, corrections: Sequence[Correction]) -> Draft:
    for one in corrections:
        draft = corrected(draft, one)
    return draft


def _parts(row: RawRow, content: bytes | None) -> tuple[Part, ...]:
    """A record lies within a page of others, which are not this citizen's."""
    if row.kind is RawKind.RECORD:
        return ()
    if row.kind is RawKind.MAIL:
        name, role, media = f"original-{row.id}.eml", AttachmentRole.ORIGINAL, "message/rfc822"
    else:
        name = str(row.meta.get("file_name") or row.locator.rpartition("/")[2])
        role, media = AttachmentRole.SCAN, media_type((content or b"")[:1024])
    size = None if content is None else len(content)
    return (Part(name=name, role=role, state=AttachmentState.STORED, media_type=media, size=size, whole=True),)

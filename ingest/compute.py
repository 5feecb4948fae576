"""case = f(reading, corrections): pure, so that a replay or a change at the source computes the same case anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from dataclasses import field as default
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ingest.readings import KeptPart
from normalize.case import Attachment, AttachmentState, Case, ChannelKind, Deadline, Draft, Receipt, Warning_

NOT_CONTENT = frozenset(
    {"case_id", "case_no", "schema_version", "revision", "ingested_at", "receipts", "deadlines", "related"}
)
"""What may change without being a new revision."""


_NOT_DIGESTED = {*NOT_CONTENT, "source_fields"}


@dataclass(frozen=True)
class Whom:
    """The petitioner a correction is of, as he was shown when it was made, and who else there was."""

    name: str | None
    id_no: str | None
    phones: tuple[str, ...]
    others: tuple[str | None, ...]
    """The names of the others."""

    @classmethod
    def of(cls, people: Sequence[Mapping[str, Any]], number: int) -> Whom:
        person = people[number]
        others = tuple(one.get("name") for place, one in enumerate(people) if place != number)
        return cls(person.get("name"), person.get("id_no"), tuple(person.get("phones") or ()), others)

    def is_he(self, one: Mapping[str, Any]) -> bool:
        if self.id_no and one.get("id_no"):
            return bool(one["id_no"] == self.id_no)
        if self.name or one.get("name"):
            return bool(one.get("name") == self.name)
        return bool(set(self.phones) & set(one.get("phones") or ()))


@dataclass(frozen=True)
class Correction:
    """A clerk's word on one field: a dotted path such as `title` or `petitioners.0.name`, and its JSON value.

    A whole person, `petitioners.1`, is one who is added, whatever number he had then.
    """

    field: str
    value: Any
    _: KW_ONLY
    whom: Whom | None = None
    """Where it is of a petitioner's field."""


@dataclass(frozen=True)
class StoredAttachment:
    """What became of an attachment's bytes."""

    state: AttachmentState
    sha256: str | None
    size: int | None
    media_type: str | None
    harmful: str | None = None
    """What the virus scanner found in them: they stay sealed."""


class CorrectionRefused(Exception):
    """The value does not fit the field; the message says what was expected."""

    def __init__(self, said: str, chinese: str) -> None:
        """`chinese`: why, for the case's own warning."""
        super().__init__(said)
        self.chinese = chinese


@dataclass(frozen=True)
class Registration:
    """What the register gave the case, once."""

    case_id: str
    case_no: str
    ingested_at: datetime
    received_at: datetime | None = None
    """When it was first said to have been received; counts where a later reading only assumes."""
    channel: tuple[str, ChannelKind] | None = None
    """Through which it came first, where a later reading came through another; targets have their cases by channel."""


def compute(
    draft: Draft,
    registration: Registration,
    revision: int,
    receipts: Sequence[Receipt],
    attachments: Sequence[Attachment],
    corrections: Sequence[Correction],
    accepted_at: datetime | None = None,
) -> Case:
    """The case without its deadlines; `accepted_at`: as its OA reports."""
    if accepted_at is not None:
        draft = draft.model_copy(update={"accepted_at": accepted_at})
    if registration.channel is not None:
        name, kind = registration.channel
        draft = draft.model_copy(update={"channel": name, "channel_kind": kind})
    if registration.received_at is not None and is_assumed(draft):
        draft = draft.model_copy(update={"received_at": registration.received_at})
    if corrections:
        draft = _overlaid(draft.model_copy(update={"attachments": tuple(attachments)}), corrections)
    return Case.model_validate(
        {
            **vars(draft),
            "attachments": draft.attachments if corrections else tuple(attachments),
            "case_id": registration.case_id,
            "case_no": registration.case_no,
            "revision": revision,
            "ingested_at": registration.ingested_at,
            "receipts": tuple(receipts),
        }
    )


def is_assumed(draft: Draft) -> bool:
    """Whether nothing tells when it was received, so that a date was put in its place."""
    return any(one.code == "received_at_assumed" for one in draft.warnings)


def with_deadlines(case: Case, deadlines: Sequence[Deadline]) -> Case:
    return case.model_copy(update={"deadlines": tuple(deadlines)})


def corrected(draft: Draft, correction: Correction) -> Draft:
    """The draft with one clerk's correction laid over it.

    Raises:
        CorrectionRefused: a field that does not exist, or a value that does not fit it.
    """
    document = draft.model_dump(mode="json", include=set(Draft.model_fields))
    _put(document, correction)
    try:
        return Draft.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CorrectionRefused(f"{place}: {first['msg']}", f"{place} 的值不合要求") from error


def _overlaid(draft: Draft, corrections: Sequence[Correction]) -> Draft:
    """All corrections, the later winning; one that fits no longer, since the source changed, is said in a warning."""
    people = _People([one.model_dump(mode="json") for one in draft.petitioners])
    for one in corrections:
        try:
            draft = corrected(draft, people.followed(one, draft))
        except CorrectionRefused as error:
            warning = Warning_(code="correction_not_applied", text=f"更正 {one.field} 已不适用：{error.chinese}")
            draft = draft.model_copy(update={"warnings": (*draft.warnings, warning)})
    return draft


@dataclass
class _People:
    """Who the petitioners are, whatever is written over them: as the source names them, and as they were added."""

    originals: list[Mapping[str, Any]]
    added: dict[str, int] = default(default_factory=dict)
    """Where those stand who were added, by what added them."""

    def followed(self, correction: Correction, draft: Draft) -> Correction:
        """The correction of a petitioner's field where he stands now: the source may name others before him by now.

        Raises CorrectionRefused: he is not named any more.
        """
        people = [one.model_dump(mode="json") for one in draft.petitioners]
        if _adds(correction):
            place = self.added[correction.field] = _place(people, correction.value)
            self.originals += [correction.value] if place == len(self.originals) else []
            return correction
        person, _, name = correction.field.rpartition(".")
        stands = self._place_of(correction, person, people)
        return correction if stands is None else replace(correction, field=f"petitioners.{stands}.{name}")

    def _place_of(self, correction: Correction, person: str, people: Sequence[Mapping[str, Any]]) -> int | None:
        whom = correction.whom
        if whom is None:
            return self.added.get(person)
        here = int(person.rpartition(".")[2])
        both = enumerate(zip(self.originals, people, strict=False))  # one who was added may not fit any more
        there = [place for place, (before, now) in both if whom.is_he(before) or whom.is_he(now)]
        if here in there or (not there and self._is_called_otherwise(whom, here)):
            return here
        if not there:
            said = f"{correction.field}: whom it is of is not named any more"
            raise CorrectionRefused(said, "所更正的人，来源已不再列出")
        return there[0]

    def _is_called_otherwise(self, whom: Whom, here: int) -> bool:
        """Nobody came or went, and it is none of the others: the source, or a correction undone, names him so."""
        return len(self.originals) == len(whom.others) + 1 and self.originals[here].get("name") not in whom.others


def _adds(correction: Correction) -> bool:
    return correction.field.rpartition(".")[0] == "petitioners" and isinstance(correction.value, dict)


def _place(people: Sequence[Mapping[str, Any]], person: Mapping[str, Any]) -> int:
    """Where a person stands among these, or will: behind them."""
    return next((number for number, one in enumerate(people) if _is_same(one, person)), len(people))


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """One identity number; or one name, and no number that speaks against it."""
    if one.get("id_no") and other.get("id_no"):
        return bool(one["id_no"] == other["id_no"])
    phones, others = one.get("phones"), other.get("phones")
    if phones and others and not set(phones) & set(others):
        return False
    return bool(one.get("name")) and one.get("name") == other.get("name")


def _add(people: list[dict[str, Any]], person: Mapping[str, Any]) -> None:
    """Put a person behind those the source names; whom it names by now is completed."""
    place = _place(people, person)
    if place < len(people):
        there = people[place]
        there.update({key: value for key, value in person.items() if key != "primary" and not there.get(key)})
        return
    first = person.get("primary") and not any(one["primary"] for one in people)
    people.append({**person, "primary": bool(first)})


def attached(
    parts: Sequence[KeptPart], stored: Mapping[str, StoredAttachment], case_id: str, public_url: str
) -> list[Attachment]:
    """The attachments as the case shows them, in the reader's order."""
    return [_attachment(part, stored.get(part.key), case_id, public_url) for part in parts]


def infected(parts: Sequence[KeptPart], stored: Mapping[str, StoredAttachment]) -> tuple[Warning_, ...]:
    """A warning for each attachment that is not handed on for what was found in it."""
    return tuple(
        Warning_(code="attachment_infected", text=f"附件“{part.name}”被查出病毒（{one.harmful}），已封存，不提供下载")
        for part in parts
        if (one := stored.get(part.key)) is not None and one.harmful is not None
    )


def digest(case: Case) -> str:
    """Hash of the case's content: the same digest is the same revision."""
    content = case.model_dump_json(exclude=_NOT_DIGESTED)
    beside = json.dumps(case.source_fields, sort_keys=True)  # which a source may give in any order
    return hashlib.sha256(f"{content}{beside}".encode()).hexdigest()


def changes(old: Case, new: Case, by: str) -> list[dict[str, Any]]:
    """Which content fields differ: old and new value, and by whom."""
    before, after = (case.model_dump(mode="json", exclude=set(NOT_CONTENT)) for case in (old, new))
    return [
        {"field": field, "old": before.get(field), "new": value, "by": by}
        for field, value in after.items()
        if before.get(field) != value
    ]


def _attachment(part: KeptPart, stored: StoredAttachment | None, case_id: str, public_url: str) -> Attachment:
    state = stored.state if stored else part.state
    sha = (stored.sha256 if stored else None) or part.sha256
    return Attachment(
        name=part.name,
        media_type=part.media_type or (stored.media_type if stored else None),
        size=stored.size if stored and stored.size is not None else part.size,
        sha256=sha,
        role=part.role,
        pages=part.pages,
        url=f"{public_url}/files/{case_id}/{sha}" if sha and state is AttachmentState.STORED else _link(part),
        state=state,
    )


def _link(part: KeptPart) -> str | None:
    """Where a person finds what we do not fetch."""
    return part.ref if part.state is AttachmentState.EXTERNAL and part.ref and part.ref.startswith("http") else None


def _put(document: dict[str, Any], correction: Correction) -> None:
    if _adds(correction):
        _add(document["petitioners"], correction.value)
        return
    *path, last = correction.field.split(".")
    holder: Any = document
    for step in path:
        holder = _step(holder, step, correction.field)
    _step(holder, last, correction.field)
    holder[int(last) if isinstance(holder, list) else last] = correction.value


def _step(holder: Any, step: str, field: str) -> Any:  # noqa: ANN401 - walks JSON
    if isinstance(holder, dict) and step in holder:
        return holder[step]
    if isinstance(holder, list) and step.isdecimal() and int(step) < len(holder):
        return holder[int(step)]
    raise CorrectionRefused(f"{field}: a case has no field {step!r} there", f"现在没有 {step} 这一项")

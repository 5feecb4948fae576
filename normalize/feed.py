"""Reading a platform's record by its field map: one record, one case."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from adapters.base import Json
from adapters.document import NotJson, at_path, at_pointer, content_hash, parse
from adapters.fieldmap import Coded, FieldMap
from normalize.case import (
    Category,
    Draft,
    Flag,
    Form,
    Purpose,
    PurposeCode,
    ReadingMethod,
    ReadingNote,
    Region,
    RequestType,
    RequestTypeCode,
    SourceStatus,
    Urgency,
)
from normalize.confidential import is_wanted
from normalize.dates import CHINA
from normalize.petitioners import petitioners
from normalize.places import PlaceRules, region
from normalize.reading import (
    Disposition,
    Reading,
    Signal,
    SignalKind,
    Source,
    Unreadable,
    is_under_way,
    is_withdrawn,
)
from normalize.record_parts import attachments, signals, step_times
from normalize.records import Record, plain
from normalize.restrict import UNREADABLE
from normalize.titles import first_sentence

_CLOCKS_AGREE_WITHIN = timedelta(days=1)
_WORD = re.compile(r"[\u4e00-\u9fff]")
_DIVISION = re.compile(r"\d{6}(?:\d{3}){0,2}")


def read_feed(
    data: bytes, pointer: str, source: Source, field_map: FieldMap, places: PlaceRules | None = None
) -> list[Reading]:
    """Read the record a pointer names in a page, or each of the list it names (`""`: the whole document).

    Raises Unreadable when the bytes are no JSON or the pointer names nothing.
    """
    try:
        named = at_pointer(_page(data), pointer)
    except NotJson as error:
        raise Unreadable(f"{source.channel}：内容不是 JSON，无法读取（{error}）") from error
    except LookupError as error:
        raise Unreadable(f"{source.channel}：{pointer} 处没有记录") from error
    records = named if isinstance(named, list) and not _is_described(named, field_map) else [named]
    return [_read_told(record, source, field_map, places) for record in records]


def read_record(
    record: Mapping[str, Json], source: Source, field_map: FieldMap, places: PlaceRules | None = None
) -> Reading:
    """Read one record. What cannot be used is left in `source_fields` with a warning.

    A record without a key, or with neither title nor words, is kept aside.
    """
    told = Record(cast("dict[str, Json]", plain(dict(record))), field_map, [])
    parts = [told.text(path) for path in field_map.key]
    key = "/".join(part for part in parts if part) if all(parts) else _assumed_key(record, source)
    identity = f"{source.platform or source.channel}:{key}"
    modified_at = told.moment(field_map.modified)
    follows = tuple(
        number for text in told.texts(field_map.follows) for number in re.split(r"[,，;；、\s]+", text) if number
    )
    steps = signals(told, field_map.steps, identity)
    files = attachments(told, field_map)
    draft = _draft(told, source, field_map, places, key)
    if draft is None:
        reason = f"记录 {key} 既没有标题也没有内容，应在 {_any_of(field_map)}"
        return Reading(Disposition.QUARANTINE, identity, reason, parts=files, signals=steps, modified_at=modified_at)
    steps = _as_it_stands(steps, draft.source_status, field_map.status.withdrawn)
    if draft.source_status.raw in field_map.status.withdrawn and not is_withdrawn(steps):
        steps = (*steps, Signal(SignalKind.WITHDRAWN, id=f"{identity}#withdrawn", at=modified_at))
    unkeyed = None if all(parts) else f"记录没有编号，应在 {' + '.join(field_map.key)}"
    disposition = Disposition.QUARANTINE if unkeyed else Disposition.CASE
    return Reading(disposition, identity, unkeyed, draft, files, steps, modified_at, follows)


def _as_it_stands(steps: tuple[Signal, ...], status: SourceStatus, withdrawn: Sequence[str]) -> tuple[Signal, ...]:
    """Without the steps that took the matter back, where it has been given out again since: its platform has a word for
    matters taken back, and says of this one that it is under way.
    """
    if not withdrawn or status.raw in withdrawn or not is_under_way(status):
        return steps
    return tuple(one for one in steps if one.kind is not SignalKind.WITHDRAWN)


_page = lru_cache(maxsize=2)(parse)
"""A page's records are read one after the other; nobody changes what is shared."""


def _assumed_key(record: Mapping[str, Json], source: Source) -> str:
    """What a record without key is known by: the key its channel gave it, else its content."""
    given = source.meta.get("key")
    return given if isinstance(given, str) and given else content_hash(dict(record))


def _read_told(record: Json, source: Source, field_map: FieldMap, places: PlaceRules | None) -> Reading:
    if _is_described(record, field_map):
        record = _from_descriptors(record, field_map)
    if isinstance(record, dict):
        return read_record(record, source, field_map, places)
    identity = f"{source.platform or source.channel}:{content_hash(record)}"
    return Reading(Disposition.QUARANTINE, identity, "记录不是带字段的对象")


def _is_described(record: Json, field_map: FieldMap) -> bool:
    """Whether this is one record told as a list of `{name, value}`."""
    shape = field_map.descriptors
    told = at_path(record, shape.list) if shape else None
    return bool(shape and isinstance(told, list) and told and isinstance(told[0], dict) and shape.name in told[0])


def _from_descriptors(record: Json, field_map: FieldMap) -> dict[str, Json]:
    shape = field_map.descriptors
    listed = at_path(record, shape.list) if shape else None
    beside = {k: v for k, v in record.items() if shape and k != shape.list} if isinstance(record, dict) else {}
    told: dict[str, Json] = {}
    for one in listed if shape and isinstance(listed, list) else []:
        if shape and isinstance(one, dict) and shape.name in one:
            told[str(one[shape.name])] = one.get(shape.value)
    return {**beside, **told}


def _any_of(field_map: FieldMap) -> str:
    return "、".join((*field_map.title, *field_map.content)) or "标题或内容字段，但字段对照表没有指定"


def _draft(told: Record, source: Source, field_map: FieldMap, places: PlaceRules | None, key: str) -> Draft | None:
    title, content, summary = (told.text(*paths) for paths in (field_map.title, field_map.content, field_map.summary))
    if not (title or content or summary):
        return None
    if title is None:
        title = first_sentence(content or summary or "")
        told.warn("title_derived", "来源没有标题，标题取自首句")
    people, nameless = petitioners(told, field_map.petitioners)
    anonymous = told.flag(field_map.anonymous, _ANONYMOUS.get)
    values: dict[str, Any] = {
        "channel": source.channel,
        "channel_kind": source.channel_kind,
        "source_id": key,
        "title": title,
        "content": content,
        "summary": summary,
        "petitioners": people,
        "anonymous": True if anonymous is None and nameless else anonymous,
        **{name: told.text(*getattr(field_map, name)) for name in _TEXTS},
        **{name: told.flag(getattr(field_map, name), words) for name, words in _FLAGS.items()},
        **{name: told.count(getattr(field_map, name)) for name in _COUNTS},
        **{name: told.day(getattr(field_map, name)) for name in _DAYS},
        **_times(told, source, field_map),
        **_codes(told, field_map),
        "region": _region(told, field_map, places),
        "flags": tuple(Flag(name) for name, paths in field_map.flags.items() if told.flag(paths)),
    }
    unclear = _is_unclear(told, field_map, values["confidential_requested"], values["purpose"])
    values |= {
        "restricted": unclear,
        "restricted_reason": UNREADABLE if unclear else None,
        "reading": ReadingNote(method=ReadingMethod.RECORD, confidence=1.0, needs_review=unclear),
    }
    return Draft(**values, source_fields=told.left_over(), warnings=tuple(told.warnings))


_TEXTS = ("source_no", "query_code", "subject_party", "addressee")
_PUBLIC = {
    **dict.fromkeys(("公开", "同意", "同意公开", "可公开", "可以公开"), True),
    **dict.fromkeys(("不公开", "不同意", "不同意公开", "不可公开", "保密"), False),
}
_FLAGS: Mapping[str, Callable[[str], bool | None]] = {
    "joint": {"联名": True}.get,
    "confidential_requested": is_wanted,
    "allow_public": _PUBLIC.get,
}
"""The words in which platforms answer some flags, besides yes and no."""
_ANONYMOUS = {"匿名": True, "实名": False, "署名": False}
_COUNTS = ("petitioner_count", "affected_count")
_DAYS = ("petition_date", "postmark_date")


def _times(told: Record, source: Source, field_map: FieldMap) -> dict[str, datetime | None]:
    """The source's clock: dispatched to us, else registered, else received by the channel, else first seen."""
    latest = source.fetched_at + _CLOCKS_AGREE_WITHIN
    registered = told.moment(field_map.source_registered_at, latest=latest)
    dispatched = told.moment(field_map.dispatched_at, latest=latest)
    received = dispatched or registered or source.received_at
    steps = step_times(told, field_map.steps, earliest=dispatched, latest=latest)
    if received is None:
        told.warn("received_at_assumed", "来源没有给出收到时间，以首次取得的时间代替")
    return {
        "source_registered_at": registered,
        "dispatched_at": dispatched,
        "received_at": (received or source.fetched_at).astimezone(CHINA),
        **{
            name: told.moment(getattr(field_map, name), latest=latest) or steps.get(name)
            for name in ("signed_at", "accepted_at")
        },
        "source_deadline_at": told.moment(field_map.source_deadline_at, ends_day=True),
    }


def _codes(
    told: Record, field_map: FieldMap
) -> dict[str, RequestType | Purpose | Category | Form | SourceStatus | Urgency]:
    kind, kind_raw = _coded(told, field_map.request_type)
    purpose, purpose_raw = _coded(told, field_map.purpose)
    form, form_raw = _coded(told, field_map.form)
    status, status_raw = _coded(told, field_map.status)
    urgency = told.code(field_map.urgency.path, field_map.urgency.codes, keep=True)
    return {
        "request_type": RequestType(
            code=RequestTypeCode(kind or "other"), raw=kind_raw, confidence=1.0 if kind else None
        ),
        "purpose": Purpose(code=PurposeCode(purpose) if purpose else None, raw=purpose_raw),
        "category": _category(told, field_map),
        "form": Form(code=form, raw=form_raw),
        "source_status": SourceStatus(code=status, raw=status_raw),
        "urgency": Urgency(urgency or "normal"),
    }


def _is_unclear(told: Record, field_map: FieldMap, secret: bool | None, purpose: Purpose) -> bool:
    """Whether what the source fills in for confidentiality says nothing to us, or, as a bare code, for the purpose."""
    asked, _ = told.value(*field_map.confidential_requested)
    aimed, _ = told.value(*field_map.purpose.path)
    coded = aimed is not None and bool(field_map.purpose.codes) and not _WORD.search(purpose.raw or "")
    return (secret is None and asked is not None) or (purpose.code is None and coded)


def _coded(told: Record, entry: Coded) -> tuple[str | None, str | None]:
    return told.code(entry.path, entry.codes), told.text(*entry.path)


def _category(told: Record, field_map: FieldMap) -> Category:
    entry = field_map.category
    path, value = told.value(*entry.path)
    if isinstance(value, list) and all(isinstance(level, str) for level in value):
        levels = [level.strip() for level in value if isinstance(level, str) and level.strip()]
        raw: str | None = "/".join(levels)
    else:
        raw = told.text(path) if path else None
        levels = [level.strip() for level in re.split(entry.separator, raw or "") if level.strip()]
    return Category(
        code=told.text(*entry.code), path=tuple(reversed(levels) if entry.leaf_first else levels), raw=raw or None
    )


def _region(told: Record, field_map: FieldMap, places: PlaceRules | None) -> Region:
    """The source's division; a name without a division code is looked up among the known places."""
    entry = field_map.region
    code_path, _ = told.value(*entry.code)
    code, name = told.text(*entry.code), told.text(*entry.name)
    if code is not None and not _DIVISION.fullmatch(code):
        if code_path is not None:
            told.put_back(code_path)  # a platform's own number, or a name
        name, code = name or code, None
    if code is None and name is not None and places is not None:
        known = region(name, places)
        return Region(code=known.code, name=known.name or name, raw=name)
    official = next((one.name for one in places.districts if one.code == code), None) if places and code else None
    return Region(code=code, name=name or official, raw=name or code)

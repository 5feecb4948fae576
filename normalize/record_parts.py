"""What hangs on a record: its attachments, and what the source did with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote

from adapters.document import content_hash
from adapters.fieldmap import AttachmentsEntry, FieldMap, StepsEntry
from normalize.case import AttachmentRole, AttachmentState
from normalize.reading import Part, Signal, SignalKind
from normalize.records import Record


def attachments(record: Record, field_map: FieldMap) -> tuple[Part, ...]:
    """Every attachment once, by its reference, in the record's order."""
    parts = [part for entry in field_map.attachments for part in _listed(record, entry)]
    return tuple({part.ref or index: part for index, part in enumerate(parts)}.values())


def signals(record: Record, entry: StepsEntry, identity: str) -> tuple[Signal, ...]:
    """What the source did that concerns us. The list of steps is left over whole: it is the matter's history there."""
    found = []
    for step in record.items(entry.list):
        word = step.text(*entry.word)
        kind = entry.signals.get(word) if word else None
        if kind is not None:
            key = step.text(*entry.id) or content_hash(step.left_over() | {"word": word})
            found.append(
                Signal(SignalKind(kind), id=f"{identity}#{key}", at=step.moment(entry.at), text=step.text(*entry.text))
            )
    for path in entry.list:
        record.put_back(path)
    return tuple(found)


def step_times(
    record: Record, entry: StepsEntry, *, earliest: datetime | None, latest: datetime
) -> Mapping[str, datetime]:
    """Which of the case's times its steps tell: each the first that is not before `earliest`."""
    found: dict[str, datetime] = {}
    for step in record.items(entry.list) if entry.times else ():
        name = entry.times.get(step.text(*entry.word) or "")
        at = step.moment(entry.at, latest=latest) if name else None
        if name and at and (earliest is None or at >= earliest):
            found[name] = min(at, found.get(name, at))
    for path in entry.list:
        record.put_back(path)
    return found


def _listed(record: Record, entry: AttachmentsEntry) -> list[Part]:
    path, value = record.value(*entry.list)
    if path is None:
        return []
    if isinstance(value, str):
        return [_from_reference(ref.strip(), entry) for ref in re.split(entry.separator, value) if ref.strip()]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [_from_reference(one.strip(), entry) for one in value if isinstance(one, str) and one.strip()]
    return [_from_item(item, entry) for item in record.items(entry.list)]


def _from_reference(ref: str, entry: AttachmentsEntry) -> Part:
    return Part(name=_name(ref, entry), role=AttachmentRole(entry.role), state=_state(entry), ref=ref)


def _from_item(item: Record, entry: AttachmentsEntry) -> Part:
    ref = item.text(*entry.ref)
    name = item.text(*entry.name) or (_name(ref, entry) if ref else "附件")
    state = _state(entry)
    if ref is None:
        item.warn("attachment_without_address", f"{name}：没有可供下载的地址")
        state = AttachmentState.REFUSED
    return Part(name=name, role=AttachmentRole(entry.role), state=state, ref=ref, size=item.count(entry.size))


def _state(entry: AttachmentsEntry) -> AttachmentState:
    return AttachmentState.EXTERNAL if entry.external else AttachmentState.PENDING


def _name(ref: str, entry: AttachmentsEntry) -> str:
    """The reference's last part, or what the platform's pattern finds within it."""
    last = unquote(re.split(r"[?#]", ref, maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1]) or ref
    found = re.search(entry.name_pattern, last) if entry.name_pattern else None
    return found["name"] if found and "name" in found.groupdict() and found["name"] else last

"""Reading in a process of its own: Raws come from strangers, and one of them may make its reader hang or swell.

    python -m normalize.reading_process

What is asked and answered crosses the border as JSON, with the Raws' and the attachments' bytes behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from adapters.base import Json, RawKind
from adapters.fieldmap import FieldMap
from normalize.case import AttachmentRole, AttachmentState, ChannelKind, Draft
from normalize.reading import Disposition, Part, Reading, Signal, SignalKind, Source, Unreadable
from normalize.rules import Rules
from normalize.scan import Scan
from normalize.serve import Message, serve, where


@dataclass(frozen=True)
class Asked:
    """A Raw that is to be read, with all that its reader must know."""

    content: bytes
    pointer: str
    source: Source
    fields: FieldMap | None = None
    scan: Scan | None = None
    documents: bool = True
    """Whether to read what is attached, to see whom it accuses."""


@dataclass(frozen=True)
class Unread:
    """Why there is no reading; `fault`: our reader's, not the Raw's."""

    reason: str
    fault: bool = False


def question(asked: Sequence[Asked], rules: Rules) -> Message:
    """What to send."""
    heads: list[Json] = [
        {
            **_source(one.source),
            "pointer": one.pointer,
            "size": len(one.content),
            "fields": None if one.fields is None else one.fields.model_dump_json(),
            "scan": None if one.scan is None else one.scan.to_json(),
            "documents": one.documents,
        }
        for one in asked
    ]
    return {"rules": _written(rules), "raws": heads}, b"".join(one.content for one in asked)


def answers(said: Message) -> list[list[Reading] | Unread]:
    """What came back, in the order asked."""
    head, data = said
    pieces = _Pieces(data)
    return [_heard(one, pieces) for one in _list(head["read"])]


def answer(head: Mapping[str, Json], data: bytes) -> Message:
    """Read what is asked for; the fault of one is its own."""
    rules = _rules(str(head["rules"]))
    pieces, behind = _Pieces(data), list[bytes]()
    return {"read": [_read(one, pieces, rules, behind) for one in _list(head["raws"])]}, b"".join(behind)


def _read(asked: Mapping[str, Any], pieces: _Pieces, rules: Rules, behind: list[bytes]) -> Json:
    content = pieces.take(asked["size"])
    fields = None if asked["fields"] is None else _fields(asked["fields"])
    scan = None if asked["scan"] is None else Scan.from_json(asked["scan"])
    from normalize.read import read  # noqa: PLC0415 - who only asks loads no reader

    try:
        found = read(content, asked["pointer"], _sourced(asked), rules, fields, scan, documents=asked["documents"])
        told = [_told(one) for one in found]
    except Unreadable as error:
        return {"unread": str(error), "fault": False}
    except Exception as error:  # noqa: BLE001 - foreign bytes found a bug of ours: the others are read all the same
        return {"unread": where(error), "fault": True}
    behind.extend(piece for _, its in told for piece in its)
    return {"readings": [one for one, _ in told]}


def _told(one: Reading) -> tuple[Json, list[bytes]]:
    """A reading as JSON, and the bytes that stand behind it: the draft's JSON, the attachments' contents."""
    draft = b"" if one.draft is None else one.draft.model_dump_json().encode()
    told: dict[str, Any] = {
        "disposition": one.disposition,
        "identity": one.identity,
        "reason": one.reason,
        "draft": len(draft),
        "parts": [{**vars(part), "content": None if part.content is None else len(part.content)} for part in one.parts],
        "signals": [{**vars(signal), "at": _stamp(signal.at)} for signal in one.signals],
        "modified_at": _stamp(one.modified_at),
        "follows": list(one.follows),
    }
    return told, [draft, *(part.content for part in one.parts if part.content is not None)]


def _heard(said: Mapping[str, Any], pieces: _Pieces) -> list[Reading] | Unread:
    if "unread" in said:
        return Unread(said["unread"], said["fault"])
    return [_reading(one, pieces) for one in said["readings"]]


def _reading(said: Mapping[str, Any], pieces: _Pieces) -> Reading:
    draft = pieces.take(said["draft"])
    return Reading(
        disposition=Disposition(said["disposition"]),
        identity=said["identity"],
        reason=said["reason"],
        draft=Draft.model_validate_json(draft) if draft else None,
        parts=tuple(_part(one, pieces) for one in said["parts"]),
        signals=tuple(
            Signal(SignalKind(one["kind"]), one["id"], _moment(one["at"]), one["text"]) for one in said["signals"]
        ),
        modified_at=_moment(said["modified_at"]),
        follows=tuple(said["follows"]),
    )


def _part(said: Mapping[str, Any], pieces: _Pieces) -> Part:
    content = None if said["content"] is None else pieces.take(said["content"])
    coded = {"role": AttachmentRole(said["role"]), "state": AttachmentState(said["state"]), "content": content}
    return Part(**{**said, **coded})


def _source(source: Source) -> dict[str, Json]:
    return {
        "channel": source.channel,
        "channel_kind": source.channel_kind,
        "kind": source.kind,
        "locator": source.locator,
        "received_at": _stamp(source.received_at),
        "fetched_at": _stamp(source.fetched_at),
        "platform": source.platform,
        "meta": dict(source.meta),
    }


def _sourced(said: Mapping[str, Any]) -> Source:
    return Source(
        channel=said["channel"],
        channel_kind=ChannelKind(said["channel_kind"]),
        kind=RawKind(said["kind"]),
        locator=said["locator"],
        received_at=_moment(said["received_at"]),
        fetched_at=datetime.fromisoformat(said["fetched_at"]),
        platform=said["platform"],
        meta=said["meta"],
    )


class _Pieces:
    """Bytes taken off piece by piece."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def take(self, size: int) -> bytes:
        piece = self._data[self._place : self._place + size]
        self._place += size
        if len(piece) != size:
            raise ValueError(f"{len(self._data)} bytes came; expected at least {self._place}")
        return piece


def _list(said: Json) -> Iterator[Mapping[str, Any]]:
    return (one for one in said if isinstance(one, dict)) if isinstance(said, list) else iter(())


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _moment(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)


@lru_cache(maxsize=1)
def _rules(written: str) -> Rules:
    return Rules.model_validate_json(written)


@lru_cache(maxsize=16)
def _fields(written: str) -> FieldMap:
    return FieldMap.model_validate_json(written)


def _written(rules: Rules) -> str:
    return rules.model_dump_json()


if __name__ == "__main__":
    serve(answer)

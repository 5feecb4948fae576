"""Fills every template of a target with invented petitions: what cannot be filled would lay a citizen's case aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from dispatch.expressions import At, failures
from dispatch.outbox import numbers_of
from dispatch.parcel import values_of
from dispatch.payload import REMINDERS
from dispatch.rights import WITHDRAWN
from dispatch.settings import Call, TargetSettings
from normalize.case import Case

_AT = "2026-03-02T09:15:04.120+08:00"
_ID = "01JNB4W0Q2X3Y4Z5A6B7C8D9E0"
_BARE = {
    "case_id": _ID,
    "case_no": "2026-000123",
    "revision": 2,
    "channel": "hotline",
    "channel_kind": "hotline",
    "source_id": "hotline:1",
    "title": "无题",
    "received_at": _AT,
    "ingested_at": _AT,
    "reading": {"method": "record"},
    "receipts": [{"channel": "hotline", "locator": "1", "received_at": _AT, "fetched_at": _AT}],
}
_PETITIONER = {
    "primary": True,
    "name": "顾晓棠",
    "phones": ["13900000000"],
    "email": "gu@mail.example",
    "id_type": "resident_id",
    "id_no": "329902199001010011",
    "address": "云堤北路1号",
    "gender": "女",
    "workplace": "景阳餐饮",
    "postcode": "213000",
}
_FILE = {
    "name": "收费单.jpg",
    "media_type": "image/jpeg",
    "size": 3,
    "sha256": "aa",
    "role": "evidence",
    "pages": 1,
    "url": "https://xinqiao.example/files/1/aa",
    "state": "stored",
}
_DEADLINE = {
    "rule": "12345.reply",
    "kind": "reply",
    "starts": "dispatched_at",
    "started_at": _AT,
    "due_at": _AT,
    "basis": "热线规范",
    "ended_at": _AT,
}
_DUE = {
    **_DEADLINE,
    "basis": None,
    "provisional": False,
    "ended_at": None,
    "ended_assumed": False,
    "extended": False,
    "stage": "same_day",
}
_FULL = {
    **_BARE,
    "source_no": "260302091504000001",
    "query_code": "7869196019",
    "title": "关于收费的疑问",
    "content": "课后服务费没有公示。",
    "summary": "课后服务费没有公示。",
    "request_type": {"code": "complaint", "raw": "投诉", "confidence": 0.9},
    "purpose": {"code": "appeal", "raw": "求决"},
    "category": {"code": "990000", "path": ["教育文体", "教育收费"], "raw": "教育文体_教育收费"},
    "form": {"code": "phone", "raw": "电话"},
    "topics": ["fees"],
    "petitioners": [_PETITIONER],
    "anonymous": False,
    "joint": False,
    "petitioner_count": 1,
    "affected_count": 40,
    "confidential_requested": False,
    "allow_public": True,
    "subject_party": "云堤青禾小学",
    "region": {"code": "329902", "name": "云堤区", "raw": "云堤区"},
    "addressee": "局长",
    "flags": ["minor_involved"],
    "petition_date": "2026-03-01",
    "postmark_date": "2026-03-01",
    "source_registered_at": _AT,
    "dispatched_at": _AT,
    "signed_at": _AT,
    "accepted_at": _AT,
    "source_deadline_at": _AT,
    "source_status": {"code": "new", "raw": "待签收"},
    "suggested_unit": {"name": "财务处", "reason": "topic fees"},
    "attachments": [_FILE],
    "deadlines": [_DEADLINE],
    "related": [{"case_id": _ID, "relation": "same_matter", "score": 0.9, "reasons": ["same phone"]}],
    "warnings": [{"code": "title_derived", "text": "标题取自正文"}],
}


class _Anything(dict[str, str]):
    """Whatever a source might have said."""

    def __missing__(self, key: str) -> str:
        return "…"


def unfilled(settings: TargetSettings) -> Iterator[tuple[At, str]]:
    """Each template that cannot be filled: where it stands below the target's block, and what is the matter."""
    given: dict[str, Any] = {"rsa": lambda _key, _text: "…"}  # there is no key yet
    for number, step in enumerate(settings.login.calls if settings.login else ()):
        yield from _failing(step, ("login", "calls", number), [("what the steps before gave", given)])
        given |= dict.fromkeys(step.take, "…")
    for type_, call in settings.calls.items():
        yield from _failing(call, ("calls", type_), _samples(type_, given, settings))
    if settings.lookup is not None:
        doubtful = chain.from_iterable(_samples(type_, given, settings) for type_ in settings.doubtful)
        yield from _failing(settings.lookup, ("lookup",), doubtful)
    filled = [*settings.calls, *(settings.doubtful if settings.lookup else ())]
    if filled:  # else headers are sent as they stand
        yield from _told(settings.headers, ("headers",), _samples(filled[0], given, settings))


def _failing(call: Call, at: At, samples: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[At, str]]:
    yield from _told(call.model_dump(include={"path", "params", "headers", "body"}), at, samples)


def _told(tree: object, at: At, samples: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[At, str]]:
    """Each place once, with the first of the samples that it cannot be filled from."""
    seen: set[At] = set()
    for named, values in samples:
        for failed in failures(tree, values, at):
            if failed.at not in seen:
                seen.add(failed.at)
                yield failed.at, f"cannot be filled from {named}: {failed.said}"


def _samples(type_: str, given: Mapping[str, Any], settings: TargetSettings) -> list[tuple[str, Mapping[str, Any]]]:
    change = [{"field": "title", "old": "无题", "new": "关于收费的疑问", "by": "source"}]
    samples = [
        ("a petition", _values(type_, _told_of(_FULL), change, "8888")),
        ("a petition of which little is known", _values(type_, _told_of(_BARE), None, None)),
    ]
    if type_ == WITHDRAWN or settings.restricted == "numbers":
        numbers = _values(type_, numbers_of(Case.model_validate(_FULL)), None, "8888")
        samples.append(("a case that became restricted, of which only numbers are told", numbers))
    return [(named, {**values, **given}) for named, values in samples]


def _told_of(case: Mapping[str, Any]) -> dict[str, Any]:
    return {**Case.model_validate(case).model_dump(mode="json"), "source_fields": _Anything()}


def _values(type_: str, case: dict[str, Any], change: object, receiver_id: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"type": type_, "timestamp": _AT, "data": {"case": case, "change": change}}
    if type_ in REMINDERS:
        told["data"]["deadline"] = _DUE
    return values_of(f"evt_{_ID}", told, receiver_id, {})

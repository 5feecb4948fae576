"""A reading that crosses the border between processes arrives as it was made."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.base import RawKind
from normalize.case import ChannelKind, Draft
from normalize.read import read
from normalize.reading import Reading, Source
from normalize.reading_process import Asked, Unread, answer, answers, question
from normalize.rules import Rules
from normalize.serve import Message
from tests.normalize.scans import page, scan
from tests.normalize.test_feed_golden import MAPS, as_json

GOLDEN = Path(__file__).parents[1] / "golden"
RULES = Rules()
MOMENT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


def source(kind: RawKind, channel_kind: ChannelKind, name: str) -> Source:
    return Source("door", channel_kind, kind, name, MOMENT, MOMENT, "platform", {"sha256": "0" * 64, "key": name})


def mails() -> list[Asked]:
    found = sorted((GOLDEN / "mail").glob("*.eml"))
    return [Asked(path.read_bytes(), "", source(RawKind.MAIL, ChannelKind.MAILBOX, path.stem)) for path in found]


def records() -> list[Asked]:
    found = sorted((GOLDEN / "feed").glob("*.raw"))
    return [
        Asked(
            path.read_bytes(), "", source(RawKind.RECORD, ChannelKind.HOTLINE, path.stem),
            MAPS[path.name.partition("_")[0]],
        )
        for path in found
    ]  # fmt: skip


def letters() -> list[Asked]:
    text = "尊敬的局长：\n　　孩子在桃溪小学就读，延时服务费用没有公示。\n>顾晓棠\n>2026年3月1日"
    return [Asked(b"%PDF-", "", source(RawKind.LETTER, ChannelKind.LETTER, "scan"), scan=scan(page(1, text)))]


def carried(asked: list[Asked]) -> list[list[Reading] | Unread]:
    """Through JSON, as the pipes do it."""

    def piped(message: Message) -> Message:
        return json.loads(json.dumps(message[0])), message[1]

    return answers(piped(answer(*piped(question(asked, RULES)))))


@pytest.mark.parametrize("asked", [mails(), records(), letters()], ids=["mails", "records", "letters"])
def test_what_is_read_elsewhere_is_what_is_read_here(asked: list[Asked]) -> None:
    here = [read(one.content, one.pointer, one.source, RULES, one.fields, one.scan) for one in asked]

    there = carried(asked)

    for mine, theirs in zip(here, there, strict=True):
        assert isinstance(theirs, list)
        assert [_plain(one) for one in theirs] == [_plain(one) for one in mine]
        assert [part.content for one in theirs for part in one.parts] == [
            part.content for one in mine for part in one.parts
        ]


def test_what_cannot_be_read_is_told_with_its_reason_beside_the_others() -> None:
    record = replace(records()[0], fields=None)

    first, second = carried([record, mails()[0]])

    assert isinstance(first, Unread)
    assert "字段对照表" in first.reason
    assert not first.fault
    assert isinstance(second, list)


def test_a_fault_of_the_reader_is_told_by_its_place_and_touches_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(content: bytes, *more: object, **how: object) -> list[Reading]:
        if content == b"odd":
            raise ValueError("the words of a citizen")
        return read(content, *more, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("normalize.read.read", faulty)
    mail = mails()[0]

    first, second = carried([replace(mail, content=b"odd"), mail])

    assert isinstance(first, Unread)
    assert first.fault
    assert first.reason.startswith("ValueError at test_reading_process.py:")
    assert isinstance(second, list)


def test_bytes_that_are_missing_are_noticed() -> None:
    head, data = question(mails(), RULES)

    with pytest.raises(ValueError, match="expected at least"):
        answer(head, data[:-1])


def _plain(reading: Reading) -> object:
    shown = replace(reading, parts=tuple(replace(part, content=None) for part in reading.parts))
    assert shown.draft is None or isinstance(shown.draft, Draft)
    return as_json(shown)

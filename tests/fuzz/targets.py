"""The readers of foreign bytes, each with what it may be given and what it promises whatever it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from pydantic import ValidationError

from adapters.base import ChannelRefused, ChannelUnavailable, RawKind
from adapters.feed.connection import Answer
from adapters.feed.page import read_page
from adapters.feed.times import TimeFormat
from adapters.feed.verdict import AskAgain, check_status, read_document
from adapters.fieldmap import FieldMap
from adapters.imap import NotHandedOver
from adapters.record_file import NotRecords, records_in
from adapters.sunshine import SunshineSettings
from dispatch.answer import Response, id_of, judge
from dispatch.reports import NotAReport, read_report
from dispatch.settings import TargetSettings
from normalize.case import ChannelKind
from normalize.documents import document_words
from normalize.html_text import html_to_text
from normalize.raster import Limits, leaves
from normalize.reading import Source, Unreadable
from normalize.reading_process import Asked, Unread, answer, answers, question
from normalize.rules import Rules
from normalize.showing import sanitised
from normalize.tnef import read_tnef
from tests.adapters.platforms import CHINA
from tests.fuzz import seeds
from tests.fuzz.imap import visit
from tests.ingest.desk import target
from tests.normalize.scans import page, scan

NOW = datetime(2026, 3, 9, 1, 0, tzinfo=UTC)
RULES = Rules()
GOLDEN = Path(__file__).parents[1] / "golden"


class PromiseBroken(Exception):
    """What came out is not what was promised."""


@dataclass(frozen=True)
class Target:
    """`read` may raise what it is expected to raise of foreign bytes; anything else is a finding."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    tokens: Sequence[bytes] = ()
    expected: tuple[type[Exception], ...] = ()


def _source(kind: RawKind) -> Source:
    kinds = {
        RawKind.MAIL: ChannelKind.MAILBOX,
        RawKind.RECORD: ChannelKind.SUNSHINE,
        RawKind.LETTER: ChannelKind.LETTER,
    }
    return Source("door", kinds[kind], kind, "1", NOW, NOW, "platform", {"sha256": "0" * 64, "file_name": "a.pdf"})


def _through_the_process(asked: Asked) -> None:
    """As the reading process reads it, over its border and back."""
    (found,) = answers(answer(*question([asked], RULES)))
    if isinstance(found, Unread) and found.fault:
        raise PromiseBroken(found.reason)


def read_mail(data: bytes) -> None:
    _through_the_process(Asked(data, "", _source(RawKind.MAIL)))


def read_record(data: bytes) -> None:
    _through_the_process(Asked(data, "", _source(RawKind.RECORD), _sunshine().map))


def read_letter(data: bytes) -> None:
    """A letter's words, whatever the recognition made of them."""
    pages = data.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode().split("\f")
    written = scan(*(page(number, text) for number, text in enumerate(pages, start=1)))
    _through_the_process(Asked(data, "", _source(RawKind.LETTER), scan=written))


def read_scan(data: bytes) -> None:
    for _leaf in leaves(data, Limits(max_pages=20, max_pixels=1_000_000)):
        pass


def read_by_map(data: bytes) -> None:
    """A field map as an operator may have it, over a record of a platform."""
    written = FieldMap.model_validate_json(data)
    _through_the_process(Asked(seeds.record(), "", _source(RawKind.RECORD), written))


def show_html(data: bytes) -> None:
    """What a clerk's page shows of foreign HTML has no tag but those of tables and paragraphs, and no address."""
    text = data.decode("utf-8", "replace")
    html_to_text(text)
    _Allowed().feed(sanitised(text))


def read_page_of_a_platform(data: bytes) -> None:
    settings = _sunshine()
    listing = settings.listing
    answered = Answer(200, "application/json", {}, data)
    check_status(answered, "door", NOW)
    document = read_document(answered, "door", settings)
    read_page(data, document, listing, TimeFormat(listing.time_format, CHINA), "door", all_is_well=False)


def judge_answer(data: bytes) -> None:
    """An OA's answer: its words are kept as a database can keep them."""
    for status in (200, 422, 503):
        for settings in _targets():
            found = judge(Response(status, {"Retry-After": data[:20].decode("latin-1")}, data), settings, NOW)
            json.dumps([found.detail, found.excerpt, found.receiver_id]).encode()
            if "\0" in f"{id_of(found.receiver_id)}":
                raise PromiseBroken("a receiver's number holds NUL")


class _Allowed(HTMLParser):
    """Raises PromiseBroken at whatever a browser could run, fetch or follow."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style", "a", "img", "svg", "math", "iframe", "form", "input", "object", "embed", "link"}:
            raise PromiseBroken(f"<{tag}> is left")
        if odd := {name for name, _ in attrs} - {"colspan", "rowspan"}:
            raise PromiseBroken(f"<{tag} {min(odd)}> is left")


@cache
def _sunshine() -> SunshineSettings:
    return SunshineSettings.model_validate({"base_url": "https://p.example", "app_id": "a", "app_secret": "b"})


@cache
def _targets() -> tuple[TargetSettings, ...]:
    return (
        target(),
        target(success="code == `0`", receiver_id="data.id", error="message"),
        target(success={"path": "code", "equals": 0}, receiver_id="from_json(data).id", idempotent=False),
    )


def _golden(kind: str, ending: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [path.read_bytes() for path in sorted((GOLDEN / kind).glob(f"*{ending}"))]


_JSON = (b"[", b"]", b"{", b"}", b'"', b":", b",", b"null", b"true", b"[[[[[[[[", b'{"a":' * 8, b"\\u0000", b"\\ud800")
_MIME = (
    b"\r\n", b"\n\n", b"--b\r\n", b"--b--", b"multipart/mixed; boundary=b", b"message/rfc822", b"=?gb2312?B?", b"?=",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/html; charset=utf-7\r\n", b"begin 644 a\n",
    b"filename*0*=gb18030''%CE", b"application/ms-tnef", b"From: ", b"Date: ", b"format=flowed",
)  # fmt: skip
_HTML = (
    b"<", b">", b"</", b"<!--", b"-->", b"<script>", b"</script>", b"<svg onload=1>", b"<math><mtext>", b"<table><td>",
    b"<style>", b"<noscript>", b"<template>", b"<plaintext>", b"javascript:", b" onerror=x ", b"&#x6a;", b"<![CDATA[",
    b"<img src=x>", b"<a href='data:,'>", b"<p>", b"<pre>",
)  # fmt: skip
_LETTER = (
    "尊敬的".encode(), "此致".encode(), "敬礼".encode(), "投诉人：".encode(), "电话：".encode(), "身份证".encode(),
    "2026年3月".encode(), b"13900000000", b"11010519491231002X", b"\f", b"\n", "　　".encode(),
    "以上，".encode(), "联名".encode(), "（".encode(), "、".encode() * 40, "我".encode() * 60,
)  # fmt: skip
_PDF = (
    b"endobj", b"<<", b">>", b"/Kids [3 0 R]", b"/Count 99999", b"/MediaBox [0 0 1e9 1e9]", b"stream", b"endstream",
    b"/Filter /FlateDecode", b"/Rotate 45", b"3 0 R", b"xref", b"trailer", b"/Encrypt 1 0 R", b"startxref",
)  # fmt: skip
_OOXML = (b"PK\x01\x02", b"PK\x05\x06", b"<w:p>", b"</w:t>", b"<!DOCTYPE", b"&a;", b"word/footnotes.xml")
_IMAGE = (b"IHDR", b"IDAT", b"IEND", b"\xff\xd8", b"\xff\xc0", b"\xff\xda", b"II*\0", b"\x00\x00\x75\x30" * 2)
_IMAP = (
    b"* ", b"{3}\r\n", b"{999999999}\r\n", b"(", b")", b"NIL", b"UID", b"FETCH", b"BODY[]", b"TAG OK ", b"TAG NO ",
    b"* BYE ", b"\r\n", b'"', b"INTERNALDATE", b"RFC822.SIZE", b"* SEARCH", b"+ ", b"\n--\n",
)  # fmt: skip
_REFUSED = (ChannelUnavailable, ChannelRefused)

TARGETS: Mapping[str, Target] = {
    "mail": Target(read_mail, _golden("mail", ".eml"), _MIME),
    "record file": Target(
        records_in, seeds.record_files, (*_JSON, b"<!DOCTYPE", b"<!ENTITY", b"&a;", b"<", b"/>"), (NotRecords,)
    ),
    "record json": Target(read_record, _golden("feed", ".raw"), _JSON),
    "letter": Target(read_letter, seeds.letters, _LETTER),
    "document": Target(document_words, seeds.documents, (*_PDF, *_OOXML)),
    "pdf": Target(read_scan, seeds.pdfs, _PDF, (Unreadable,)),
    "image": Target(read_scan, seeds.images, _IMAGE, (Unreadable,)),
    "tnef": Target(read_tnef, seeds.tnefs, (b"\x02\x90\x06\x00", b"\x03\x90\x06\x00", b"\x10\x80\x01\x00")),
    "field map": Target(read_by_map, seeds.maps, (*_JSON, b'"path"', b'"codes"', b'"list"'), (ValidationError,)),
    "html": Target(show_html, seeds.pages, _HTML),
    "platform page": Target(read_page_of_a_platform, seeds.listings, _JSON, (*_REFUSED, AskAgain)),
    "imap answers": Target(visit, seeds.imap_sessions, _IMAP, (*_REFUSED, NotHandedOver)),
    "oa answers": Target(judge_answer, seeds.oa_answers, _JSON),
    "oa reports": Target(lambda data: read_report(data, NOW), seeds.reports, _JSON, (NotAReport,)),
}

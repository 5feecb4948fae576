# ruff: noqa: E501 - a table
"""The list: what may come through which door, and what must be said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.hostile import gifts

CASE, ASIDE, ASKED_AGAIN = "case", "quarantine", "asked again"


@dataclass(frozen=True)
class Item:
    """`says`: for a case the code in its `warnings`, else words of the reason, in English and (`says_zh`) in Chinese."""

    what: str
    what_zh: str
    door: Literal["mail", "scan", "record", "page"]
    made: Callable[[], object]
    becomes: str
    says: str = ""
    says_zh: str = ""

    def content(self) -> bytes:
        """What the door hands over, byte for byte."""
        made = self.made()
        return (
            made if isinstance(made, bytes) else json.dumps(made, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )


ITEMS: Mapping[str, Item] = {
    "malformed_json": Item("malformed JSON", "残缺的 JSON", "page", lambda: gifts.page()[:-9], ASKED_AGAIN, "expected JSON", "应为 JSON"),
    "xml_for_json": Item("XML where JSON is spoken", "应为 JSON 的 XML", "page", lambda: b"<?xml version='1.0'?><rows", ASKED_AGAIN, "look like XML", "像是 XML"),
    "xml_entity_bomb": Item("XML entity bomb, as an answer", "XML 实体炸弹（平台应答）", "page", lambda: gifts.BOMB, ASKED_AGAIN, "look like XML", "像是 XML"),
    "login_page": Item("a 200 page that is a login page", "状态 200 的登录页", "page", lambda: gifts.LOGIN, ASKED_AGAIN, "a login page?", "登录页？"),
    "json_nested": Item("JSON nested 50,000 deep", "嵌套 5 万层的 JSON", "page", gifts.deep, ASKED_AGAIN, "expected JSON", "应为 JSON"),
    "json_swollen": Item("JSON of 30 MB that would take a gigabyte", "解开后占 1 GB 的 30 MB JSON", "page", gifts.swollen, ASKED_AGAIN, "expected a smaller page", "应为较小的页"),
    "wrong_encoding_page": Item("wrong encoding: GB18030 for UTF-8", "编码不符：声明 UTF-8 实为 GB18030", "page", gifts.mojibake, CASE),
    "xml_bomb_scan": Item("XML entity bomb, as a scan", "XML 实体炸弹（扫描件）", "scan", lambda: gifts.BOMB, ASIDE, "expected PDF, TIFF, JPEG or PNG", "应为 PDF、TIFF、JPEG 或 PNG"),
    "empty_pdf": Item("PDF without pages", "没有页面的 PDF", "scan", gifts.no_pages, ASIDE, "damaged or incomplete", "损坏或不完整"),
    "encrypted_pdf": Item("encrypted PDF", "加密的 PDF", "scan", gifts.encrypted, ASIDE, "protected by a password", "密码保护"),
    "truncated_pdf": Item("truncated PDF", "截断的 PDF", "scan", gifts.truncated, ASIDE, "damaged or incomplete", "损坏或不完整"),
    "zip_as_pdf": Item("a zip as PDF", "冒充 PDF 的 zip", "scan", gifts.zipped, ASIDE, "application/zip", "application/zip"),
    "zero_byte_scan": Item("zero-byte scan", "零字节扫描件", "scan", gifts.nothing, ASIDE, "the file is empty", "文件是空的"),
    "half_written_scan": Item("half-written scan", "只写了一半的扫描件", "scan", gifts.half_written, ASIDE, "damaged or incomplete", "损坏或不完整"),
    "image_bomb": Item("image bomb, 30,000 × 30,000", "图片炸弹（30,000 × 30,000）", "scan", gifts.image_bomb, ASIDE, "too large", "过大"),
    "five_hundred_pages": Item("500 pages", "500 页", "scan", gifts.many_pages, ASIDE, "more than 200 pages", "超过 200 页"),
    "headless_mail": Item("a mail without any header", "没有邮件头的邮件", "mail", gifts.headless, ASIDE, "not a mail", "不是邮件"),
    "large_mail": Item("a mail of 60 MB", "60 MB 的邮件", "mail", gifts.large, CASE),
    "many_parts": Item("2,000 parts", "2,000 个部件", "mail", gifts.many_parts, CASE, "too_many_parts"),
    "nested_mail": Item("nesting 100 deep", "嵌套 100 层", "mail", gifts.nested, CASE, "too_many_parts"),
    "odd_names": Item("NUL, lone surrogates, right-to-left controls in file names", "文件名含 NUL、孤立代理项、从右到左控制符", "mail", gifts.odd_names, CASE),
    "path_tricks": Item("path tricks in file names", "文件名含路径", "mail", gifts.path_tricks, CASE),
    "wrong_encoding_mail": Item("wrong encoding: a mail", "编码不符的邮件", "mail", gifts.wrong_charset, CASE, "characters_lost"),
    "impossible_date_mail": Item("a date that is none, in a mail", "不成日期的日期（邮件）", "mail", gifts.impossible_date, CASE),
    "impossible_date": Item("a date that is none, in a record", "不成日期的日期（记录）", "record", gifts.dateless, CASE, "date_unreadable"),
    "missing_id": Item("a missing id", "没有编号", "record", gifts.keyless, ASIDE, "the record has no number", "记录没有编号"),
    "large_record": Item("a record of 20 MB", "20 MB 的记录", "record", gifts.large_record, CASE),
    "odd_words": Item("NUL, lone surrogates, right-to-left controls in a record", "记录含 NUL、孤立代理项、从右到左控制符", "record", gifts.odd_words, CASE),
    "clock_ahead": Item("a clock an hour off", "时钟快一小时", "record", gifts.ahead, CASE),
}  # fmt: skip

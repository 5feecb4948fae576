"""Records in a file somebody exported: JSON, XML or a spreadsheet, told by its bytes, not by its name."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from openpyxl import load_workbook

from adapters.base import Json
from adapters.document import DEEPEST, MOST_VALUES, NotJson, looks_like_html, parse

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MOST_COLUMNS = 500
LARGEST_UNPACKED = 256 * 2**20
"""Bytes; a spreadsheet is a zip, which a few kilobytes can make terabytes of."""
_GB = re.compile(rb"""(<\?xml[^>]*encoding\s*=\s*)(["'])gb(?:k|2312|18030)\2""", re.IGNORECASE)


class NotRecords(ValueError):
    """The bytes are no file of records; the message quotes nothing of them."""


def records_in(data: bytes) -> Json:
    """The document a file holds: JSON as it is; XML and the first sheet of a spreadsheet as a list of records.

    A record of XML is an element: attributes and children by name, what repeats as a list, text alone as a string. A
    record of a sheet is a row, its cells by the words of the first row that has several.

    Raises NotRecords.
    """
    if data.startswith(_OLE):
        raise NotRecords("旧式 Excel 文件（.xls）或有密码的表格：请另存为不带密码的 .xlsx")
    if data.startswith(_ZIP):
        return _rows(_sheet(data))
    start = data[:512].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00")
    if start.startswith(b"<") and not looks_like_html(data):
        return _elements(_root(data))
    try:
        return parse(data)
    except NotJson as error:
        raise NotRecords(f"内容不是 JSON，无法读取（{error}）") from error


def _root(data: bytes) -> Element:
    if data.count(b"<") > MOST_VALUES:
        raise NotRecords(f"XML 有超过 {MOST_VALUES} 个标签，请分成几个文件")
    try:
        root: Element = fromstring(_in_utf8(data), forbid_dtd=True)
    except DefusedXmlException as error:
        raise NotRecords("XML 里有文档类型定义（DTD），为安全起见不读取") from error
    except (ParseError, ValueError, LookupError) as error:
        line, column = getattr(error, "position", (0, 0))
        raise NotRecords(f"XML 不完整或有错误，第 {line} 行第 {column + 1} 列") from error
    _check_depth(root)
    return root


def _in_utf8(data: bytes) -> bytes:
    """The parser does not know China's own encodings."""
    if _GB.search(data[:256]) is None:
        return data
    return _GB.sub(rb"\1\2utf-8\2", data.decode("gb18030", "replace").encode(), count=1)


def _check_depth(root: Element) -> None:
    level = [root]
    for _ in range(DEEPEST):
        level = [child for one in level for child in one]
        if not level:
            return
    raise NotRecords(f"XML 嵌套超过 {DEEPEST} 层")


def _elements(root: Element) -> Json:
    """The elements that repeat, at the outermost level where any do; else the document as one record."""
    one = root
    while len(one) == 1 and len(one[0]) and not one.attrib:
        one = one[0]
    several = len(one) > 1 and len({child.tag for child in one}) == 1 and any(len(child) for child in one)
    return [_value(child) for child in one] if several else [_value(one)]


def _value(one: Element) -> Json:
    text = (one.text or "").strip()
    if not len(one) and not one.attrib:
        return text or None
    found: dict[str, Json] = dict(one.attrib)
    for child in one:
        name, value = _local(child.tag), _value(child)
        if name not in found:
            found[name] = value
        elif isinstance(before := found[name], list):
            before.append(value)
        else:
            found[name] = [before, value]
    return found | ({"": text} if text else {})


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _sheet(data: bytes) -> Iterator[Sequence[object]]:
    """The first sheet's rows, one after the other: a cell at the far corner costs nothing but time."""
    try:
        _check_unpacked(data)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        yield from book.worksheets[0].iter_rows(max_col=MOST_COLUMNS, values_only=True)
    except NotRecords:
        raise
    except Exception as error:  # a foreign file, and what its library raises over odd ones is anything
        raise NotRecords("表格损坏，或不是表格") from error


def _check_unpacked(data: bytes) -> None:
    left = LARGEST_UNPACKED
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            member.file_size = LARGEST_UNPACKED + 1  # what it says of itself may be a lie, and is what `open` believes
            with archive.open(member) as file:
                while left >= 0 and (chunk := file.read(1 << 16)):
                    left -= len(chunk)
    if left < 0:
        raise NotRecords(f"表格解压后超过 {LARGEST_UNPACKED >> 20} MB，请分成几个文件")


def _rows(sheet: Iterable[Sequence[object]]) -> Json:
    """By the words of the first row that has several; empty rows are none."""
    names: list[str | None] | None = None
    records: list[Json] = []
    for number, row in enumerate(sheet):
        said = [_said(cell) for cell in row]
        if number * len(row) > MOST_VALUES:
            raise NotRecords(f"表格超过 {MOST_VALUES} 格，请分成几个文件")
        if names is not None and any(said):
            records.append({name: value for name, value in zip(names, said, strict=False) if name})
        elif names is None and sum(one is not None for one in said) > 1:
            names = said
    if names is None:
        raise NotRecords("表格里没有表头")
    return records


def _said(cell: object) -> str | None:
    """As the person who looks at the sheet reads it; a number of a phone or a case has no decimals."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return None if cell is None else str(cell).strip() or None

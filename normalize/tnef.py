"""Outlook's winmail.dat (MS-OXTNEF): the attachments and the text inside, read once from front to back.

Our own reader: what it takes is bounded by the bytes that are there, whatever counts and lengths they claim.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from normalize.charsets import decode

_SIGNATURE = 0x223E9F78
_RENDERING, _MESSAGE_PROPERTIES, _ATTACHMENT_PROPERTIES = 0x9002, 0x9003, 0x9005
_BODY, _TITLE, _DATA, _CODEPAGE = 0x800C, 0x8010, 0x800F, 0x9007
_PR_BODY, _PR_HTML, _PR_CODEPAGE, _PR_CONTENT = 0x1000, 0x1013, 0x3FDE, 0x3701
_PR_FILE_NAMES = (0x3707, 0x3704)
"""The long name and the short one."""
_FIXED = {
    0x0001: 0, 0x0002: 2, 0x000B: 2, 0x0003: 4, 0x0004: 4, 0x000A: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x0014: 8,
    0x0040: 8, 0x0048: 16,
}  # fmt: skip
"""Bytes of a value by its type; values of other types say their length themselves."""
_OBJECT, _UNICODE = 0x000D, 0x001F
_PAGES = {0: None, 936: "gb18030", 20936: "gb18030", 54936: "gb18030", 52936: "hz", 65001: "utf-8"}
_MANY, _NAMED = 0x1000, 0x8000
_INTERFACE = 16
"""An embedded object begins with the name of its interface."""

_Told = dict[int, tuple[int, bytes]]
"""Type and value of properties by name."""


@dataclass(frozen=True)
class Tnef:
    """What a winmail.dat holds: text, HTML, and files by name."""

    text: str
    html: str
    files: tuple[tuple[str, bytes], ...]


@dataclass
class _Message:
    charset: str | None = None
    text: str = ""
    html: str = ""
    files: list[_File] = field(default_factory=list)


@dataclass
class _File:
    name: str = ""
    title: str = ""
    content: bytes = b""


def read_tnef(data: bytes) -> Tnef | None:
    """Open a winmail.dat; None: it is none. Of a damaged one, what can be read."""
    if len(data) < 6 or int.from_bytes(data[:4], "little") != _SIGNATURE:
        return None
    message = _Message()
    for name, value in _attributes(data):
        _take(message, name, value)
    files = tuple((one.name or one.title, one.content) for one in message.files)
    return Tnef(message.text, message.html, files) if message.text or message.html or files else None


def _take(message: _Message, name: int, value: bytes) -> None:
    if name == _RENDERING:
        message.files.append(_File())
    elif name == _CODEPAGE:
        message.charset = _charset(value)
    elif name == _BODY:
        message.text = message.text or _words(value, message.charset)
    elif name == _MESSAGE_PROPERTIES:
        told = _told(value)
        charset = _charset(told.get(_PR_CODEPAGE, (0, b""))[1]) or message.charset
        message.text = _said(told, (_PR_BODY,), charset) or message.text
        message.html = _said(told, (_PR_HTML,), charset) or message.html
    elif message.files:
        _take_of_file(message.files[-1], name, value, message.charset)


def _take_of_file(file: _File, name: int, value: bytes, charset: str | None) -> None:
    if name == _TITLE:
        file.title = _words(value, charset)
    elif name == _DATA:
        file.content = value
    elif name == _ATTACHMENT_PROPERTIES:
        told = _told(value)
        file.name = _said(told, _PR_FILE_NAMES, charset)
        kind, content = told.get(_PR_CONTENT, (0, b""))
        file.content = (content[_INTERFACE:] if kind == _OBJECT else content) or file.content


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes in their order; the last with what is left of it."""
    at = 6
    while at + 9 <= len(data):
        _level, name, _type, length = struct.unpack_from("<BHHI", data, at)
        yield name, data[at + 9 : at + 9 + length]
        at += 9 + length + 2


def _told(data: bytes) -> _Told:
    """The properties up to where they end, or end too early."""
    told: _Told = {}
    with suppress(struct.error):
        for name, kind, value in _properties(data):
            told.setdefault(name, (kind, value))
    return told


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Name, type and first value of each. Raises struct.error: the data end within one."""
    (count,) = struct.unpack_from("<I", data)
    at = 4
    while count > 0 and at < len(data):
        count -= 1
        kind, name = struct.unpack_from("<HH", data, at)
        at = _after_name(data, at + 4, name)
        plain, values = kind & ~_MANY, 1
        if kind & _MANY or plain not in _FIXED:
            (values,) = struct.unpack_from("<I", data, at)
            at += 4
        first, at = _first(data, at, plain, values)
        yield name, plain, first


def _after_name(data: bytes, at: int, name: int) -> int:
    """Where the values begin; a named property tells its name before."""
    if name < _NAMED:
        return at
    kind, length = struct.unpack_from("<II", data, at + 16)
    return at + 24 + (_padded(length) if kind else 0)


def _first(data: bytes, at: int, kind: int, values: int) -> tuple[bytes, int]:
    """The first of the values, and where they end."""
    if kind in _FIXED:
        return data[at : at + _FIXED[kind]], at + _padded(_FIXED[kind] * values)
    first = b""
    while values > 0 and at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        first = first or data[at + 4 : at + 4 + length]
        at += 4 + _padded(length)
        values -= 1
    return first, at


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _said(told: _Told, names: Sequence[int], charset: str | None) -> str:
    """The words of the first of these properties that says any."""
    return next((words for one in names if one in told and (words := _text(*told[one], charset))), "")


def _text(kind: int, value: bytes, charset: str | None) -> str:
    return value.decode("utf-16-le", "replace").rstrip("\0") if kind == _UNICODE else _words(value, charset)


def _words(value: bytes, charset: str | None) -> str:
    """By the code page it names, if it fits: unlike a mail's charset it is the writer's own; else as foreign text."""
    try:
        return value.decode(charset or "ascii").rstrip("\0")
    except (UnicodeDecodeError, LookupError):
        return decode(value).text.rstrip("\0")


def _charset(value: bytes) -> str | None:
    """A Windows code page as Python calls it."""
    number = int.from_bytes(value[:4], "little")
    if 28591 <= number <= 28606:
        return f"iso-8859-{number - 28590}"
    return _PAGES.get(number, f"cp{number}")

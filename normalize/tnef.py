"""Outlook's winmail.dat: the attachments and the text inside."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tnefparse import TNEF

from normalize.charsets import decode

# What the parsing library raises on damaged files; it has no error of its own.
_DAMAGED = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    NameError,
    ArithmeticError,
    AssertionError,
    struct.error,
)


@dataclass(frozen=True)
class Tnef:
    """What a winmail.dat holds: text, HTML, and files by name."""

    text: str
    html: str
    files: tuple[tuple[str, bytes], ...]


def read_tnef(data: bytes) -> Tnef | None:
    """Open a winmail.dat; None: it is damaged or none at all."""
    try:
        parsed = TNEF(data, do_checksum=False)
        files = tuple((str(each.long_filename() or ""), bytes(each.data)) for each in parsed.attachments)
        return Tnef(_text(parsed.body), _text(parsed.htmlbody), files)
    except _DAMAGED:
        return None


def _text(body: object) -> str:
    if isinstance(body, bytes):
        return decode(body).text.rstrip("\0")
    return body.rstrip("\0") if isinstance(body, str) else ""

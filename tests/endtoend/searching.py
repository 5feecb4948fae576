"""Looks for words and files in whatever was written, in every spelling in which they can stand there."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from urllib.parse import quote, quote_plus

import pypdfium2

SLICE = 24
"""Bytes of a file that nothing else has by chance."""


@dataclass(frozen=True)
class Secret:
    """Words of four characters or more, and files, which must not be found."""

    words: tuple[str, ...]
    files: tuple[bytes, ...] = ()

    @cached_property
    def signs(self) -> Mapping[str, frozenset[bytes]]:
        """By what is meant: all that would betray it."""
        meant = {word: frozenset(_spelled(word)) for word in self.words}
        return meant | {f"file {number}": frozenset(_pieces(file)) for number, file in enumerate(self.files, 1)}

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(sha256(file).hexdigest() for file in self.files)

    def found_in(self, content: bytes) -> list[str]:
        """What of it stands there, also when it is broken over lines."""
        joined = content.replace(b"\r", b"").replace(b"\n", b"")
        return [name for name, signs in self.signs.items() if any(sign in joined for sign in signs)]


def text_of_pdf(content: bytes) -> bytes:
    """What a sheet of paper says; its bytes are compressed."""
    document = pypdfium2.PdfDocument(content)
    try:
        return "".join(page.get_textpage().get_text_range() for page in document).encode()
    finally:
        document.close()


def _spelled(word: str) -> Iterator[bytes]:
    for charset in ("utf-8", "gb18030", "utf-16-le", "utf-16-be"):
        content = word.encode(charset)
        yield content
        yield from _in_base64(content)
    utf8 = word.encode()
    yield json.dumps(word)[1:-1].encode()
    yield repr(utf8)[2:-1].encode()
    for percent in (quote(word, safe=""), quote_plus(word)):
        yield percent.encode()
        yield percent.lower().encode()
    yield "".join(f"={byte:02X}" if byte > 126 else chr(byte) for byte in utf8).encode()
    yield "".join(f"&#{ord(one)};" for one in word).encode()
    yield "".join(f"&#x{ord(one):x};" for one in word).encode()
    yield utf8.hex().encode()


def _pieces(file: bytes) -> Iterator[bytes]:
    """From its beginning, middle and end."""
    for start in (0, len(file) // 2, len(file) - SLICE):
        piece = file[start : start + SLICE].replace(b"\r", b"").replace(b"\n", b"")
        yield piece
        yield piece.hex().encode()
        yield from _in_base64(piece)


def _in_base64(content: bytes) -> Iterator[bytes]:
    """What base64 of anything that holds it holds: by the place it begins at, without the ends that others share."""
    for before in range(3):
        coded = b64encode(bytes(before) + content)
        whole = (before + len(content)) * 8 // 6
        yield coded[(before * 8 + 5) // 6 : whole]

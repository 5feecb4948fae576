"""A structured header's value and its parameters (RFC 2045, RFC 2231), as mailers really write them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from normalize.charsets import decode

_PARAMETER = re.compile(rb"""[;\s]\s*([^\s=;"]+?)(\*\d{1,3})?(\*)?\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*))""", re.DOTALL)


@dataclass(frozen=True)
class _Piece:
    index: int
    encoded: bool
    value: bytes


@dataclass(frozen=True)
class Parameters:
    """`value` in lower case, such as text/plain; the parameters still as bytes."""

    value: str
    pieces: dict[str, list[_Piece]] = field(default_factory=dict)

    def raw(self, name: str) -> bytes:
        """A parameter's bytes, put together; empty when it is not there."""
        return b"".join(piece.value for piece in self._ordered(name))

    def text(self, name: str) -> tuple[str, bool]:
        """A parameter as text, and whether RFC 2231 said its charset (otherwise it may still hold encoded-words)."""
        pieces = self._ordered(name)
        if not any(piece.encoded for piece in pieces):
            return "", False
        first = pieces[0].value
        charset = ""
        if pieces[0].encoded and first.count(b"'") >= 2:
            declared, _, first = first.split(b"'", 2)
            charset = declared.decode("ascii", "replace")
        values = [first, *(piece.value for piece in pieces[1:])]
        plain = b"".join(unquote_to_bytes(v) if p.encoded else v for p, v in zip(pieces, values, strict=True))
        return decode(plain, charset or None).text, True

    def _ordered(self, name: str) -> list[_Piece]:
        pieces = self.pieces.get(name, [])
        # both forms given: the extended one is the sender's better word (RFC 6266, 4.3)
        chosen = [piece for piece in pieces if piece.encoded or piece.index > 0] and [
            piece for piece in pieces if piece.encoded or piece.index >= 0
        ]
        unique = {piece.index: piece for piece in reversed(chosen or pieces[:1])}
        return [unique[index] for index in sorted(unique)]


def parameters(raw: bytes, default: str = "") -> Parameters:
    """Read a header such as Content-Type; unreadable pieces are left out."""
    head = raw.split(b";", 1)[0].strip()
    value = head.split()[0].decode("ascii", "replace").lower().strip('"') if head.split() else ""
    if "/" in default and not re.fullmatch(r"[^/\s]+/[^/\s]+", value):
        value = default
    pieces: dict[str, list[_Piece]] = {}
    for name, index, star, quoted, bare in _PARAMETER.findall(raw):
        text = re.sub(rb"\\([\"\\])", rb"\1", quoted) if quoted else bare.strip()
        number = int(index[1:]) if index else (0 if star else -1)
        key = name.decode("ascii", "replace").lower()
        pieces.setdefault(key, []).append(_Piece(number, bool(star), text))
    return Parameters(value, pieces)

"""A mail taken apart into its MIME entities, byte for byte.

Our own and not the standard library's parser, because an attached message must stay the bytes it was (evidence),
nesting and number of parts must be bounded in time linear in the mail, and broken header folding must not cut a mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from normalize.mail_params import Parameters, parameters

_HEADER = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*(.*)", re.DOTALL)
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_ODD_BOUNDARY = re.compile(rb"^--([^\s][^\r\n]{0,200}?)[ \t]*\r?\n(?=Content-)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """How deep and how far a mail is taken apart; what lies beyond stays whole, as one attachment."""

    depth: int = 20
    parts: int = 500


@dataclass
class Entity:
    """One node: headers as raw bytes without line ends, the body's raw bytes, and its parts if it is a multipart."""

    headers: list[tuple[str, bytes]]
    body: bytes
    raw: bytes
    content_type: Parameters
    parts: list[Entity] = field(default_factory=list)
    cut: bool = False
    """Beyond the limits: not taken apart further."""

    def get(self, name: str) -> bytes | None:
        """The first header of this (lower-case) name."""
        return next((value for header, value in self.headers if header == name), None)

    def get_all(self, name: str) -> list[bytes]:
        """All headers of this name, in order."""
        return [value for header, value in self.headers if header == name]

    @property
    def media_type(self) -> str:
        return self.content_type.value


@dataclass
class _Budget:
    parts: int


def parse_entity(data: bytes, limits: Limits | None = None) -> Entity:
    """Take a mail apart; never raises. Blank lines and an mbox envelope line before the headers are passed over."""
    limits = limits or Limits()
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    start = re.match(rb"(?:[ \t]*\r?\n)*(?:>?From [^\n]*\n)?", data.removeprefix(b"\xef\xbb\xbf"))
    body = data.removeprefix(b"\xef\xbb\xbf")[start.end() if start else 0 :]
    return _entity(body, "text/plain", limits.depth, _Budget(limits.parts))


def _entity(data: bytes, default: str, depth: int, budget: _Budget) -> Entity:
    headers, body = split_headers(data)
    raw_type = next((value for name, value in headers if name == "content-type"), b"")
    content_type = parameters(raw_type, default=default)
    entity = Entity(headers, body, data, content_type)
    if content_type.value.startswith("multipart/"):
        _take_apart(entity, depth, budget)
    return entity


def _take_apart(entity: Entity, depth: int, budget: _Budget) -> None:
    inner = "message/rfc822" if entity.media_type == "multipart/digest" else "text/plain"
    for piece in _pieces(entity):
        if depth <= 0 or budget.parts <= 0:
            entity.cut = True
            break
        budget.parts -= 1
        entity.parts.append(_entity(piece, inner, depth - 1, budget))


def _pieces(entity: Entity) -> list[bytes]:
    boundary = entity.content_type.raw("boundary").strip()
    pieces = split_at_boundary(entity.body, boundary) if boundary else []
    if not pieces and (odd := _ODD_BOUNDARY.search(entity.body)):
        # the boundary in the header is missing or wrong, but the body shows which one it is
        pieces = split_at_boundary(entity.body, odd[1])
    return pieces


def split_at_boundary(body: bytes, boundary: bytes) -> list[bytes]:
    """The parts between the boundary's lines; the last one may lack its end."""
    line = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|$)")
    pieces: list[bytes] = []
    start: int | None = None
    for mark in line.finditer(body):
        if start is not None:
            pieces.append(body[start : mark.start()])
        start = None
        if mark[1]:
            break
        # the next mark's line break may be this one's: an empty part
        start = mark.end() + (2 if body[mark.end() : mark.end() + 2] == b"\r\n" else 1)
    if start is not None and start < len(body):
        pieces.append(body[start:])
    return pieces


def split_headers(data: bytes) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers, names in lower case and values unfolded, and what follows the blank line.

    A line that is no header belongs to the header before it if headers go on after it (folded without indent); if they
    do not, the body begins there.
    """
    headers: list[tuple[str, list[bytes]]] = []
    position = 0
    for match in _LINE.finditer(data):
        line = match[0].rstrip(b"\r\n")
        if not line.strip(b" \t") and not (line and headers and _goes_on(data, match.end())):
            return _unfolded(headers), data[match.end() :]
        found = _HEADER.match(line) if line[:1] not in b" \t" else None
        if found:
            headers.append((found[1].decode("ascii").lower(), [found[2]]))
        elif headers and (line[:1] in b" \t" or _goes_on(data, match.end())):
            headers[-1][1].append(line)
        elif line[:1] not in b" \t" and not line.startswith((b">From ", b"From ")):
            return _unfolded(headers), data[position:]
        position = match.end()
    return _unfolded(headers), b""


def _goes_on(data: bytes, position: int) -> bool:
    """Whether a well-known kind of header line follows here."""
    return re.match(rb"[A-Za-z][A-Za-z0-9-]{1,60}:[ \t]", data[position : position + 80]) is not None


def _unfolded(headers: list[tuple[str, list[bytes]]]) -> list[tuple[str, bytes]]:
    # the line break goes, the blank it stands before stays (RFC 5322, 2.2.3)
    return [(name, b"".join(lines).strip()) for name, lines in headers]

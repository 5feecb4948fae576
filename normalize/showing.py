"""What a page shows of a stranger's original: made in a process of its own, for one may hang or swell its maker.

    python -m normalize.showing

HTML is shown only after everything active was taken out of it.
"""

from __future__ import annotations

import json
import quopri
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from adapters.base import Json
from adapters.document import NotJson, at_pointer, parse
from normalize.charsets import decode
from normalize.mail_entity import Entity, parse_entity
from normalize.mail_headers import header_text, lenient_base64
from normalize.serve import Message, Refused, serve

READ = 2_000_000
"""Bytes of a mail that are parsed for a page: the text comes first, large attachments after it."""
SHOWN = 200_000
HEADERS = ("From", "Reply-To", "To", "Cc", "Date", "Subject", "Message-ID", "In-Reply-To")
_TAGS = {
    *("p", "br", "hr", "div", "span", "b", "strong", "i", "em", "u", "s", "small", "sub", "sup", "blockquote", "pre"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "code", "ul", "ol", "li", "dl", "dt", "dd"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
}
_ATTRIBUTES: dict[str, set[str]] = {"*": set(), "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}


@dataclass(frozen=True)
class Letterhead:
    """A mail as a page shows it: its decoded headers, and its text or else its HTML."""

    headers: Sequence[tuple[str, str]]
    text: str | None
    html: str | None
    """Sanitised: no links, pictures, styles, scripts or attributes but the shape of tables."""


def letterhead(content: bytes) -> Letterhead:
    """The headers a person looks at, and the body in the plainest form the mail offers."""
    mail = parse_entity(content[:READ])
    headers = [(name, header_text(value)) for name in HEADERS for value in mail.get_all(name.lower())]
    plain, html = _body(mail, "text/plain"), _body(mail, "text/html")
    if plain is not None and plain.strip():
        return Letterhead(headers, plain, None)
    return Letterhead(headers, None, None if html is None else sanitised(html))


def sanitised(html: str) -> str:
    """What is left of foreign HTML when only its words, tables and paragraphs may stay."""
    import nh3  # noqa: PLC0415 - the daemon, which only asks, needs none of its 1.5 MB

    return nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=set(), link_rel=None)


def record(content: bytes, pointer: str) -> bytes:
    """The record a pointer names, indented; what is no JSON comes as it is."""
    try:
        found: Json = at_pointer(parse(content), pointer)
    except (NotJson, LookupError):
        return content
    return json.dumps(found, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")


def answer(head: Mapping[str, Json], data: bytes) -> Message:
    match head:
        case {"show": "mail"}:
            return asdict(letterhead(data)), b""
        case {"show": "record", "pointer": str(pointer)}:
            return {}, record(data, pointer)
    raise Refused("unknown", "expected a mail or a record")


def _body(mail: Entity, media_type: str) -> str | None:
    for leaf in _leaves(mail):
        attached = (leaf.get("content-disposition") or b"").strip().lower().startswith(b"attachment")
        if leaf.media_type == media_type and not attached:
            charset = leaf.content_type.raw("charset").decode("ascii", "replace")
            return decode(_transferred(leaf), charset or None).text[:SHOWN]
    return None


def _leaves(entity: Entity) -> Iterator[Entity]:
    if not entity.parts:
        yield entity
    for part in entity.parts:
        yield from _leaves(part)


def _transferred(leaf: Entity) -> bytes:
    encoding = (leaf.get("content-transfer-encoding") or b"").strip().lower()
    if encoding == b"base64":
        return lenient_base64(leaf.body)
    return quopri.decodestring(leaf.body) if encoding == b"quoted-printable" else leaf.body


if __name__ == "__main__":
    serve(answer)

"""A mail as a page shows it: its decoded headers and its text; HTML only after everything active was taken out."""

from __future__ import annotations

import quopri
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import nh3
from markupsafe import Markup

from normalize.charsets import decode
from normalize.mail_entity import Entity, parse_entity
from normalize.mail_headers import header_text, lenient_base64

READ = 2_000_000
"""Bytes of a mail that are parsed for a page: the text comes first, large attachments after it."""
SHOWN = 200_000
HEADERS = ("From", "Reply-To", "To", "Cc", "Date", "Subject", "Message-ID", "In-Reply-To")
_TAGS = {
    *("p", "br", "hr", "div", "span", "b", "strong", "i", "em", "u", "s", "small", "sub", "sup", "blockquote", "pre"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "code", "ul", "ol", "li", "dl", "dt", "dd"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
}
_ATTRIBUTES = {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}


@dataclass(frozen=True)
class Letterhead:
    headers: Sequence[tuple[str, str]]
    text: str | None
    html: Markup | None
    """Sanitised: no links, pictures, styles, scripts or attributes but the shape of tables."""


def read_mail(content: bytes) -> Letterhead:
    """The headers a person looks at, and the body in the plainest form the mail offers."""
    mail = parse_entity(content[:READ])
    headers = [(name, header_text(value)) for name in HEADERS for value in mail.get_all(name.lower())]
    plain, html = _body(mail, "text/plain"), _body(mail, "text/html")
    if plain is not None and plain.strip():
        return Letterhead(headers, plain, None)
    return Letterhead(headers, None, None if html is None else sanitised(html))


def sanitised(html: str) -> Markup:
    """What is left of foreign HTML when only its words, tables and paragraphs may stay."""
    clean = nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=set(), link_rel=None)
    return Markup(clean)  # noqa: S704 - nh3 left none but these tags


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

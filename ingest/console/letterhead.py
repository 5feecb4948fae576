"""A mail as a page shows it: its decoded headers and its text; HTML only after everything active was taken out."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.policy import compat32

import nh3
from markupsafe import Markup

READ = 2_000_000
"""Bytes of a mail that are parsed for a page: the text comes first, large attachments after it."""
SHOWN = 200_000
HEADERS = ("From", "Reply-To", "To", "Cc", "Date", "Subject", "Message-ID", "In-Reply-To")
_TAGS = {
    *("p", "br", "hr", "div", "span", "b", "strong", "i", "em", "u", "s", "small", "sub", "sup", "blockquote", "pre"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "code", "ul", "ol", "li", "dl", "dt", "dd"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
}
_CHINESE = frozenset({"gb2312", "gbk", "x-gbk", "cp936", "gb_2312-80", "gb18030", "euc-cn", "hz-gb-2312"})


@dataclass(frozen=True)
class Letterhead:
    headers: Sequence[tuple[str, str]]
    text: str | None
    html: Markup | None
    """Sanitised: no links, pictures, styles, scripts or attributes but the shape of tables."""


def read_mail(content: bytes) -> Letterhead:
    """The headers a person looks at, and the body in the plainest form the mail offers."""
    message: Message[str, str] = message_from_bytes(content[:READ], policy=compat32)
    headers = [(name, decode(str(value))) for name in HEADERS for value in message.get_all(name, [])]
    plain, html = _body(message, "text/plain"), _body(message, "text/html")
    text = plain if plain and plain.strip() else None
    return Letterhead(headers, text, sanitised(html) if html is not None and text is None else None)


def sanitised(html: str) -> Markup:
    """What is left of foreign HTML when only its words, tables and paragraphs may stay."""
    attributes = {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
    clean = nh3.clean(html[:SHOWN], tags=_TAGS, attributes=attributes, url_schemes=set(), link_rel=None)
    return Markup(clean)  # noqa: S704 - nh3 left none but these tags


def decode(value: str) -> str:
    """A header as it was meant; neighbours of one charset are joined first, for they may split a character."""
    joined: list[tuple[bytes, str]] = []
    try:
        found = decode_header(value)
    except (ValueError, LookupError):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    for piece, charset in found:
        written = piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogateescape")
        name = charset or "utf-8"
        if joined and joined[-1][1] == name:
            joined[-1] = (joined[-1][0] + written, name)
        else:
            joined.append((written, name))
    return "".join(_text(written, charset) for written, charset in joined).strip()


def _body(message: Message[str, str], media_type: str) -> str | None:
    for part in message.walk():
        if part.get_content_type() == media_type and part.get_content_disposition() != "attachment":
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                return _text(payload, part.get_content_charset() or "utf-8")[:SHOWN]
    return None


def _text(written: bytes, charset: str) -> str:
    """Decoded as declared, else as UTF-8, else as GB18030; what fits nothing keeps its place as a mark."""
    declared = "gb18030" if charset.lower() in _CHINESE else charset
    for name in (declared, "utf-8", "gb18030"):
        try:
            return codecs.decode(written, name)
        except (LookupError, UnicodeError):
            continue
    return written.decode("utf-8", "replace")

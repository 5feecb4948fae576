"""One MIME part's content: its transfer encoding undone, its text read, its file name found."""

from __future__ import annotations

import binascii
import quopri
import re

from normalize.charsets import Decoded, decode
from normalize.filenames import clean_name
from normalize.mail_entity import Entity
from normalize.mail_headers import decode_words, header_text, lenient_base64
from normalize.mail_params import parameters

_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})\r?$", re.MULTILINE)
_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/=]*")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_-]{2,30})", re.IGNORECASE)
_EXTENSIONS = dict(
    pair.split("=")
    for pair in """
    text/plain=txt text/html=html text/calendar=ics text/csv=csv text/rfc822-headers=txt image/jpeg=jpg image/png=png
    image/gif=gif image/bmp=bmp image/tiff=tif image/heic=heic image/webp=webp audio/mpeg=mp3 audio/amr=amr
    video/mp4=mp4
    application/pdf=pdf application/msword=doc application/vnd.ms-excel=xls application/zip=zip application/rtf=rtf
    application/vnd.openxmlformats-officedocument.wordprocessingml.document=docx
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet=xlsx message/rfc822=eml
    message/delivery-status=txt application/pgp-signature=asc application/pkcs7-signature=p7s
    application/pkcs7-mime=p7m application/x-pkcs7-mime=p7m
    """.split()  # noqa: SIM905  words are easier to read
)


def content(entity: Entity) -> bytes:
    """The part's bytes with the transfer encoding undone; a false declaration leaves them as they are."""
    encoding = header_text(entity.get("content-transfer-encoding")).lower()
    if "base64" in encoding:
        return _base64(entity.body)
    if "quoted" in encoding:
        return quopri.decodestring(entity.body)
    if "uuencode" in encoding or "x-uue" in encoding:
        files = uuencoded(entity.body)
        return files[0][1] if files else entity.body
    return entity.body


def text(entity: Entity, data: bytes | None = None) -> Decoded:
    """A text part's words; without a usable charset the one an HTML page names for itself is the hint."""
    data = content(entity) if data is None else data
    declared = entity.content_type.raw("charset").decode("ascii", "replace")
    meta = _META_CHARSET.search(data[:2000]) if entity.media_type == "text/html" else None
    return decode(data, declared, meta[1].decode("ascii") if meta else None)


def file_name(entity: Entity, hint: str | None = None) -> str | None:
    """The name a part gives itself, as the sender wrote it; None: none.

    In order: RFC 2231, encoded-words (forbidden there, common) and raw bytes, of `filename` and then of `name`.
    """
    disposition = parameters(entity.get("content-disposition") or b"")
    for source, key in ((disposition, "filename"), (entity.content_type, "name"), (disposition, "name")):
        name, said = source.text(key)
        if not said:
            name = decode_words(source.raw(key), hint)
        if name.strip():
            return name.strip()
    location = header_text(entity.get("content-location"), hint)
    return location if re.fullmatch(r"[^/\\:?]+\.\w{2,5}", location) else None


def named(entity: Entity, number: int, hint: str | None = None) -> str:
    """A part's file name made harmless; where it has none, one from its number and kind."""
    described = header_text(entity.get("content-description"), hint)
    stem = described if 0 < len(described) <= 60 else f"attachment-{number}"
    fallback = clean_name(f"{stem}.{_EXTENSIONS.get(entity.media_type, 'bin')}", f"attachment-{number}.bin")
    return clean_name(file_name(entity, hint) or "", fallback)


def uuencoded(body: bytes) -> list[tuple[str, bytes]]:
    """The files uuencoded in a text: name and content."""
    found = []
    position = 0
    while begin := _UU_BEGIN.search(body, position):
        end = body.find(b"\nend", begin.end())
        if end < 0:
            break
        position = end
        try:
            data = b"".join(_uu_line(line) for line in body[begin.end() : end].splitlines() if line.strip(b"` \t"))
        except binascii.Error:
            continue
        found.append((decode(begin[1]).text, data))
    return found


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        # some encoders write too many characters: keep what the line's length byte counts
        return binascii.a2b_uu(line[: ((((line[0] - 32) & 63) * 4 + 5) // 3) + 1])


def _base64(body: bytes) -> bytes:
    """Decode base64, keeping what a list server wrote beneath it; text falsely declared so stays."""
    lines = body.split(b"\n")
    end = next((n for n, line in enumerate(lines) if not _BASE64_LINE.fullmatch(line.strip())), len(lines))
    head, tail = b"".join(lines[:end]), b"\n".join(lines[end:])
    if not tail.strip():
        return lenient_base64(head)
    foreign = len(re.sub(rb"[A-Za-z0-9+/=\s]", b"", body))
    if foreign * 50 < len(body) and b" " not in body.strip():
        return lenient_base64(body)
    return lenient_base64(head) + b"\n" + tail if len(head) >= 8 else body

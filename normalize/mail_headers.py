"""Mail headers as text: encoded-words, raw 8-bit, addresses, dates."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_tz
from functools import lru_cache

from normalize.charsets import canonical, decode
from normalize.dates import CHINA, parse_moment
from normalize.filenames import clean_text

_WORD = re.compile(rb"=\?([^?\s=][^?\s]*)\?([bBqQ])\?(.*?)(?:\?=|$)", re.DOTALL)
_ADDRESS = re.compile(r"[^\s<>\"'(),:;@\[\]]+@[^\s<>\"'(),:;@]+")
_ANGLE = re.compile(r"<([^<>]*)>")
_TOKEN = re.compile(rb"=\?[^?\s]{1,60}\?[bBqQ]\?[^?]*\?=|\"(?:[^\"\\]|\\.)*\"?|\([^()]*\)?|[,;]|[^\",;(=]+|=")
# Longer than any honest header; what lies beyond is not looked at.
_LONGEST_LIST, _LONGEST_BOX = 50_000, 1_000
_EDGES = " \t\"'“”<>:"
_ZULU = re.compile(r"[+-]0000|\b(?:GMT|UTC?|Z)\b")


@dataclass(frozen=True)
class Mailbox:
    """One address of a header: the name shown and the address, either may be missing."""

    name: str | None
    address: str | None


@lru_cache(maxsize=64)
def header_text(raw: bytes | None, hint: str | None = None) -> str:
    """A header's text: encoded-words and raw 8-bit bytes decoded, invisible characters gone, blanks single, trimmed.

    Adjoining encoded-words of one charset are joined as bytes first: mailers cut Chinese characters in two.
    """
    if not raw:
        return ""
    text = raw.decode("ascii") if raw.isascii() and b"=?" not in raw else decode_words(raw, hint)
    return " ".join(clean_text(text).split())


def decode_words(raw: bytes, hint: str | None = None) -> str:
    """Decode encoded-words and what stands between them, keeping blanks as they are."""
    text: list[str] = []
    run, run_charset = b"", ""
    position = 0
    for word in _WORD.finditer(raw):
        between = raw[position : word.start()]
        charset = canonical(word[1].split(b"*")[0].decode("ascii", "replace"))
        adjoining = position > 0 and not between.strip()
        if run and not (adjoining and charset == run_charset):
            text.append(decode(run, run_charset).text)
            run = b""
        if not adjoining:
            text.append(decode(between, None, hint).text)
        run, run_charset = run + _payload(word[2], word[3]), charset
        position = word.end()
    if run:
        text.append(decode(run, run_charset).text)
    return "".join(text) + decode(raw[position:], None, hint).text


@lru_cache(maxsize=16)
def mailboxes(raw: bytes | None, hint: str | None = None) -> tuple[Mailbox, ...]:
    """The addresses of a From, To and the like, in order; groups are flattened, comments become names."""
    if not raw:
        return ()
    found = (_mailbox(piece[:_LONGEST_BOX], hint) for piece in _split_list(raw[:_LONGEST_LIST]) if piece.strip())
    return tuple(each for each in found if each.name or each.address)


def _split_list(raw: bytes) -> list[bytes]:
    """Cut an address list at its commas, before decoding: a decoded name may contain a comma of its own."""
    pieces = [b""]
    for token in _TOKEN.findall(raw):
        if token in {b",", b";"}:
            pieces.append(b"")
        else:
            pieces[-1] += token
    return pieces


def header_date(raw: bytes | None) -> datetime | None:
    """A Date header as an aware time in China; without a zone it is taken as China's. None: not a date."""
    text = header_text(raw)
    if not text:
        return None
    try:
        parsed = parsedate_tz(text)
        if parsed is None or not 1980 <= parsed[0] <= 2199:
            return parse_moment(text)
        offset = parsed[9] or 0
        # the parser gives 0 also where no zone is written
        zone = timezone(timedelta(seconds=offset)) if offset or _ZULU.search(text) else CHINA
        return datetime(*parsed[:6], tzinfo=zone).astimezone(CHINA)
    except (ValueError, OverflowError, TypeError, IndexError):
        return parse_moment(text)


def message_ids(*raws: bytes | None) -> tuple[str, ...]:
    """The <message ids> in these headers, each once."""
    ids = (found for raw in raws if raw for found in re.findall(r"<[^<>\s]{3,400}>", header_text(raw)))
    return tuple(dict.fromkeys(ids))


def _payload(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"bB":
        return lenient_base64(text)
    plain = text.replace(b"_", b" ")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), plain)


def lenient_base64(data: bytes) -> bytes:
    """Decode base64, passing over foreign characters and mending missing padding."""
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return base64.b64decode(letters + b"=" * (-len(letters) % 4))


def _mailbox(raw: bytes, hint: str | None) -> Mailbox:
    text = header_text(raw, hint)
    if angle := _ANGLE.search(text):
        address = _ADDRESS.search(angle[1])
        name = text[: angle.start()]
    else:
        address = _ADDRESS.search(text)
        name = text.replace(address[0], "") if address else text
    name = _unwrapped(re.sub(r"\\(.)", r"\1", name))
    clean = address[0].strip(".") if address else None
    return Mailbox(None if not name or name == clean else name, clean)


def _unwrapped(name: str) -> str:
    """A name without the quotes, or the one pair of brackets, around all of it: 王芳(家长) stays."""
    name = name.strip(_EDGES)
    enclosed = name[:1] in {"(", "（"} and name[-1:] in {")", "）"} and not re.search(r"[()（）]", name[1:-1])
    return name[1:-1].strip(_EDGES) if enclosed else name

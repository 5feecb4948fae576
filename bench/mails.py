"""Mails to measure with: made from `$XINQIAO_DATA/mail/trec06c`, each with a Message-ID of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path

from adapters.base import RawKind
from normalize.case import ChannelKind
from normalize.read import read
from normalize.reading import Disposition, Source
from normalize.rules import Rules

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("XINQIAO_DATA", ROOT.parent / "shared" / "data"))
RULES = Rules()
_OWN_ID = re.compile(rb"^message-id:.*\r?\n(?:[ \t].*\r?\n)*", re.IGNORECASE | re.MULTILINE)
_SOURCE = Source("bench", ChannelKind.MAILBOX, RawKind.MAIL, "", datetime.now(UTC), datetime.now(UTC))


def endless(name: str = "way") -> Iterator[bytes]:
    """Mails that open a case, the same again and again, none of them twice.

    Automatic replies and newsletters open none: who delivers less would seem quicker.
    """
    folder = DATA / "mail" / "trec06c"
    originals = [path.read_bytes() for path in sorted(folder.iterdir())]
    for number, original in zip(count(), cycle([one for one in originals if _opens_a_case(one)]), strict=False):
        yield named(original, f"{name}-{number}@bench.example")


def named(mail: bytes, message_id: str) -> bytes:
    """The mail under another Message-ID, which makes it another mail."""
    head, end, body = mail.replace(b"\r\n", b"\n").partition(b"\n\n")
    others = _OWN_ID.sub(b"", head + b"\n")
    return b"Message-ID: <%s>\n" % message_id.encode() + others.rstrip(b"\n") + end + body


def _opens_a_case(mail: bytes) -> bool:
    return read(mail, "", _SOURCE, RULES)[0].disposition is Disposition.CASE

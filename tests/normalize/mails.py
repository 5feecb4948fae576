"""Mails and sources for the tests of the mail reader."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.base import RawKind
from normalize.case import ChannelKind, Draft
from normalize.mail import read_mail
from normalize.mail_rules import MailRules
from normalize.reading import Reading, Source

FETCHED = datetime(2026, 3, 9, 1, 0, tzinfo=UTC)


def source(received_at: datetime | None = None) -> Source:
    return Source("director_mailbox", ChannelKind.MAILBOX, RawKind.MAIL, "INBOX:1:42", received_at, FETCHED)


def read(data: bytes | str, rules: MailRules | None = None) -> Reading:
    """The one reading of a mail; text is taken as UTF-8."""
    raw = data.encode() if isinstance(data, str) else data
    (reading,) = read_mail(raw, source(), rules or MailRules())
    return reading


def draft_of(data: bytes | str) -> Draft:
    draft = read(data).draft
    assert draft is not None
    return draft


def plain(body: str, subject: str = "反映问题", headers: str = "") -> str:
    """A simple mail in UTF-8."""
    return (
        f"From: a@post.example\nTo: jzxx@edu.example\nSubject: {subject}\nDate: Mon, 2 Mar 2026 09:00:00 +0800\n"
        f"Content-Type: text/plain; charset=utf-8\n{headers}\n{body}"
    )

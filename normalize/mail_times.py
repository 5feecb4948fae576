"""When a mail reached us, as its own headers tell it: for mails the server's word is missing of."""

from __future__ import annotations

from datetime import datetime, timedelta

from normalize.mail_entity import Entity
from normalize.mail_headers import header_date

_CLOCKS_AGREE_WITHIN = timedelta(days=1)
_STAMPS = 20
_LONGEST_STAMP = 200


def received_time(mail: Entity, fetched_at: datetime) -> datetime | None:
    """The time in the topmost readable Received header, which our own side wrote; else the writer's Date.

    A time that lies ahead of the fetch by more than a day is not believed. In China's zone; None: neither is there.
    """
    stamps = (raw.rpartition(b";") for raw in mail.get_all("received")[:_STAMPS])
    written = [stamp[-_LONGEST_STAMP:] for _, mark, stamp in stamps if mark]
    times = (header_date(raw) for raw in (*written, mail.get("date")))
    return next((at for at in times if at and at <= fetched_at + _CLOCKS_AGREE_WITHIN), None)

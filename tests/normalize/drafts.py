"""Cases as a reader leaves them, with what a test says of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from normalize.case import ChannelKind, Draft, ReadingMethod, ReadingNote
from normalize.dates import CHINA


def china(text: str) -> datetime:
    """`2026-03-02 09:14` in Chinese time."""
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def draft(title: str = "关于花桥中学的问题", content: str | None = None, **values: Any) -> Draft:
    return Draft.model_validate(
        {
            "channel": "director_mailbox",
            "channel_kind": ChannelKind.MAILBOX,
            "source_id": "sha256:1",
            "title": title,
            "content": content,
            "received_at": china("2026-03-02 09:14"),
            "reading": ReadingNote(method=ReadingMethod.MIME),
            **values,
        }
    )

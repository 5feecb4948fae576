"""When a mail reached us by its own headers."""

from __future__ import annotations

from datetime import datetime

import pytest

from normalize.mail_entity import parse_entity
from normalize.mail_times import received_time
from tests.normalize.mails import draft_of

FETCHED = datetime.fromisoformat("2026-03-09T09:00:00+08:00")
HOP = "Received: from mx.far.example by mx.edu.example\n with ESMTP id 77; Mon, 2 Mar 2026 01:00:05 +0000 (UTC)\n"
EARLIER = "Received: from home by mx.far.example; Mon, 2 Mar 2026 00:30:00 +0000\n"
OLD_CLOCK = "Date: Mon, 1 Jan 2001 08:00:00 +0800\n"
REST = "From: a@post.example\nSubject: x\n\n请查一查。\n"


@pytest.mark.parametrize(
    ("headers", "at"),
    [
        (HOP + EARLIER + OLD_CLOCK, "2026-03-02T09:00:05+08:00"),
        ("Received: by mx; at some time\n" + EARLIER + OLD_CLOCK, "2026-03-02T08:30:00+08:00"),
        ("Received: by mx; Mon, 2 Mar 2037 01:00:05 +0000\n" + EARLIER, "2026-03-02T08:30:00+08:00"),
        ("Date: Mon, 2 Mar 2026 09:00:00 +0800\n", "2026-03-02T09:00:00+08:00"),
        ("Received: from nowhere\n", None),
        ("Date: Mon, 2 Mar 2037 09:00:00 +0800\n", None),
    ],
)
def test_the_topmost_hop_comes_before_the_writers_clock(headers: str, at: str | None) -> None:
    found = received_time(parse_entity((headers + REST).encode()), FETCHED)

    assert (found.isoformat() if found else None) == at


def test_a_mail_the_server_says_nothing_of_was_received_when_its_last_hop_says() -> None:
    draft = draft_of((HOP + OLD_CLOCK + REST).encode())

    assert draft.received_at.isoformat() == "2026-03-02T09:00:05+08:00"
    assert draft.warnings == ()

"""The mailbox door before a server that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.base import Adapter, Batch, ChannelRefused, ChannelUnavailable, Cursor
from adapters.mailbox import MailboxAdapter, MailboxSettings
from adapters.mailbox_breaks import Breaks
from tests.adapters.conformance import keys, opened
from tests.imap_server import Mailbox, misbehaving
from tests.patience import PATIENCE

START = datetime(2026, 3, 1, tzinfo=UTC)
HERE = "bureau@163.example at 127.0.0.1, INBOX"
MAILS = {uid: f"Subject: {uid}\r\n\r\nbody {uid}\r\n".encode() for uid in range(1, 6)}


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(mails=dict(MAILS))


@pytest.fixture
def port(mailbox: Mailbox) -> Iterator[int]:
    with misbehaving(mailbox) as port:
        yield port


def adapter(port: int, **other: Any) -> MailboxAdapter:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "username": "bureau@163.example",
        "password": "code",
        "batch": 2,
        "timeout": 20,
    }
    return MailboxSettings(**(values | other)).build("director_mailbox")


async def brought(door: Adapter, cursor: Cursor | None = None) -> tuple[list[Batch], Exception | None]:
    """What a poll brings until it ends or fails."""
    batches: list[Batch] = []
    try:
        async for batch in door.poll(cursor, START):
            batches.append(batch)  # noqa: PERF401  what came before the failure counts
    except (ChannelUnavailable, ChannelRefused) as error:
        return batches, error
    return batches, None


async def test_unsafe_login_is_refused_with_the_way_out(mailbox: Mailbox, port: int) -> None:
    mailbox.replies = {"EXAMINE": "NO Unsafe Login. Please contact kefu@188.com for help"}
    async with opened(adapter(port)) as door:
        with pytest.raises(ChannelRefused, match=r"Unsafe Login.*identify.*授权码"):
            await door.probe()


async def test_who_we_are_is_said_after_login_and_not_when_left_empty(mailbox: Mailbox, port: int) -> None:
    async with opened(adapter(port)) as door:
        await door.probe()
    names = [command.split(" ")[0] for command in mailbox.commands]

    assert names.index("LOGIN") < names.index("ID") < names.index("EXAMINE")

    mailbox.commands.clear()
    async with opened(adapter(port, identify={})) as door:
        await door.probe()

    assert not any(command.startswith("ID") for command in mailbox.commands)


@pytest.mark.parametrize(
    "reply",
    ["NO [UNAVAILABLE] Temporary failure", "NO [INUSE] mailbox locked", "NO login frequency limited, try again"],
)
@pytest.mark.parametrize("command", ["LOGIN", "EXAMINE"])
async def test_what_passes_is_unavailable(mailbox: Mailbox, port: int, command: str, reply: str) -> None:
    mailbox.replies = {command: reply}
    async with opened(adapter(port)) as door:
        with pytest.raises(ChannelUnavailable):
            await door.probe()


async def test_a_server_that_says_goodbye_at_once_is_unavailable(mailbox: Mailbox, port: int) -> None:
    mailbox.greeting = "* BYE too many connections"
    async with opened(adapter(port)) as door:
        with pytest.raises(ChannelUnavailable, match="too many"):
            await door.probe()


@pytest.mark.parametrize("command", ["LOGIN", "SEARCH", "FETCH"])
async def test_a_connection_that_breaks_is_unavailable(mailbox: Mailbox, port: int, command: str) -> None:
    mailbox.silent = {command}
    mailbox.hangs_up_after = command
    async with asyncio.timeout(PATIENCE), opened(adapter(port, timeout=600)) as door:  # it is no time-out that tells
        batches, error = await brought(door)

    assert batches == []
    assert isinstance(error, ChannelUnavailable)


async def test_a_broken_connection_is_opened_anew_at_the_next_poll(mailbox: Mailbox, port: int) -> None:
    mailbox.hangs_up_after = "FETCH"
    async with opened(adapter(port)) as door:
        _, error = await brought(door)
        mailbox.hangs_up_after = None
        batches, healed = await brought(door)

    assert isinstance(error, ChannelUnavailable)
    assert healed is None
    assert len(keys(batches)) == len(MAILS)


async def test_a_connection_lost_between_polls_goes_unnoticed(mailbox: Mailbox, port: int) -> None:
    mailbox.hangs_up_after = "EXAMINE"
    async with opened(adapter(port)) as door:
        await door.probe()
        mailbox.hangs_up_after = None

        assert len(keys((await brought(door))[0])) == len(MAILS)


async def test_stopping_does_not_wait_for_a_silent_server(mailbox: Mailbox, port: int) -> None:
    mailbox.silent = {"SEARCH"}
    async with opened(adapter(port, timeout=600)) as door:
        poll = asyncio.create_task(brought(door))
        assert await asyncio.to_thread(mailbox.asked.wait, PATIENCE)

        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll

        assert await asyncio.to_thread(mailbox.left.wait, PATIENCE)


@pytest.mark.parametrize("tls", ["none", "tls"])
async def test_stopping_does_not_wait_for_a_server_that_never_says_a_word(
    mailbox: Mailbox, port: int, tls: str
) -> None:
    mailbox.greeting = None
    door = adapter(port, timeout=600, tls=tls)
    poll = asyncio.create_task(brought(door))
    assert await asyncio.to_thread(mailbox.asked.wait, PATIENCE)

    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    async with asyncio.timeout(PATIENCE):
        await door.close()

    assert await asyncio.to_thread(mailbox.left.wait, PATIENCE)


async def test_closing_cuts_what_is_under_way(mailbox: Mailbox, port: int) -> None:
    mailbox.greeting = None
    door = adapter(port, timeout=600)
    probe = asyncio.create_task(door.probe())
    assert await asyncio.to_thread(mailbox.asked.wait, PATIENCE)

    async with asyncio.timeout(PATIENCE):
        await door.close()
        with pytest.raises(ChannelUnavailable):
            await probe


async def test_a_mail_the_server_chokes_on_holds_back_no_other_and_is_asked_for_again(
    mailbox: Mailbox, port: int
) -> None:
    mailbox.withheld = {3}
    async with opened(adapter(port)) as door:
        batches, error = await brought(door)
        cursor = batches[-1].cursor

        assert {blob for batch in batches for blob in batch.blobs} == {MAILS[uid] for uid in (1, 2, 4, 5)}
        assert cursor == {"uidvalidity": 1700000000, "uid": 5, "left": [3], "mailbox": HERE}
        assert isinstance(error, ChannelUnavailable)
        assert "mail 3" in str(error)

        still, error = await brought(door, cursor)

        assert still == []
        assert isinstance(error, ChannelUnavailable)

        mailbox.withheld = set()
        healed, error = await brought(door, cursor)

    assert [blob for batch in healed for blob in batch.blobs] == [MAILS[3]]
    assert healed[-1].cursor == {"uidvalidity": 1700000000, "uid": 5, "mailbox": HERE}
    assert error is None


async def test_a_mail_that_was_withheld_and_is_gone_is_no_longer_asked_for(mailbox: Mailbox, port: int) -> None:
    mailbox.withheld = {3}
    async with opened(adapter(port)) as door:
        batches, _ = await brought(door)
        del mailbox.mails[3]
        after, error = await brought(door, batches[-1].cursor)

    assert [batch.cursor for batch in after] == [{"uidvalidity": 1700000000, "uid": 5, "mailbox": HERE}]
    assert error is None


async def test_a_server_that_hands_over_nothing_moves_nothing(mailbox: Mailbox, port: int) -> None:
    mailbox.withheld = set(MAILS)
    async with opened(adapter(port)) as door:
        batches, error = await brought(door)

    assert batches == []
    assert isinstance(error, ChannelUnavailable)


async def test_a_server_put_back_to_an_older_state_starts_over(mailbox: Mailbox, port: int) -> None:
    async with opened(adapter(port)) as door:
        batches, _ = await brought(door)
        for uid in (3, 4, 5):
            del mailbox.mails[uid]
        mailbox.mails[3] = b"Subject: new under an old number\r\n\r\n"
        after, _ = await brought(door, batches[-1].cursor)

    assert mailbox.mails[3] in [blob for batch in after for blob in batch.blobs]


@pytest.mark.parametrize("other", [{"folder": "局长信箱"}, {"username": "director@163.example"}])
async def test_another_folder_or_mailbox_is_read_from_its_beginning_although_its_numbers_fit(
    mailbox: Mailbox, port: int, other: dict[str, str]
) -> None:
    """Coremail gives every folder the same UIDVALIDITY."""
    async with opened(adapter(port)) as door:
        before, _ = await brought(door)
    mailbox.mails[6] = b"Subject: 6\r\n\r\n"
    async with opened(adapter(port, **other)) as door:
        after, _ = await brought(door, before[-1].cursor)

    assert [blob for batch in after for blob in batch.blobs] == list(mailbox.mails.values())


async def test_a_cursor_that_does_not_say_of_which_mailbox_it_is_goes_on_and_says_it(port: int) -> None:
    async with opened(adapter(port)) as door:
        after, _ = await brought(door, {"uidvalidity": 1700000000, "uid": 5})

    assert [(batch.raws, batch.cursor) for batch in after] == [
        ((), {"uidvalidity": 1700000000, "uid": 5, "mailbox": HERE})
    ]


async def test_a_cursor_that_is_none_is_refused_by_name(port: int) -> None:
    async with opened(adapter(port)) as door:
        _, error = await brought(door, {"uidvalidity": 1700000000, "uid": "soon"})

    assert isinstance(error, ChannelRefused)
    assert "uid is 'soon'" in str(error)


async def test_a_server_that_sends_more_than_was_asked_for_is_not_read_to_the_end(mailbox: Mailbox, port: int) -> None:
    mailbox.mails = {1: b"Subject: 1\r\n\r\n" + b"x" * 20 * 2**20}
    mailbox.boundless = True
    async with opened(adapter(port, max_bytes=2**10, batch_bytes=2**10)) as door:
        batches, error = await brought(door)

    assert batches == []
    assert isinstance(error, ChannelUnavailable)
    assert "larger than what was asked for" in str(error)


async def test_a_server_that_promises_a_terabyte_takes_no_memory(mailbox: Mailbox, port: int) -> None:
    mailbox.replies = {"SEARCH": "x\r\n* 1 FETCH (UID 1 BODY[] {1099511627776}"}
    async with opened(adapter(port)) as door:
        _, error = await brought(door)

    assert isinstance(error, ChannelUnavailable)


async def test_an_answer_that_is_no_imap_is_unavailable_and_says_so(mailbox: Mailbox, port: int) -> None:
    mailbox.replies = {"FETCH": "x\r\n"}
    async with opened(adapter(port)) as door:
        _, error = await brought(door)

    assert isinstance(error, ChannelUnavailable)


async def test_a_mail_left_out_of_the_list_of_sizes_is_not_taken_for_gone(mailbox: Mailbox, port: int) -> None:
    mailbox.unlisted = {3, 5}
    async with opened(adapter(port)) as door:
        first, error = await brought(door)
        mailbox.mails[6] = b"Subject: 6\r\n\r\n"
        mailbox.unlisted = {6}
        then, _ = await brought(door, first[-1].cursor)

    assert error is None
    assert {blob for batch in first for blob in batch.blobs} == set(MAILS.values())
    assert [blob for batch in then for blob in batch.blobs] == [mailbox.mails[6]]


async def test_a_mail_whose_size_the_server_refuses_holds_back_no_other(mailbox: Mailbox, port: int) -> None:
    mailbox.unlistable = {3}
    async with opened(adapter(port)) as door:
        batches, error = await brought(door)

    assert error is None
    assert {blob for batch in batches for blob in batch.blobs} == set(MAILS.values())


async def test_a_mail_of_unknown_size_is_taken_as_far_as_a_mail_may_be_large(mailbox: Mailbox, port: int) -> None:
    mailbox.mails = {1: b"Subject: 1\r\n\r\n" + b"x" * 9000}
    mailbox.unlisted = {1}
    async with opened(adapter(port, max_bytes=4096)) as door:
        (batch,), error = await brought(door)

    assert error is None
    assert [len(blob) for blob in batch.blobs] == [4096]
    assert batch.raws[0].meta == {"truncated": True, "size": 4096}


async def test_a_server_that_refuses_all_sizes_is_not_asked_for_each(mailbox: Mailbox, port: int) -> None:
    mailbox.mails = dict.fromkeys(range(1, 400), b"Subject: 1\r\n\r\n")
    mailbox.unlistable = set(mailbox.mails)
    async with opened(adapter(port)) as door:
        batches, error = await brought(door)

    assert batches == []
    assert isinstance(error, ChannelUnavailable)
    assert sum(command.startswith("UID FETCH") for command in mailbox.commands) < 60


@pytest.mark.parametrize("uid", [1, 3, 5])
async def test_a_mail_over_which_the_server_breaks_off_holds_back_no_other(
    mailbox: Mailbox, port: int, uid: int
) -> None:
    mailbox.breaks = {uid}
    blobs: list[bytes] = []
    cursor: Cursor | None = None
    async with opened(adapter(port)) as door:
        for _ in range(5):
            batches, error = await brought(door, cursor)
            blobs += [blob for batch in batches for blob in batch.blobs]
            cursor = batches[-1].cursor if batches else cursor
        mailbox.mails[6] = b"Subject: 6\r\n\r\n"
        then, error = await brought(door, cursor)

    assert set(blobs) == set(MAILS.values()) - {MAILS[uid]}
    assert [blob for batch in then for blob in batch.blobs] == [mailbox.mails[6]]
    assert f"mail {uid}" in str(error)
    assert then[-1].cursor == {"uidvalidity": 1700000000, "uid": 6, "left": [uid], "mailbox": HERE}


async def test_a_mail_over_which_the_server_broke_off_is_asked_for_last_after_a_start(
    mailbox: Mailbox, port: int
) -> None:
    mailbox.breaks = {3}
    async with opened(adapter(port)) as door:
        batches, error = await brought(door, {"uidvalidity": 1700000000, "uid": 4, "left": [3], "mailbox": HERE})

        assert isinstance(error, ChannelUnavailable)
        assert error.reached_end  # every hour again: no outage, and no alarm of one
        assert [blob for batch in batches for blob in batch.blobs] == [MAILS[5]]

        mailbox.breaks = set()
        healed, error = await brought(door, batches[-1].cursor)

    assert error is None
    assert [blob for batch in healed for blob in batch.blobs] == [MAILS[3]]
    assert healed[-1].cursor == {"uidvalidity": 1700000000, "uid": 5, "mailbox": HERE}


def test_a_mail_that_broke_the_connection_alone_is_asked_for_once_an_hour() -> None:
    now = [0.0]
    breaks = Breaks(lambda: now[0])
    breaks.note([3, 4])
    assert breaks.alone(3)
    assert not breaks.rests(3)

    for _ in range(2):
        breaks.note([3])
    assert breaks.rests(3)
    assert not breaks.rests(4)

    now[0] += 3600
    assert not breaks.rests(3)
    breaks.note([3])
    assert breaks.rests(3)

    breaks.forget([3])
    assert not breaks.alone(3)

from __future__ import annotations

import asyncio
import email
from collections.abc import Callable
from datetime import datetime
from email.header import decode_header, make_header

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from sandbox.chinatime import CHINA
from sandbox.mailbox import FOLDER, USER, MailServer
from sandbox.mails import follow_up, mail, noise
from sandbox.matters import matter

AT = datetime(2026, 3, 2, 9, 14, 55, tzinfo=CHINA)


def _client(server: MailServer, password: str = "mailbox-secret") -> IMAPClient:
    client = IMAPClient("127.0.0.1", server.port, ssl=False, timeout=10)
    client.normalise_times = False
    try:
        client.login(USER, password)
    except LoginError:
        client.shutdown()
        raise
    return client


def _read_all(server: MailServer) -> tuple[int, dict[int, tuple[bytes, datetime, tuple[bytes, ...]]]]:
    client = _client(server)
    try:
        chosen = client.select_folder(FOLDER, readonly=True)
        uids = client.search(["UID", "1:*"])
        fetched = client.fetch(uids, ["BODY.PEEK[]", "INTERNALDATE", "FLAGS"])
        found = {uid: (one[b"BODY[]"], one[b"INTERNALDATE"], one[b"FLAGS"]) for uid, one in fetched.items()}
        return chosen[b"UIDVALIDITY"], found
    finally:
        client.logout()


async def test_every_kind_of_mail_is_fetched_byte_for_byte_with_its_internal_date_and_stays_unseen() -> None:
    sent = [mail(matter(1, number), AT, USER) for number in range(40)]
    sent += [noise(1, number, AT, USER) for number in range(3)] + [follow_up(matter(1, 3), AT, USER)]
    async with MailServer(uid_validity=77) as server:
        for raw in sent:
            await server.deliver(raw, AT)

        validity, found = await asyncio.to_thread(_read_all, server)
        again = (await asyncio.to_thread(_read_all, server))[1]

    assert validity == 77
    assert [raw for raw, _, _ in found.values()] == sent
    assert {at for _, at, _ in found.values()} == {AT}
    assert not [flags for _, _, flags in again.values() if b"\\Seen" in flags]


async def test_new_mail_shows_on_a_kept_connection_after_noop() -> None:
    async with MailServer() as server:
        client = await asyncio.to_thread(_client, server)
        await asyncio.to_thread(client.select_folder, FOLDER, True)
        await server.deliver(mail(matter(1, 1), AT, USER), AT)
        await asyncio.to_thread(client.noop)

        uids = await asyncio.to_thread(client.search, ["UID", "1:*"])
        await asyncio.to_thread(client.logout)

    assert len(uids) == 1


async def test_a_wrong_password_is_refused() -> None:
    async with MailServer() as server:
        with pytest.raises(LoginError):
            await asyncio.to_thread(_client, server, "wrong")


async def test_down_refuses_connections_and_cuts_those_that_exist_and_comes_back_with_its_mail() -> None:
    async with MailServer() as server:
        await server.deliver(mail(matter(1, 1), AT, USER), AT)
        client = await asyncio.to_thread(_client, server)
        server.switch.set("down")
        await server.turned()

        with pytest.raises((IMAPClientError, OSError)):
            await asyncio.to_thread(client.noop)
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(_client, server)
        server.switch.set("none")
        await server.turned()
        assert len((await asyncio.to_thread(_read_all, server))[1]) == 1
        client.shutdown()


@pytest.mark.parametrize("write", [lambda number: mail(matter(1, number), AT, USER), lambda n: noise(1, n, AT, USER)])
def test_a_mail_is_the_same_bytes_every_time(write: Callable[[int], bytes]) -> None:
    assert [write(number) for number in range(20)] == [write(number) for number in range(20)]


def test_the_mails_come_in_the_forms_a_mailbox_knows() -> None:
    mails = [email.message_from_bytes(mail(matter(1, number), AT, USER)) for number in range(60)]

    kinds = {(one.get_content_type(), str(one.get_content_charset())) for one in mails}
    assert ("text/plain", "gb2312") in kinds
    assert ("text/html", "utf-8") in kinds
    assert any(kind == "multipart/mixed" for kind, _ in kinds)
    assert any(
        "局长信箱" in str(make_header(decode_header(str(one["Subject"])))) for one in mails if one["X-Mailer"] is None
    )

"""The mailbox door before a real Dovecot."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.base import ChannelRefused, ChannelUnavailable, Unobtainable
from adapters.mailbox import MailboxAdapter, MailboxSettings
from tests.adapters.conformance import Promises, keys, opened, polled
from tests.dovecot import PASSWORD, Dovecot, running_dovecot

pytestmark = pytest.mark.dovecot

START = datetime(2026, 3, 1, tzinfo=UTC)
ARRIVED = datetime(2026, 3, 2, 1, 14, 55, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        yield server


class MailboxStand:
    """A mailbox nobody else uses."""

    start_from = START

    def __init__(self, dovecot: Dovecot) -> None:
        self.dovecot = dovecot
        self.user = f"bureau{next(_numbers)}"

    def settings(self, **other: Any) -> MailboxSettings:
        values: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.dovecot.port,
            "tls": "none",
            "username": self.user,
            "password": PASSWORD,
            "batch": 3,
            "timeout": 20,
        }
        return MailboxSettings(**(values | other))

    def adapter(self, **other: Any) -> MailboxAdapter:
        return self.settings(**other).build("director_mailbox")

    async def arrive(self, count: int) -> None:
        mails = [mail(f"第{next(_numbers)}封") for _ in range(count)]
        await asyncio.to_thread(self.dovecot.append, self.user, *mails, at=ARRIVED)

    async def shown(self) -> object:
        with self.dovecot.opened(self.user) as client:
            found = client.fetch(client.search("ALL"), ["FLAGS", "RFC822.SIZE"]) if client.search("ALL") else {}
            return {uid: (item[b"FLAGS"], item[b"RFC822.SIZE"]) for uid, item in found.items()}

    def absent(self) -> MailboxAdapter:
        return self.adapter(port=1)

    def refused(self) -> MailboxAdapter:
        return self.adapter(password="wrong")


@pytest.fixture
def stand(dovecot: Dovecot) -> MailboxStand:
    return MailboxStand(dovecot)


def mail(subject: str, body: str = "花桥中学食堂的饭菜常常是凉的。") -> bytes:
    message = EmailMessage()
    message["From"] = "writer@mail.example"
    message["Subject"] = subject
    message.set_content(body)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class TestMailboxPromises(Promises):
    pass


async def test_a_mail_comes_byte_for_byte_with_its_place_and_time(stand: MailboxStand) -> None:
    original = mail("关于食堂")
    stand.dovecot.append(stand.user, original, at=ARRIVED)
    async with opened(stand.adapter()) as adapter:
        [batch] = await polled(adapter, None, stand)

    assert batch.blobs == (original,)
    assert batch.raws[0].received_at == ARRIVED
    assert batch.raws[0].locator == f"INBOX:{batch.cursor['uidvalidity']}:1"
    assert (batch.cursor["uid"], batch.cursor["mailbox"]) == (1, f"{stand.user} at 127.0.0.1, INBOX")


async def test_reading_leaves_mails_unseen(stand: MailboxStand) -> None:
    await stand.arrive(2)
    async with opened(stand.adapter()) as adapter:
        await polled(adapter, None, stand)

    with stand.dovecot.opened(stand.user) as client:
        assert len(client.search("UNSEEN")) == 2


async def test_new_mail_shows_on_a_kept_connection(stand: MailboxStand) -> None:
    async with opened(stand.adapter()) as adapter:
        batches = await polled(adapter, None, stand)
        cursor = batches[-1].cursor if batches else None
        for expected in (1, 2, 3):
            await stand.arrive(1)
            batches = await polled(adapter, cursor, stand)
            cursor = batches[-1].cursor

            assert cursor["uid"] == expected
            assert len(keys(batches)) == 1


async def test_nothing_new_is_no_batch(stand: MailboxStand) -> None:
    await stand.arrive(1)
    async with opened(stand.adapter()) as adapter:
        first = await polled(adapter, None, stand)

        assert await polled(adapter, first[-1].cursor, stand) == []


async def test_older_mails_stay_and_are_counted_once(stand: MailboxStand) -> None:
    stand.dovecot.append(stand.user, mail("旧一"), mail("旧二"), at=START - timedelta(seconds=1))
    stand.dovecot.append(stand.user, *(mail(f"新{n}") for n in range(4)), at=START)
    stand.dovecot.append(stand.user, mail("旧三"), at=START - timedelta(days=400))
    async with opened(stand.adapter()) as adapter:
        batches = await polled(adapter, None, stand)

    assert [batch.skipped for batch in batches] == [3, 0]
    assert [len(batch.raws) for batch in batches] == [3, 1]
    assert batches[-1].cursor["uid"] == 7


async def test_older_mails_stay_also_when_the_first_poll_was_broken_off(stand: MailboxStand) -> None:
    stand.dovecot.append(stand.user, *(mail(f"新{n}") for n in range(4)), at=START)
    stand.dovecot.append(stand.user, mail("旧"), at=START - timedelta(days=1))
    async with opened(stand.adapter()) as adapter:
        begun = await polled(adapter, None, stand, batches=1)
    async with opened(stand.adapter()) as adapter:
        rest = await polled(adapter, begun[-1].cursor, stand)

    assert len(keys(rest)) == 1
    assert rest[-1].cursor["uid"] == 5


async def test_a_mailbox_with_only_older_mails_is_passed_once(stand: MailboxStand) -> None:
    stand.dovecot.append(stand.user, mail("旧"), at=START - timedelta(days=30))
    async with opened(stand.adapter()) as adapter:
        [batch] = await polled(adapter, None, stand)

        assert (batch.raws, batch.skipped, batch.cursor["uid"]) == ((), 1, 1)
        assert await polled(adapter, batch.cursor, stand) == []


async def test_an_old_mail_moved_in_later_is_taken(stand: MailboxStand) -> None:
    await stand.arrive(1)
    async with opened(stand.adapter()) as adapter:
        first = await polled(adapter, None, stand)
        stand.dovecot.append(stand.user, mail("转入的旧信"), at=START - timedelta(days=90))

        assert len(keys(await polled(adapter, first[-1].cursor, stand))) == 1


async def test_a_new_uidvalidity_starts_over(stand: MailboxStand) -> None:
    stand.dovecot.append(stand.user, mail("一"), mail("二"), at=ARRIVED, folder="局长信箱")
    async with opened(stand.adapter(folder="局长信箱")) as adapter:
        before = await polled(adapter, None, stand)
        with stand.dovecot.opened(stand.user) as client:
            client.rename_folder("局长信箱", "旧信箱")
        stand.dovecot.append(stand.user, mail("一"), at=ARRIVED, folder="局长信箱")
        after = await polled(adapter, before[-1].cursor, stand)

    assert after[-1].cursor["uidvalidity"] != before[-1].cursor["uidvalidity"]
    assert [raw.version for raw in after[0].raws] == [before[0].raws[0].version]
    assert after[0].raws[0].locator.startswith("局长信箱:")


async def test_a_missing_folder_is_refused_with_the_names_there_are(stand: MailboxStand) -> None:
    stand.dovecot.append(stand.user, mail("一"), folder="书记信箱")
    async with opened(stand.adapter(folder="局长信箱")) as adapter:
        with pytest.raises(ChannelRefused, match=r"局长信箱.*书记信箱"):
            await adapter.probe()


async def test_a_batch_ends_early_when_its_mails_are_large(stand: MailboxStand) -> None:
    stand.dovecot.append(stand.user, *(mail(f"第{n}封", "长" * 300) for n in range(4)), at=ARRIVED)
    async with opened(stand.adapter(batch_bytes=4000)) as adapter:
        batches = await polled(adapter, None, stand)

    assert [len(batch.raws) for batch in batches] == [2, 2]


async def test_a_mail_too_large_is_taken_as_far_as_allowed_and_says_so(stand: MailboxStand) -> None:
    large = mail("附件太大", "重" * 3000)
    stand.dovecot.append(stand.user, mail("前"), large, mail("后"), at=ARRIVED)
    async with opened(stand.adapter(max_bytes=2048)) as adapter:
        batches = await polled(adapter, None, stand)

    by_meta = {bool(raw.meta): (raw, batch.blobs[raw.blob]) for batch in batches for raw in batch.raws}
    assert len(keys(batches)) == 3
    assert by_meta[True][0].meta == {"truncated": True, "size": len(large)}
    assert by_meta[True][1] == large[:2048]


async def test_a_wrong_password_is_refused_and_not_told_in_the_message(stand: MailboxStand) -> None:
    async with opened(stand.adapter(password="geheim-9")) as adapter:
        with pytest.raises(ChannelRefused, match="login refused") as told:
            await adapter.probe()

    assert "geheim-9" not in str(told.value)


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_a_trusted_certificate_opens_the_door(stand: MailboxStand, tls: str) -> None:
    port = stand.dovecot.tls_port if tls == "tls" else stand.dovecot.port
    async with opened(stand.adapter(tls=tls, port=port, ca_file=str(stand.dovecot.ca_file))) as adapter:
        assert "INBOX" in await adapter.probe()


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_an_unknown_certificate_is_refused_unless_said_otherwise(stand: MailboxStand, tls: str) -> None:
    port = stand.dovecot.tls_port if tls == "tls" else stand.dovecot.port
    async with opened(stand.adapter(tls=tls, port=port)) as adapter:
        with pytest.raises(ChannelRefused, match="ca_file"):
            await adapter.probe()
    async with opened(stand.adapter(tls=tls, port=port, verify=False)) as adapter:
        assert "INBOX" in await adapter.probe()


async def test_tls_against_a_plain_port_is_refused_with_the_way_out(stand: MailboxStand) -> None:
    async with opened(stand.adapter(tls="tls")) as adapter:
        with pytest.raises(ChannelRefused, match="starttls"):
            await adapter.probe()


async def test_a_missing_ca_file_is_refused_by_name(stand: MailboxStand) -> None:
    async with opened(stand.adapter(tls="tls", port=stand.dovecot.tls_port, ca_file="/no/such.pem")) as adapter:
        with pytest.raises(ChannelRefused, match=r"/no/such\.pem"):
            await adapter.probe()


async def test_the_server_is_told_who_we_are(stand: MailboxStand) -> None:
    async with opened(stand.adapter(identify={"name": "xinqiao", "contact": "it@bureau.example"})) as adapter:
        await adapter.probe()

    assert "it@bureau.example" in stand.dovecot.log.read_text("utf-8")


async def test_attachments_are_not_fetched_apart(stand: MailboxStand) -> None:
    async with opened(stand.adapter()) as adapter:
        with pytest.raises(Unobtainable, match="in the mail"):
            await adapter.fetch("1")


async def test_an_unreachable_server_says_where(stand: MailboxStand) -> None:
    async with opened(stand.absent()) as adapter:
        with pytest.raises(ChannelUnavailable, match=r"127\.0\.0\.1:1"):
            await adapter.probe()


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="hots"):
        MailboxSettings.model_validate({"hots": "imap.example", "username": "a", "password": "b"})


def test_two_channels_on_one_mailbox_have_one_key() -> None:
    one = MailboxSettings(host="Imap.Example", username="a@b", password="x", folder="inbox")
    two = MailboxSettings(host="imap.example", username="a@b", password="y")

    assert one.mailbox_key == two.mailbox_key

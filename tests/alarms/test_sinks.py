"""Mails through a real SMTP server, robots over a real socket."""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message as Mail
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trustme
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from yarl import URL

from ingest.alarms.conditions import Seen, conditions
from ingest.alarms.keeper import TRIES, Telling
from ingest.alarms.settings import AlarmSettings, MailSink, WebhookSink
from ingest.alarms.sinks import Mailer, Message, Robot, Untold
from ingest.alarms.watch import Speaker
from ingest.alarms.words import FOLDER
from ingest.almanac import Almanac
from ingest.calendar_files import read_calendar
from ingest.catalogue import load_words
from normalize.calendar import WorkCalendar
from sandbox.ports import free_port
from store import ledger
from tests.clock import utc_now
from tests.ingest.desk import NOW, open_desk

TEXT = "渠道 hotline 不可用：HTTP 502"
SPEAKER = Speaker(load_words(FOLDER, "en"), "Xinqiao", ZoneInfo("Asia/Shanghai"))
CALENDAR = WorkCalendar()
MESSAGE = Message("door_down", "raised", f"【信桥】{TEXT}", TEXT, "2026-03-04 10:00")


class Box:
    def __init__(self) -> None:
        self.mails: list[Envelope] = []

    async def handle_DATA(  # noqa: N802 - as aiosmtpd wants it
        self, _server: Any, _session: Any, envelope: Envelope
    ) -> str:
        self.mails.append(envelope)
        return "250 taken"


@contextmanager
def post_office(**more: Any) -> Iterator[tuple[Box, int]]:
    """An SMTP server on a free port."""
    box = Box()
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, **more)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def sink(port: int, **more: Any) -> MailSink:
    fields = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "a@jy.example", "to": ["duty@jy.example"]}
    return MailSink.model_validate({**fields, **more})


def mail_in(envelope: Envelope) -> Mail:
    assert isinstance(envelope.content, bytes)
    return message_from_bytes(envelope.content)


def subject_of(box: Box) -> str:
    """Of the only mail that came; a long one is folded on its way, as mail is."""
    (envelope,) = box.mails
    folded: str = mail_in(envelope)["Subject"]
    return str(make_header(decode_header(folded.replace("\n", "").replace("\r", ""))))


async def test_a_mail_arrives_in_chinese() -> None:
    with post_office() as (box, port):
        await Mailer(sink(port, to=["duty@jy.example", "chief@jy.example"])).tell(MESSAGE, NOW)

    (envelope,) = box.mails
    mail = mail_in(envelope)
    assert envelope.rcpt_tos == ["duty@jy.example", "chief@jy.example"]
    assert subject_of(box) == MESSAGE.title
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().strip() == MESSAGE.text
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_a_mail_arrives_while_all_threads_that_others_share_hang() -> None:
    released, loop = threading.Event(), asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    hanging = asyncio.ensure_future(asyncio.to_thread(released.wait))
    with post_office() as (box, port):
        async with asyncio.timeout(20):
            await Mailer(sink(port)).tell(MESSAGE, NOW)
    released.set()
    await hanging

    assert subject_of(box) == MESSAGE.title


async def test_a_calendar_file_with_two_mistakes_is_a_mail_with_one_line_of_subject(tmp_path: Path) -> None:
    file = tmp_path / "calendar.yaml"
    file.write_text("# nothing yet\n", "utf-8")
    almanac = Almanac(read_calendar(file), file)
    file.write_text("2027:\n  holidays: [2027-13-01]\n  workdays: [nobody]\n", "utf-8")
    almanac.look()
    almanac.look()
    (found,) = conditions(Seen(calendar_file=almanac.said()), AlarmSettings(calendar=timedelta(0)), CALENDAR, NOW)

    with post_office() as (box, port):
        await Mailer(sink(port)).tell(SPEAKER.message("raised", found.kind, found.facts, NOW), NOW)

    subject = subject_of(box)
    assert ("calendar.yaml:2:" in subject, subject.endswith("(+1 more)")) == (True, True)


async def test_an_error_of_several_lines_is_one_line_of_subject_and_whole_in_the_text() -> None:
    error = "FATAL: no pg_hba.conf entry\nfor host\r\n  10.0.0.7"
    message = SPEAKER.message("raised", "door_down", {"name": "hotline", "error": error}, NOW)

    with post_office() as (box, port):
        await Mailer(sink(port)).tell(message, NOW)

    assert subject_of(box) == "[Xinqiao] door hotline is unavailable: FATAL: no pg_hba.conf entry for host 10.0.0.7"
    assert error in message.text


async def test_a_mail_goes_over_tls_with_a_password(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        known = (data.login, data.password) == (b"duty", b"authorization-code")
        return AuthResult(success=known, handled=False)

    with post_office(tls_context=context, authenticator=check, auth_required=True) as (box, port):
        trusted = {"tls": "starttls", "ca_file": tmp_path / "ca.pem", "username": "duty"}
        await Mailer(sink(port, **trusted, password="authorization-code")).tell(MESSAGE, NOW)
        wrong = sink(port, **trusted, password="another-secret")
        with pytest.raises(Untold) as refused:
            await Mailer(wrong).tell(MESSAGE, NOW)
        with pytest.raises(Untold):
            await Mailer(sink(port, tls="starttls")).tell(MESSAGE, NOW)  # an authority nobody knows

    assert len(box.mails) == 1
    assert str(refused.value) == "127.0.0.1 answers 535: it refuses username and password"


async def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(Untold, match=r"127\.0\.0\.1:9: Connection refused"):
        await Mailer(sink(9)).tell(MESSAGE, NOW)


@asynccontextmanager
async def robot(answer: dict[str, Any], status: int = 200) -> AsyncIterator[tuple[list[tuple[str, Any]], str]]:
    got: list[tuple[str, Any]] = []

    async def handle(request: web.Request) -> web.Response:
        got.append((request.path_qs, await request.json()))
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_post("/{way:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield got, f"http://127.0.0.1:{runner.addresses[0][1]}/send?key=secret-key"
    finally:
        await runner.cleanup()


def wecom(url: str) -> WebhookSink:
    return WebhookSink.model_validate(
        {"url": url, "body": {"msgtype": "text", "text": {"content": "{{ text }}"}}, "success": "errcode == `0`"}
    )


async def test_a_robot_is_spoken_to_in_its_own_form() -> None:
    async with robot({"errcode": 0, "errmsg": "ok"}) as (got, url):
        await Robot(wecom(url)).tell(MESSAGE, NOW)

    assert got == [("/send?key=secret-key", {"msgtype": "text", "text": {"content": MESSAGE.text}})]


async def test_a_robot_that_wants_a_signature_gets_one() -> None:
    async with robot({"errcode": 0}) as (got, url):
        settings = WebhookSink.model_validate(
            {
                "url": url,
                "params": {"timestamp": "{{ now_ms }}", "sign": "{{ hmac('SEC1', now_ms ~ '\\nSEC1') }}"},
                "body": {"msgtype": "text", "text": {"content": "{{ title }}"}},
            }
        )
        await Robot(settings).tell(MESSAGE, datetime(2026, 3, 4, 2, tzinfo=UTC))

    expected = base64.b64encode(hmac.digest(b"SEC1", b"1772589600000\nSEC1", "sha256")).decode()
    query = URL(got[0][0]).query
    assert (query["timestamp"], query["sign"]) == ("1772589600000", expected)


@pytest.mark.parametrize(("answer", "status"), [({"errcode": 93000}, 200), ({}, 500), ({}, 302)])
async def test_a_robot_that_does_not_take_it_is_said_without_its_key(answer: dict[str, Any], status: int) -> None:
    async with robot(answer, status) as (_, url):
        with pytest.raises(Untold) as refused:
            await Robot(wecom(url)).tell(MESSAGE, NOW)

    assert "secret-key" not in str(refused.value)


async def test_a_message_that_cannot_even_be_said_is_let_go_and_the_next_of_its_alarm_told(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk, post_office() as (box, port):
        odd = replace(MESSAGE, text="half a character: \udc80")
        for message in (odd, MESSAGE):
            payload = {"message": vars(message)}
            desk.write(
                lambda conn, payload=payload: ledger.enqueue(conn, "tell:duty", payload, now=NOW, key="door_down:x")
            )

        for hours in range(TRIES + 1):
            now = utc_now() + timedelta(hours=hours)
            claims = desk.write(
                lambda conn, now=now: ledger.claim(conn, "tell:duty", now=now, lease=timedelta(minutes=5))
            )
            await Telling(desk.store, "duty", Mailer(sink(port)), lambda now=now: now).work(claims)  # type: ignore[misc]

        assert subject_of(box) == MESSAGE.title
        assert desk.store.read_now(ledger.counts) == {}


async def test_what_cannot_be_told_is_told_later(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk, post_office() as (box, port):
        payload = {"message": vars(MESSAGE)}
        desk.write(lambda conn: ledger.enqueue(conn, "tell:duty", payload, now=NOW, key="door_down:hotline"))
        now = utc_now()

        def claim(at: datetime) -> list[ledger.Claim]:
            found: list[ledger.Claim] = desk.write(
                lambda conn: ledger.claim(conn, "tell:duty", now=at, lease=timedelta(minutes=5))
            )
            return found

        await Telling(desk.store, "duty", Mailer(sink(9)), lambda: now).work(claim(now))
        assert claim(now) == []
        await Telling(desk.store, "duty", Mailer(sink(port)), lambda: now).work(claim(now + timedelta(hours=1)))

        assert len(box.mails) == 1
        assert desk.store.read_now(ledger.counts) == {}

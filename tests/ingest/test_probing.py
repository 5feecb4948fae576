"""What `xinqiao check --connect` sees, in words an operator can act on."""

from __future__ import annotations

import asyncio
import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import AuthResult

from adapters.base import ChannelRefused
from adapters.letters_archive import try_moving
from dispatch.settings import TargetSettings
from ingest.office import scan_workers
from ingest.probing import Probe, probe_scans, probe_sink, probe_target
from ingest.probing_clamd import probe_clamd, seen
from ingest.probing_store import probe_blobs_folder, probe_database_folder
from store.engine import open_store
from tests.adapters.test_wire import Authority, serving
from tests.alarms.test_sinks import MESSAGE, post_office, robot, sink, wecom
from tests.ingest.config_files import SECRET


async def seen_at(url: str, **more: object) -> Probe:
    return await probe_target("oa", TargetSettings.model_validate({"url": url, "secret": SECRET, **more}))


def ending(authority: Authority, ends: datetime) -> ssl.SSLContext:
    """For a server whose certificate ends then."""
    issued = authority.ca.issue_cert("127.0.0.1", not_after=ends, not_before=ends - timedelta(days=90))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)
    return context


@contextmanager
def picky(context: ssl.SSLContext) -> Iterator[int]:
    """A server over plain sockets: asyncio's breaks off without the alert that says why."""

    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as line:
                line.recv(64 * 1024)
                line.sendall(b"HTTP/1.1 405 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


async def test_a_certificates_last_days_are_told(tmp_path: Path) -> None:
    authority, now = Authority(tmp_path), datetime.now(UTC)
    said = {}
    for days in (60, 9, -1):
        async with serving(tls=ending(authority, now + timedelta(days=days, hours=1))) as server:
            said[days] = await seen_at(f"https://127.0.0.1:{server.port}/", ca_file=authority.file)

    assert (said[60].ok, said[60].doubts) == (True, ())
    assert said[60].text.endswith("; its certificate is good for 60 days")
    assert said[9].ok
    assert said[9].doubts == (f"its certificate ends on {now + timedelta(days=9, hours=1):%Y-%m-%d}; have it renewed",)
    assert not said[-1].ok
    assert said[-1].text.startswith("its certificate has expired; whoever runs it must renew it")


async def test_what_is_wrong_with_trust_is_told_with_the_way_out(tmp_path: Path) -> None:
    for place in ("ours", "theirs"):
        (tmp_path / place).mkdir()
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    async with serving(tls=theirs.server("127.0.0.1")) as server:
        url = f"https://127.0.0.1:{server.port}/"
        unknown = await seen_at(url)
        wrong = await seen_at(url, ca_file=ours.file)
    async with serving(tls=theirs.server("oa.example")) as server:
        named = await seen_at(f"https://127.0.0.1:{server.port}/", ca_file=theirs.file)
    async with serving() as server:
        no_tls = await seen_at(f"https://127.0.0.1:{server.port}/")

    for one in (unknown, wrong):
        assert "its certificate is not trusted (" in one.text
        assert "name its authority in ca_file" in one.text
    assert "its certificate is for another name" in named.text
    assert no_tls.text == "it does not speak TLS on this port"
    assert not any(one.ok for one in (unknown, wrong, named, no_tls))


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_another_certificate_of_ours_is_told_apart(
    tmp_path: Path, newest: ssl.TLSVersion
) -> None:
    for place in ("ours", "theirs"):
        (tmp_path / place).mkdir()
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    context = theirs.server("127.0.0.1", asks=theirs)
    context.maximum_version = newest
    with picky(context) as port:
        url = f"https://127.0.0.1:{port}/"
        bare = await seen_at(url, ca_file=theirs.file)
        refused = await seen_at(url, ca_file=theirs.file, client_cert=ours.client())
        good = await seen_at(url, ca_file=theirs.file, client_cert=theirs.client())

    assert not bare.ok
    assert "client_cert" in bare.text
    assert not refused.ok
    assert refused.text == "it refuses our certificate (tlsv1 alert unknown ca); look at client_cert"
    assert good.ok


@pytest.mark.parametrize(("off", "side"), [(300, "behind"), (-300, "ahead of"), (30, None)])
async def test_a_clock_that_is_off_is_told(off: int, side: str | None) -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(headers={"Date": format_datetime(datetime.now(UTC) + timedelta(seconds=off), usegmt=True)})

    app = web.Application()
    app.router.add_route("*", "/", handle)
    async with TestServer(app) as server:
        probe = await seen_at(str(server.make_url("/")))

    assert probe.ok
    said = [re.sub(r"\d+ s ", "", one).partition(" its own")[0] for one in probe.doubts]
    assert said == ([] if side is None else [f"this machine's clock is {side}"])


async def test_a_mail_server_that_does_not_let_us_in_is_told_and_no_mail_is_sent() -> None:
    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"authorization-code", handled=False)

    with post_office(authenticator=check, auth_require_tls=False) as (box, port):
        good = await probe_sink("duty", sink(port, username="duty", password="authorization-code"))
        wrong = await probe_sink("duty", sink(port, username="duty", password="another-secret"))
        before = len(box.mails)
        told = await probe_sink("duty", sink(port, username="duty", password="authorization-code"), MESSAGE)

    assert (good.ok, good.text) == (True, f"mail server 127.0.0.1:{port} lets duty in; nothing was told")
    assert (wrong.ok, wrong.text) == (False, "127.0.0.1 answers 535: it refuses username and password")
    assert (before, told.ok, len(box.mails)) == (0, True, 1)


async def test_a_robot_is_looked_at_and_told_nothing() -> None:
    async with robot({"errcode": 0}) as (got, url):
        probe = await probe_sink("duty", wecom(url))

    assert (probe.ok, got) == (True, [])
    assert "secret-key" not in probe.text


async def test_a_page_is_recognised_to_see_that_the_models_are_there() -> None:
    probe = await probe_scans(scan_workers())

    assert probe.ok, probe.text


def test_the_data_folder_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    new = asyncio.run(probe_database_folder(tmp_path / "data"))
    open_store("sqlite", tmp_path / "data", b"k" * 32).close()
    before = sorted(tmp_path.rglob("*"))
    made = asyncio.run(probe_database_folder(tmp_path / "data"))
    after = sorted(tmp_path.rglob("*"))
    (tmp_path / "data" / "xinqiao.db").write_bytes(b"no database, by no means" * 100)
    broken = asyncio.run(probe_database_folder(tmp_path / "data"))

    beside = asyncio.run(probe_blobs_folder(tmp_path / "data"))

    assert (new.ok, made.ok, broken.ok, beside.ok) == (True, True, False, True)
    assert new.text.endswith("nothing in it yet")
    assert "its database has" in made.text
    assert after == before
    assert "file is not a database" in broken.text


def test_scans_that_could_not_be_moved_away_are_told(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "archive").touch()  # nobody, not even root, can move a file into a file
    with pytest.raises(ChannelRefused, match="archive may not be written"):
        try_moving(tmp_path / "scans", tmp_path / "archive")

    assert list((tmp_path / "scans").iterdir()) == []
    (tmp_path / "archive").unlink()
    try_moving(tmp_path / "scans", tmp_path / "archive")
    assert [one.name for one in tmp_path.iterdir()] == ["scans"]


@pytest.mark.parametrize(
    ("version", "text", "doubts"),
    [
        ("ClamAV 1.4.3/27700/Tue Jul  1 08:36:00 2025", "answers; ClamAV 1.4.3, signatures 27700 of 2025-07-01", ()),
        (
            "ClamAV 1.4.3/27690/Sat Jun 21 08:36:00 2025",
            "answers; ClamAV 1.4.3, signatures 27690 of 2025-06-21",
            ("its signatures are 11 days old; look at freshclam",),
        ),
        ("ClamAV 1.4.3", "answers; ClamAV 1.4.3", ("it has none of ClamAV's own signatures; look at freshclam",)),
        ("COMMAND UNAVAILABLE", "answers, but does not say its version", ()),
    ],
)
def test_the_age_of_the_scanners_signatures_is_told(version: str, text: str, doubts: tuple[str, ...]) -> None:
    assert seen("host:3310", version, datetime(2025, 7, 2, 9, 0, tzinfo=UTC)) == (f"clamd at host:3310 {text}", doubts)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"220 mail ESMTP\0", "answered '220 mail ESMTP'; expected PONG"), (b"", "answered ''; expected PONG")],
)
async def test_what_is_no_scanner_is_told(answer: bytes, said: str) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(answering, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        probe = await probe_clamd(f"127.0.0.1:{port}", datetime.now(UTC))

    assert not probe.ok
    assert said in probe.text


async def test_a_scanner_that_is_not_there_is_told(tmp_path: Path) -> None:
    probe = await probe_clamd(str(tmp_path / "clamd.ctl"), datetime.now(UTC))

    assert (probe.ok, probe.text) == (False, f"clamd at {tmp_path / 'clamd.ctl'}: No such file or directory")

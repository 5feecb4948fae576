"""A target through a proxy, over TLS, at a forbidden address: what becomes of its events and of its secrets."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import inspect, select, text
from structlog.testing import capture_logs

from dispatch import client, worker
from dispatch.answer import Answer, Verdict
from dispatch.attempts import answers_of
from dispatch.client import ANSWER_LIMIT
from dispatch.settings import TargetSettings
from ingest.probing import probe_target
from store.schema import attempt, delivery
from tests.adapters.test_wire import LOOPBACK_NAME, Authority, authority, serving
from tests.dispatch.own_receiver import answering, own_receiving, own_settings
from tests.dispatch.test_own_api import event, sent
from tests.dispatch.test_unknown import sending, states, take_in
from tests.endtoend.test_stopping import full_server
from tests.ingest.desk import open_desk
from tests.patience import until
from tests.place import Place
from tests.tinyproxy import PASSWORD, Proxy, running_proxy

__all__ = ["authority"]


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with running_proxy() as running:
        yield running


async def one(settings: TargetSettings) -> Answer:
    (answer,) = await sent(settings, event())
    return answer


@pytest.mark.proxy
async def test_a_target_is_reached_through_a_proxy_that_wants_a_password(proxy: Proxy) -> None:
    async with own_receiving() as oa:
        oa.answer("/create", {})
        answer = await one(own_settings(oa.url, proxy=proxy.url()))

    assert answer.verdict is Verdict.DELIVERED
    assert "proxy-authorization" not in oa.asked[0].headers
    assert any(f"POST {oa.url}/create" in said for said in proxy.connections())


@pytest.mark.proxy
async def test_tls_goes_through_the_proxy_from_end_to_end(proxy: Proxy, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(tls=authority.server("127.0.0.1")) as server:
        url = f"https://127.0.0.1:{server.port}"
        good = await one(own_settings(url, proxy=proxy.url(), ca_file=authority.file))
        untrusted = await one(own_settings(url, proxy=proxy.url()))

    assert (good.verdict, untrusted.verdict, untrusted.reached) == (Verdict.DELIVERED, Verdict.AGAIN, False)
    assert len(server.asked) == 1
    assert any(f"CONNECT 127.0.0.1:{server.port}" in said for said in proxy.connections())


@pytest.mark.proxy
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_proxy_that_refuses_us_costs_no_event_and_its_password_is_told_nobody(
    proxy: Proxy, scheme: str, idempotent: bool
) -> None:
    async with own_receiving() as oa:
        url = oa.url.replace("http", scheme)
        settings = own_settings(url, proxy=proxy.url("a-wrong-password"), idempotent=idempotent)
        answer = await one(settings)
        seen = await probe_target("oa", settings)

    assert (answer.verdict, answer.reached) == (Verdict.AGAIN, False)
    assert oa.asked == []
    assert re.search("401|407", f"{answer.detail} {answer.excerpt}")  # which of them depends on the proxy
    for told in (str(answer), seen.text):
        assert "a-wrong-password" not in told
        assert base64.b64encode(b"xinqiao:a-wrong-password").decode() not in told


@pytest.mark.parametrize("password", ["P@ss!word9", "only-Letters9"])
async def test_what_a_proxy_says_is_kept_without_the_address_that_holds_its_password(password: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        written = f"http://u:{password.replace('@', '%40')}@127.0.0.1:{port}"
        answer = await one(own_settings("https://oa.example", proxy=written))

    assert (answer.verdict, answer.reached, answer.excerpt) == (Verdict.AGAIN, False, "407 Who are you")


@pytest.mark.proxy
async def test_names_are_looked_up_by_the_proxy(proxy: Proxy) -> None:
    async with own_receiving() as oa:
        oa.answer("/create", {})
        answer = await one(own_settings(oa.url.replace("127.0.0.1", LOOPBACK_NAME), proxy=proxy.url()))

    assert answer.verdict is Verdict.DELIVERED


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_proxy_that_is_down_is_for_later_and_nothing_was_sent(idempotent: bool) -> None:
    async with own_receiving() as oa:
        settings = own_settings(oa.url, proxy=f"http://u:{PASSWORD}@127.0.0.1:9", idempotent=idempotent)
        answer = await one(settings)
        seen = await probe_target("oa", settings)

    assert (answer.verdict, answer.reached) == (Verdict.AGAIN, False)
    assert PASSWORD not in f"{answer} {seen}"


async def test_a_certificate_nobody_vouches_for_is_for_later_and_nothing_was_sent(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(tls=authority.server("oa.example")) as server:
        url = f"https://127.0.0.1:{server.port}"
        for more in ({}, {"ca_file": authority.file}):
            answer = await one(own_settings(url, idempotent=False, **more))
            assert (answer.verdict, answer.reached) == (Verdict.AGAIN, False)

    assert server.asked == []


async def test_an_address_we_do_not_go_to_is_told_with_its_reason_and_the_events_wait(place: Place) -> None:
    async with own_receiving() as oa:
        settings = own_settings(oa.url.replace("127.0.0.1", LOOPBACK_NAME), idempotent=False)
        with open_desk(place, {"oa": settings}) as desk:
            async with sending(desk, settings):
                await take_in(desk)
                await until(lambda: bool(desk.store.read_now(lambda conn: conn.execute(select(attempt)).all())))

            row = desk.store.read_now(lambda conn: conn.execute(select(delivery)).one())
            seen = await probe_target("oa", settings)

    assert (row.state, oa.asked) == ("waiting", [])
    assert row.error.startswith(f"{LOOPBACK_NAME} leads to 127.0.0.1, which is this machine's own")
    assert "list it in allow_addresses" in seen.text


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed_and_gives_nothing_away(status: int) -> None:
    async with own_receiving() as oa, own_receiving() as other:
        oa.answer("/create", answering(status, Location=f"{other.url}/create"))
        answer = await one(own_settings(oa.url))

    assert (answer.verdict, answer.status, other.asked) == (Verdict.AGAIN, status, [])


async def test_an_answer_without_end_is_read_up_to_a_bound() -> None:
    sizes: list[int] = []

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
                sizes.append(65536)
        except ConnectionError:
            return response

    async with own_receiving() as oa:
        oa.answer("/create", flood)
        answer = await one(own_settings(oa.url, receiver_id="id", timeout=timedelta(seconds=20)))

    assert answer.verdict is Verdict.DELIVERED
    assert sum(sizes) < 64 * ANSWER_LIMIT  # what the sockets' buffers held


async def test_an_answer_that_unpacks_without_end_is_read_up_to_a_bound() -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(300)) + packer.flush()
    async with own_receiving() as oa:
        oa.answer("/create", lambda _: web.Response(body=bomb, headers={"Content-Encoding": "gzip"}))
        tracemalloc.start()
        answer = await one(own_settings(oa.url, error="msg"))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert answer.verdict is Verdict.DELIVERED
    assert most < 30 * 2**20


SECRETS = {
    "token": "tok/en+of&the login=="[:20],
    "password": "pass/word-of-the-login",
    "header": "gateway-key-7531",
    "bearer": "bearer-key-8642",
    "param": "query-key-9753",
    "address": "address-key-1122",
    "step": "0f1e2d3c4b5a69788796",
    "constant": "app-key-3344",
}


async def test_a_secret_the_receiver_repeats_is_kept_nowhere(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """However it spells them: they are searched for in what it said, in the whole database and in the log."""
    login = {
        "calls": [
            {
                "path": "/login",
                "params": {"key": SECRETS["param"]},
                "body": {"password": SECRETS["password"]},
                "take": {"token": "id"},
            }
        ]
    }
    call: dict[str, Any] = {
        "path": f"/create/{SECRETS['step']}?key={SECRETS['address']}",
        "params": {"token": "{{ token }}"},
        "headers": {"token": "{{ token }}"},
    }
    call["body"] = {"appKey": SECRETS["constant"], "no": "{{ case.case_no }}"}

    async def echo(request: web.Request) -> web.Response:
        said = {**dict(request.headers), "asked": str(request.rel_url), "password": SECRETS["password"]}
        said["body"] = await request.text()
        spelled = json.dumps(said | {"key": SECRETS["param"]}).replace("/", "\\/")
        return web.Response(status=422, text=spelled, content_type="application/json")

    async with own_receiving() as oa:
        oa.answer("/login", {"id": SECRETS["token"]})
        oa.answer(f"/create/{SECRETS['step']}", echo)
        headers = {"x-gateway": SECRETS["header"], "authorization": f"Bearer {SECRETS['bearer']}"}
        settings = own_settings(
            oa.url,
            calls={"case.created": call},
            login=login,
            headers=headers,
            secret="whsec_" + "c2VjcmV0" * 5,
        )
        with open_desk(place, {"oa": settings}) as desk:
            async with sending(desk, settings):
                case_id = await take_in(desk)
                await until(lambda: [row[3] for row in desk.deliveries()] == ["rejected"])
            (kept,) = desk.store.read_now(lambda conn: answers_of(conn, desk.store.sealer, case_id)).values()
            everything = desk.store.read_now(whole_database)

    assert "***" in kept
    told = kept + everything + capsys.readouterr().out + capsys.readouterr().err
    for secret in [*SECRETS.values(), "c2VjcmV0" * 5]:
        for spelling in (secret, secret.replace("/", "\\/"), json.dumps(secret)[1:-1]):
            assert spelling not in told, spelling


def whole_database(conn: Any) -> str:
    tables = inspect(conn).get_table_names()
    rows = [conn.execute(text(f'SELECT * FROM "{table}"')).all() for table in tables]
    return repr(rows)


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("whole", [timedelta(seconds=20), timedelta(seconds=0.4)], ids=["long", "short"])
async def test_a_connection_that_is_not_made_in_time_has_sent_nothing(
    monkeypatch: pytest.MonkeyPatch, idempotent: bool, whole: timedelta
) -> None:
    """So nobody is asked whether it arrived, and no event is charged."""
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", timedelta(seconds=0.3))
    with full_server() as port:
        settings = own_settings(f"http://127.0.0.1:{port}", idempotent=idempotent, timeout=whole)
        (answer,) = await sent(settings, event())

    assert answer == Answer(Verdict.AGAIN, None, "no connection in time", reached=False)


async def test_a_target_whose_authority_cannot_be_read_yet_is_sent_to_once_it_can(
    place: Place, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    rested = asyncio.Event()

    async def rest(*_: object) -> None:
        rested.set()
        await asyncio.sleep(0)

    monkeypatch.setattr(worker, "rest", rest)
    late = authority.folder / "late.pem"
    async with own_receiving() as oa:
        oa.answer("/create", {})
        settings = own_settings(oa.url, ca_file=late)
        with open_desk(place, {"oa": settings}) as desk, capture_logs() as said:
            async with sending(desk, settings), asyncio.timeout(20):
                await take_in(desk)
                for _ in range(2):
                    rested.clear()
                    await rested.wait()
                before = states(desk)
                authority.file.rename(late)
                await until(lambda: states(desk) == ["delivered"])

    assert before == ["waiting"]
    (told,) = [one for one in said if one["log_level"] == "error"]
    assert told["error"] == f"ca_file {late} cannot be used; expected certificates in PEM"


async def test_a_target_whose_authority_cannot_be_read_holds_up_no_stop(place: Place, tmp_path: Path) -> None:
    settings = own_settings("http://oa.example", ca_file=tmp_path / "nowhere.pem")
    with open_desk(place, {"oa": settings}) as desk:
        async with sending(desk, settings), asyncio.timeout(20):
            await take_in(desk)

        assert states(desk) == ["waiting"]

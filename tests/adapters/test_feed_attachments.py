"""Fetching what a record refers to, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import select
from yarl import URL

from adapters.base import ChannelRefused, ChannelUnavailable, Unobtainable
from adapters.feed.attachments import address, name_of
from ingest.fetcher import Fetcher
from normalize.case import AttachmentRole, AttachmentState
from normalize.reading import Part
from store import ledger
from store.schema import attachment
from tests.adapters.platforms import LOGIN_PAGE, Fault, Hotline, Sunshine, answering, cut, saying
from tests.adapters.test_feed import Door, door, hotline, hotline_settings, sunshine, sunshine_settings
from tests.adapters.test_wire import LOOPBACK_NAME
from tests.ingest.desk import open_desk, reading

__all__ = ["door", "hotline", "sunshine"]

PNG = ("image/png", b"\x89PNG\r\n\x1a\n....")


async def test_a_relative_reference_is_fetched_with_the_token(sunshine: Sunshine, door: Door) -> None:
    sunshine.files["/files/7/收费 单.png"] = PNG

    found = await door.adapter.fetch("/files/7/收费 单.png")

    assert (found.media_type, found.content, found.name) == (*PNG, "收费 单.png")


async def test_a_relative_reference_is_fetched_signed(hotline: Hotline) -> None:
    hotline.files["/file/2026-03-02/1_2_图#1.png"] = PNG
    door = Door(hotline_settings(hotline))

    found = await door.adapter.fetch("file/2026-03-02/1_2_图#1.png")
    await door.adapter.close()

    assert found.content == PNG[1]


@pytest.mark.parametrize(
    "ref",
    [
        "http://169.254.169.254/latest/meta-data",
        "//other.example/files/1",
        "https://xf.example@other.example/x",
        "https://xf.example.other.example/x",
        "http://xf.example/x",
        "https://xf.example:8443/x",
        "https://a:b@xf.example/x",
        "file:///etc/passwd",
        "\\\\other.example\\x",
        "https:\\\\other.example\\x",
        "/files/\x00",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_reference_to_another_host_is_refused(ref: str) -> None:
    with pytest.raises(Unobtainable):
        address(ref, "https://xf.example", (), "door")


@pytest.mark.parametrize(
    ("ref", "hosts"),
    [
        ("files/1", ()),
        ("https://XF.example/files/1", ()),
        ("https://files.example/1", ("files.example",)),
        ("http://files.example:8080/1", ("files.example:8080",)),
    ],
)
def test_references_to_allowed_hosts_are_addresses(ref: str, hosts: tuple[str, ...]) -> None:
    assert address(ref, "https://xf.example/gateway", hosts, "door").host in {"xf.example", "files.example"}


def test_a_path_lies_below_the_base() -> None:
    assert address("/files/1", "https://xf.example/gateway", (), "d") == URL("https://xf.example/gateway/files/1")


async def test_the_token_is_told_to_no_other_host(sunshine: Sunshine) -> None:
    """The other host asks for the token, does not get it, and so gives nothing."""
    other = sunshine.base_url.replace("127.0.0.1", "localhost")
    host = URL(other).host
    sunshine.files["/files/1"] = PNG
    door = Door(sunshine_settings(sunshine, attachments={"hosts": [f"{host}:{URL(other).port}"]}))

    with pytest.raises(ChannelRefused, match="401"):
        await door.adapter.fetch(f"{other}/files/1")
    await door.adapter.close()
    assert sunshine.logins == 0


@pytest.mark.parametrize("fault", [saying({"code": 401, "msg": "token失效"}), answering(200, LOGIN_PAGE)])
async def test_an_ended_session_is_opened_again_for_a_file(sunshine: Sunshine, door: Door, fault: Any) -> None:
    sunshine.files["/files/1.png"] = PNG
    sunshine.faults = [fault]

    assert (await door.adapter.fetch("/files/1.png")).content == PNG[1]
    assert sunshine.logins == 2


@pytest.mark.parametrize("fault", [answering(404), answering(410)])
async def test_a_file_that_is_not_there_is_unobtainable(sunshine: Sunshine, door: Door, fault: Any) -> None:
    sunshine.faults = [fault]

    with pytest.raises(Unobtainable):
        await door.adapter.fetch("/files/1.png")


@pytest.mark.parametrize("faults", [[answering(403)], [saying({"code": 403})], [answering(401)] * 2])
async def test_a_door_that_refuses_us_says_nothing_about_the_file(
    sunshine: Sunshine, door: Door, faults: list[Any]
) -> None:
    sunshine.faults = faults

    with pytest.raises(ChannelRefused):
        await door.adapter.fetch("/files/1.png")


@pytest.mark.parametrize(
    "fault",
    [
        answering(500),
        answering(429),
        cut,
        saying({"code": 500, "msg": "系统繁忙"}),
        answering(200, '{"code": 500, "msg": "系统繁忙"}', **{"Content-Type": "text/html;charset=utf-8"}),
        answering(200, '{"code": 500, "msg": "系统繁忙"}', **{"Content-Type": "image/png"}),
        answering(200, **{"Content-Type": "image/png"}),
    ],
)
async def test_a_file_we_may_get_later_is_unavailable(sunshine: Sunshine, door: Door, fault: Any) -> None:
    sunshine.faults = [fault]

    with pytest.raises(ChannelUnavailable):
        await door.adapter.fetch("/files/1.png")


async def test_a_redirect_is_not_followed(sunshine: Sunshine, door: Door) -> None:
    sunshine.files["/files/inner"] = PNG
    away = answering(302, Location="/files/inner")
    sunshine.faults = [away, away]

    with pytest.raises(ChannelRefused, match="302"):
        await door.adapter.fetch("/files/1.png")


@dataclass
class ObjectStore:
    """Keeps files for a platform that redirects to it, and asks for nothing but the signed address."""

    host: str = ""
    asked: list[web.Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if self.faults:
            answer = await self.faults.pop(0)(request)
            assert answer is not None
            return answer
        signed = request.query_string == "Signature=a%2Bb"
        return web.Response(status=200 if signed else 403, body=PNG[1], content_type=PNG[0])


@pytest.fixture
async def objects() -> AsyncIterator[ObjectStore]:
    kept = ObjectStore()
    app = web.Application()
    app.router.add_get("/{tail:.*}", kept.answer)
    server = TestServer(app)
    await server.start_server()
    kept.host = f"localhost:{server.port}"
    yield kept
    await server.close()


async def test_a_redirect_to_a_host_that_keeps_files_is_followed_once_without_our_proof(
    sunshine: Sunshine, objects: ObjectStore
) -> None:
    sunshine.faults = [answering(302, Location=f"http://{objects.host}/b/1.png?Signature=a%2Bb")]
    door = Door(sunshine_settings(sunshine, attachments={"hosts": [objects.host]}))

    found = await door.adapter.fetch("/files/1.png")
    await door.adapter.close()

    assert found.content == PNG[1]
    assert sunshine.logins == 1
    assert "token" not in objects.asked[0].headers


async def test_a_redirect_to_any_other_host_is_not_followed_and_says_what_to_set(
    sunshine: Sunshine, objects: ObjectStore
) -> None:
    sunshine.faults = [answering(302, Location=f"http://{objects.host}/b/1.png?Signature=a%2Bb")]
    door = Door(sunshine_settings(sunshine))

    with pytest.raises(ChannelRefused, match=rf"redirected to {objects.host}; .*attachments\.hosts"):
        await door.adapter.fetch("/files/1.png")
    await door.adapter.close()

    assert objects.asked == []
    assert sunshine.logins == 1


@pytest.mark.parametrize("further", ["http://other.example/1.png", "/b/2.png"])
async def test_a_second_redirect_is_not_followed_and_logs_in_nowhere(
    sunshine: Sunshine, objects: ObjectStore, further: str
) -> None:
    sunshine.faults = [answering(302, Location=f"http://{objects.host}/b/1.png")]
    objects.faults = [answering(302, Location=further)]
    door = Door(sunshine_settings(sunshine, attachments={"hosts": [objects.host]}))

    with pytest.raises(ChannelRefused, match=r"redirects to .*; expected a file"):
        await door.adapter.fetch("/files/1.png")
    await door.adapter.close()

    assert len(objects.asked) == 1
    assert sunshine.logins == 1


async def test_what_a_host_that_keeps_files_refuses_does_not_throw_the_session_away(
    sunshine: Sunshine, objects: ObjectStore
) -> None:
    sunshine.faults = [answering(302, Location=f"http://{objects.host}/b/1.png")]
    objects.faults = [answering(401)]
    door = Door(sunshine_settings(sunshine, attachments={"hosts": [objects.host]}))

    with pytest.raises(ChannelRefused, match="401"):
        await door.adapter.fetch("/files/1.png")
    await door.adapter.close()

    assert sunshine.logins == 1


def dripping(parts: int, wait: float) -> Fault:
    """A file that comes bit by bit over a slow line."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/png"})
        await response.prepare(request)
        for _ in range(parts):
            await response.write(b"x" * 100)
            await asyncio.sleep(wait)
        return response

    return fault


async def test_a_file_may_take_longer_than_an_answer_as_long_as_it_comes(sunshine: Sunshine) -> None:
    sunshine.faults = [dripping(8, 0.2)]
    door = Door(sunshine_settings(sunshine, timeout="PT1S"))

    assert len((await door.adapter.fetch("/files/1.png")).content) == 800
    await door.adapter.close()


@pytest.mark.parametrize("fault", [dripping(2, 5), dripping(50, 0.1)])
async def test_a_file_that_stops_coming_or_never_ends_is_left_and_says_what_to_set(
    sunshine: Sunshine, fault: Fault
) -> None:
    sunshine.faults = [fault]
    door = Door(sunshine_settings(sunshine, timeout="PT0.3S", attachments={"max_bytes": 100_000}))

    with pytest.raises(ChannelUnavailable, match="set timeout longer"):
        await door.adapter.fetch("/files/1.png")
    await door.adapter.close()


async def test_a_file_too_large_is_unobtainable(sunshine: Sunshine) -> None:
    sunshine.files["/files/1.png"] = ("image/png", b"x" * 1000)
    door = Door(sunshine_settings(sunshine, attachments={"max_bytes": 999}))

    with pytest.raises(Unobtainable, match="max_bytes"):
        await door.adapter.fetch("/files/1.png")
    await door.adapter.close()


def elsewhere(sunshine: Sunshine) -> tuple[str, dict[str, Any]]:
    """A file on a listed host whose name leads to this very machine, and the settings that list it."""
    sunshine.files["/files/1.png"] = PNG
    host = f"{LOOPBACK_NAME}:{URL(sunshine.base_url).port}"
    return f"http://{host}/files/1.png", {"attachments": {"hosts": [host]}}


async def test_a_file_whose_host_leads_to_this_machine_is_unobtainable_and_says_why(sunshine: Sunshine) -> None:
    ref, listed = elsewhere(sunshine)
    door = Door(sunshine_settings(sunshine, **listed))

    with pytest.raises(Unobtainable, match=f"{LOOPBACK_NAME} leads to 127.0.0.1.* list it in allow_addresses"):
        await door.adapter.fetch(ref)
    await door.adapter.close()


async def test_such_a_file_is_shown_as_refused_and_the_case_goes_out_without_it(
    sunshine: Sunshine, tmp_path: Path
) -> None:
    ref, listed = elsewhere(sunshine)
    door = Door(sunshine_settings(sunshine, **listed))
    part = Part("证据.png", AttachmentRole.EVIDENCE, AttachmentState.PENDING, ref=ref)
    with open_desk(tmp_path) as desk:
        (case_id,) = desk.take_in(reading(parts=(part,)))
        lease = timedelta(minutes=5)
        claims = desk.write(lambda conn: ledger.claim(conn, "fetch:sunshine", now=desk.now, lease=lease))
        await Fetcher("sunshine", door.adapter, desk.store, desk.desk, lambda: desk.now).fetch(claims)
        await door.adapter.close()

        row = desk.store.read_now(lambda conn: conn.execute(select(attachment)).one())
        assert row.state == "refused"
        assert f"{LOOPBACK_NAME} leads to 127.0.0.1" in row.reason
        assert [one.state for one in desk.case(case_id).attachments] == [AttachmentState.REFUSED]
        assert desk.store.read_now(ledger.counts).get("fetch:sunshine") is None


async def test_where_the_operator_lists_the_address_the_file_is_fetched(sunshine: Sunshine) -> None:
    ref, listed = elsewhere(sunshine)
    platform = URL(sunshine.base_url)
    settings = sunshine_settings(
        sunshine, base_url=str(platform.with_host(LOOPBACK_NAME)), allow_addresses=["127.0.0.1"], **listed
    )
    door = Door(settings)

    assert (await door.adapter.fetch(ref)).content == PNG[1]
    await door.adapter.close()


async def test_a_platform_whose_name_leads_to_this_machine_is_refused_for_a_person_to_see(sunshine: Sunshine) -> None:
    platform = URL(sunshine.base_url).with_host(LOOPBACK_NAME)
    door = Door(sunshine_settings(sunshine, base_url=str(platform)))

    with pytest.raises(ChannelRefused, match=f"{LOOPBACK_NAME} leads to 127.0.0.1"):
        await door.poll()
    await door.adapter.close()


@pytest.mark.parametrize("value", [
    "attachment; filename*=UTF-8''%E6%94%B6%E6%8D%AE.png",
    'attachment; filename="%E6%94%B6%E6%8D%AE.png"',
    'attachment; filename="C:\\\\temp\\\\收据.png"',
    'attachment; filename="收据.png"'.encode("gbk").decode("utf-8", "surrogateescape"),
])  # fmt: skip
def test_the_file_is_called_as_the_platform_says(value: str) -> None:
    assert name_of(URL("https://xf.example/download?id=3"), {"Content-Disposition": value}) == "收据.png"

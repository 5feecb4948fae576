"""Signatures, and what an answer means."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from pydantic import SecretStr, ValidationError
from standardwebhooks.webhooks import Webhook as Verifier

from dispatch.answer import Answer, Response, Verdict, judge
from dispatch.parcel import Parcel
from dispatch.sender import Sender
from dispatch.settings import SuccessRule, TargetSettings
from dispatch.webhook import sign
from store.ledger import Claim
from tests.dispatch.receiver import receiving

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
OLD, NEW = ("whsec_" + base64.b64encode(bytes([n]) * 24).decode() for n in (1, 2))


def settings(url: str = "http://127.0.0.1:9/", **more: object) -> TargetSettings:
    return TargetSettings.model_validate({"url": url, "secret": OLD, **more})


def test_an_independent_library_accepts_every_signature_while_a_secret_is_replaced() -> None:
    body = b'{"type": "case.created"}'
    headers = sign((SecretStr(NEW), SecretStr(OLD)), "evt_1", datetime.now(UTC), body)

    for secret in (OLD, NEW):
        assert Verifier(secret).verify(body.decode(), headers) == {"type": "case.created"}


async def test_what_is_sent_is_signed_bytes_and_says_so() -> None:
    async with receiving() as oa:
        answer = await _post(settings(oa.url, headers={"x-gateway": "g"}), '{"题": 1}'.encode(), datetime.now(UTC))

    (got,) = oa.received
    assert answer.verdict is Verdict.DELIVERED
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    assert (got.headers["webhook-id"], got.headers["x-gateway"]) == ("evt_1", "g")
    Verifier(OLD).verify(got.body.decode(), got.headers)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED), (204, Verdict.DELIVERED), (302, Verdict.AGAIN), (400, Verdict.REJECTED),
        (401, Verdict.REJECTED), (404, Verdict.REJECTED), (408, Verdict.AGAIN), (410, Verdict.GONE),
        (422, Verdict.REJECTED), (425, Verdict.AGAIN), (429, Verdict.AGAIN), (500, Verdict.AGAIN), (503, Verdict.AGAIN),
    ],
)  # fmt: skip
def test_a_status_decides(status: int, verdict: Verdict) -> None:
    assert judged(status, b"", settings()).verdict is verdict


def test_retry_after_counts_for_429_and_503() -> None:
    assert judged(429, b"", settings(), retry_after="30").wait == timedelta(seconds=30)
    assert judged(503, b"", settings(), retry_after="Mon, 02 Mar 2026 01:31:00 GMT").wait == timedelta(minutes=1)
    assert judged(500, b"", settings(), retry_after="30").wait is None


def test_a_200_that_says_failure_in_its_body_is_no_success() -> None:
    rule = settings(success=SuccessRule(path="code", equals=0), receiver_id="data.requestid")

    good = judged(200, b'{"code": 0, "data": {"requestid": 8888}}', rule)
    assert (good.verdict, good.receiver_id) == (Verdict.DELIVERED, "8888")
    for body in (b'{"code": "PARAM_ERROR"}', b"<html>login</html>", b"[]", b""):
        bad = judged(200, body, rule)
        assert bad.verdict is Verdict.AGAIN
        assert "code is not 0" in str(bad.detail)


async def test_an_answer_in_several_pieces_is_read_to_its_end() -> None:
    rule = settings(success=SuccessRule(path="code", equals=0), receiver_id="id")
    pieces = [b'{"id": "OA-7", "padding": "', b"x" * 30_000, b'", "code": 0}']

    async with answering(pieces) as url:
        answer = await _post(rule.model_copy(update={"url": url}))

    assert (answer.verdict, answer.receiver_id) == (Verdict.DELIVERED, "OA-7")


async def test_an_answer_without_end_is_read_up_to_a_bound() -> None:
    async with answering([b"x" * 30_000] * 1000) as url:
        answer = await _post(settings(url, receiver_id="id"))

    assert answer.verdict is Verdict.DELIVERED


async def test_an_answer_that_breaks_off_is_judged_by_its_status_and_what_came() -> None:
    stuck = [b'{"code": 0', None]
    short = {"timeout": timedelta(milliseconds=200)}

    async with answering(stuck) as url:
        plain = await _post(settings(url, **short))
        ruled = await _post(settings(url, success=SuccessRule(path="code", equals=0), **short))

    assert (plain.verdict, ruled.verdict) == (Verdict.DELIVERED, Verdict.AGAIN)


def test_what_a_receiver_says_is_told_apart_from_what_we_say() -> None:
    answer = judged(422, "举报人无此权限".encode(), settings())

    assert (answer.detail, answer.excerpt) == ("HTTP 422", "举报人无此权限")


@asynccontextmanager
async def answering(pieces: Sequence[bytes | None]) -> AsyncIterator[str]:
    """A receiver that answers 200 in these pieces, each in its turn; None: it says no more and hangs."""
    over = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            if piece is None:
                await over.wait()
                break
            try:
                await response.write(piece)
            except ConnectionError:
                break
            await asyncio.sleep(0)
        return response

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        over.set()
        await runner.cleanup()


async def _post(rule: TargetSettings, body: bytes = b"{}", now: datetime = NOW) -> Answer:
    sender = Sender(rule)
    parcel = Parcel(Claim(1, "push:oa", "01J", {}, 1, 1, NOW), 1, "evt_1", "case.created", "01J", NOW, body=body)
    try:
        return await sender.send(parcel, now)
    finally:
        await sender.close()


def judged(status: int, body: bytes, rule: TargetSettings, *, retry_after: str | None = None) -> Answer:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return judge(Response(status, headers, body), rule, NOW)


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as oa:
        oa.default = lambda: web.Response(status=307, headers={"Location": oa.url})
        answer = await _post(settings(oa.url))

    assert (answer.verdict, len(oa.received)) == (Verdict.AGAIN, 1)


async def test_nobody_there_and_no_answer_are_for_later() -> None:
    nobody = await _post(settings())
    assert (nobody.verdict, nobody.reached) == (Verdict.AGAIN, False)
    async with receiving() as oa:
        oa.gate.clear()
        answer = await _post(settings(oa.url, timeout=timedelta(milliseconds=50)))

    assert answer == type(answer)(Verdict.AGAIN, None, "no answer within 0.05 s")


@pytest.mark.parametrize("secret", ["whsec_abc", "plain", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_weak_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TargetSettings.model_validate({"url": "http://127.0.0.1/", "secret": secret})
    assert "whsec_" in str(refused.value.errors(include_input=False))
    assert secret not in str(refused.value.errors(include_input=False, include_context=False))

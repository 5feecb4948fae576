"""To an OA that would not know it again nothing is sent twice: what may have arrived is looked up, or we ask."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jmespath.parser import ParsedResult
from sqlalchemy import Connection, select, update
from structlog.testing import capture_logs

from dispatch import client, targets, worker
from dispatch.deciding import ASK_A_PERSON
from dispatch.retry import RetrySettings
from dispatch.settings import TargetSettings
from dispatch.worker import TargetWorker
from normalize.case import AttachmentRole, AttachmentState
from normalize.reading import Part
from store import ledger
from store.blobs import Kept
from store.database_clock import uninterrupted
from store.schema import attempt, blob, delivery
from store.schema import ledger as ledger_table
from store.schema import target as target_table
from tests.clock import utc_now
from tests.dispatch.own_receiver import Answering, OwnReceiver, answering, cut_off, own_receiving, own_settings, saying
from tests.dispatch.receiver import receiving
from tests.ingest.desk import Desk, open_desk, reading
from tests.ingest.desk import target as webhook
from tests.ingest.test_cases import ACCUSATION
from tests.patience import PATIENCE, until
from tests.place import Place

ROOT = Path(__file__).resolve().parents[2]
MILLISECOND = timedelta(milliseconds=1)
QUICK = RetrySettings(first=20 * MILLISECOND, longest=100 * MILLISECOND, attempts=5)
WAIT = 30 * MILLISECOND
CALL = {"path": "/create", "body": {"no": "{{ case.case_no }}", "event": "{{ event.id }}"}}
LOOKUP = {
    "path": "/find",
    "method": "GET",
    "params": {"event": "{{ event.id }}"},
    "wait": WAIT,
    "found": "rows[0]",
    "absent": "rows == `[]`",
    "receiver_id": "rows[0].id",
}


@dataclass
class Register:
    """An OA that makes an entry of every request, again and again: what a real one cannot help doing."""

    oa: OwnReceiver
    entries: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.then()
        self.oa.answer("/find", self.find)

    def then(self, *answers: Answering | str) -> None:
        """What becomes of the next requests, after which all is well; a text: done, and then so."""
        self.oa.answer(
            "/create", *(self.done_then(DONE[one]) if isinstance(one, str) else one for one in answers), self.create
        )

    def done_then(self, answer: Answering) -> Answering:
        async def after(request: web.Request) -> web.StreamResponse:
            await self.create(request)
            found = answer(request)
            return await found if isinstance(found, Awaitable) else found

        return after

    async def create(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.entries.append({**told, "id": str(8888 + len(self.entries))})
        return web.json_response({"code": "SUCCESS", "id": self.entries[-1]["id"]})

    def find(self, request: web.Request) -> web.Response:
        rows = [one for one in self.entries if one["event"] == request.query["event"]]
        return web.json_response({"rows": rows})

    @property
    def twice(self) -> dict[str, int]:
        """Events that were entered more than once."""
        return {event: times for event, times in Counter(one["event"] for one in self.entries).items() if times > 1}


async def hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)  # longer than anybody waits
    return web.Response()


async def half(body: bytes, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "40"})
    await response.prepare(request)
    await response.write(body)
    return cut_off(request)


DONE: dict[str, Answering] = {
    "reset": cut_off,
    "no answer": hang,
    "500": saying({"code": "?"}, 500),
    "504": saying({}, 504),
    "half an answer": partial(half, b'{"code": "SUCC'),
    "no number": saying({"code": "SUCCESS"}),
    "a page": answering(200, "<html>please log in</html>"),
}


@asynccontextmanager
async def registering() -> AsyncIterator[Register]:
    async with own_receiving() as oa:
        yield Register(oa)


def settings(register: Register, **more: Any) -> TargetSettings:
    block = {
        "url": register.oa.url,
        "idempotent": False,
        "calls": dict.fromkeys(("case.created", "case.updated", "case.reminder"), CALL),
        "success": "code == 'SUCCESS'",
        "receiver_id": "id",
        "timeout": timedelta(seconds=1),
        "retry": QUICK,
        "lookup": LOOKUP,
        **more,
    }
    return TargetSettings.model_validate({name: value for name, value in block.items() if value is not None})


@asynccontextmanager
async def sending(
    desk: Desk, target: TargetSettings, clock: Callable[[], datetime] = utc_now, name: str = "oa"
) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    worker = TargetWorker(name, target, desk.store, clock, lambda *_: None)
    task = asyncio.create_task(worker.run(stopping))
    try:
        yield
    finally:
        stopping.set()
        desk.store.wakes.ring_all()
        await asyncio.wait_for(task, PATIENCE)


@asynccontextmanager
async def at_work(place: Place, register: Register, **more: Any) -> AsyncIterator[Desk]:
    target = settings(register, **more)
    with open_desk(place, {"oa": target}) as desk:
        async with sending(desk, target):
            yield desk


def states(desk: Desk) -> list[str]:
    return [row[3] for row in desk.deliveries()]


def delivered(desk: Desk, number: int = 1) -> Callable[[], bool]:
    return lambda: states(desk) == ["delivered"] * number


def outcomes(desk: Desk) -> list[str]:
    wanted = select(attempt.c.outcome).order_by(attempt.c.id)
    return list(desk.store.read_now(lambda conn: conn.execute(wanted).scalars().all()))


def rows(desk: Desk) -> list[Any]:
    return list(desk.store.read_now(lambda conn: conn.execute(select(delivery).order_by(delivery.c.id)).all()))


async def take_in(desk: Desk, *found: Any, key: str = "X1") -> str:
    (case_id,) = await asyncio.to_thread(desk.take_in, *(found or (reading(),)), key=key)
    return str(case_id)


@pytest.mark.parametrize("fate", DONE)
async def test_what_was_done_and_not_answered_is_looked_up_and_found(place: Place, fate: str) -> None:
    async with registering() as register, at_work(place, register) as desk:
        register.then(fate)
        await take_in(desk)
        await until(delivered(desk))

        assert len(register.entries) == 1
        assert outcomes(desk) == ["unknown", "found"]
        (row,) = rows(desk)
        assert (row.receiver_id, row.error, row.attempts) == ("8888", None, 2)
        assert desk.store.read_now(ledger.counts).get("push:oa") is None


@pytest.mark.parametrize("fate", [*DONE, "half a refusal"])
async def test_what_was_done_is_not_sent_anew_after_a_login_unless_the_answer_says_so(place: Place, fate: str) -> None:
    login = {"calls": [{"path": "/login", "take": {"token": "token"}}], "refused": "code == '40101'"}
    async with registering() as register:
        register.oa.answer("/login", saying({"token": "t"}))
        async with at_work(place, register, login=login) as desk:
            register.then(register.done_then(partial(half, b'{"code": "40101"}')) if fate not in DONE else fate)
            await take_in(desk)
            await until(lambda: states(desk) == ["delivered" if fate in DONE else "rejected"])

            assert len(register.entries) == len(register.oa.at("/login")) == 1


@pytest.mark.parametrize(
    ("mistakes", "idempotent", "said"),
    [
        (1, False, ["unknown", "found"]),
        (2, False, ["unknown", "unsure", "found"]),
        (2, True, ["doubtful", "doubtful", "delivered"]),
    ],
)
async def test_an_answer_that_we_fail_to_understand_is_an_attempt_that_failed(
    place: Place, monkeypatch: pytest.MonkeyPatch, mistakes: int, idempotent: bool, said: list[str]
) -> None:
    """And no event that is sent again with every lease, uncharged, and is seen nowhere."""
    search, left = ParsedResult.search, [mistakes]

    def mistaken(self: ParsedResult, *arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise LookupError("a mistake in a library")
        return search(self, *arguments)

    more = {"idempotent": True, "lookup": None} if idempotent else {}
    async with registering() as register, at_work(place, register, **more) as desk:
        monkeypatch.setattr(ParsedResult, "search", mistaken)
        await take_in(desk)
        await until(delivered(desk))

        assert outcomes(desk) == said
        assert rows(desk)[0].attempts == len(said)


async def test_what_was_not_done_is_looked_up_not_found_and_sent_again(place: Place) -> None:
    async with registering() as register, at_work(place, register) as desk:
        register.then(cut_off, saying({}, 502))
        await take_in(desk)
        await until(delivered(desk))

        assert len(register.entries) == 1
        assert outcomes(desk) == ["unknown", "absent", "unknown", "absent", "delivered"]


async def test_a_lookup_that_cannot_tell_is_asked_again_and_nothing_is_sent_meanwhile(place: Place) -> None:
    async with registering() as register, at_work(place, register) as desk:
        register.then("reset")
        register.oa.answer("/find", saying({}), saying({}, 500), cut_off, register.find)
        await take_in(desk)
        await until(delivered(desk))

        assert len(register.oa.at("/create")) == 1
        assert outcomes(desk) == ["unknown", "unsure", "unsure", "unsure", "found"]


@pytest.mark.parametrize(("finds", "said"), [(False, "unsure"), (True, "found")])
async def test_what_a_person_sends_again_while_it_is_looked_up_goes_unless_it_is_found(
    place: Place, finds: bool, said: str
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    async with registering() as register, at_work(place, register, timeout=timedelta(seconds=10)) as desk:

        async def find(request: web.Request) -> web.StreamResponse:
            asked.set()
            await go_on.wait()
            return register.find(request) if finds else web.json_response({}, status=500)

        register.then("reset" if finds else cut_off)
        register.oa.answer("/find", find)
        await take_in(desk)
        await asyncio.wait_for(asked.wait(), 20)
        outbox = desk.desk.outbox
        resent = await asyncio.to_thread(desk.write, lambda conn: outbox.resend(conn, 1, utc_now(), uncertain=True))
        go_on.set()
        await until(delivered(desk))

        assert resent
        assert outcomes(desk) == ["unknown", said, *([] if finds else ["delivered"])]
        assert len(register.entries) == 1


async def test_a_lookup_that_never_can_tell_ends_with_a_person(place: Place) -> None:
    async with registering() as register, at_work(place, register) as desk:
        register.then("reset")
        register.oa.answer("/find", saying({"rows": None}))
        await take_in(desk)
        await until(lambda: bool(rows(desk)) and rows(desk)[0].error == ASK_A_PERSON)

        assert states(desk) == ["unknown"]
        assert desk.store.read_now(ledger.counts)["push:oa"] == {"dead": 1}
        assert len(register.oa.at("/find")) == QUICK.attempts - 1
        assert len(register.oa.at("/create")) == 1


async def test_an_event_that_always_fails_while_others_arrive_ends_with_a_person(place: Place) -> None:
    """That each lookup knows for sure that it has not arrived is no reason to send it for ever."""
    async with registering() as register, at_work(place, register) as desk:

        async def create(request: web.Request) -> web.Response:
            poison = (await request.json())["no"] == "2026-000001"
            return web.json_response({}, status=500) if poison else await register.create(request)

        register.oa.answer("/create", create)
        await take_in(desk)
        more = 0
        async with asyncio.timeout(20):
            while desk.store.read_now(ledger.counts).get("push:oa") != {"dead": 1}:
                more += 1
                await take_in(desk, reading(f"x:{more}"), key=str(more))
                await until(lambda: states(desk)[1:].count("waiting") == 0)

        assert rows(desk)[0].error == f"HTTP 500; {ASK_A_PERSON}"
        assert set(states(desk)[1:]) == {"delivered"}


async def test_it_is_not_looked_up_while_the_oa_may_still_be_at_work_on_it(place: Place) -> None:
    async with (
        registering() as register,
        at_work(place, register, lookup={**LOOKUP, "wait": timedelta(hours=1)}) as desk,
    ):
        register.then("reset")
        await take_in(desk)
        await until(lambda: states(desk) == ["unknown"])

        due = desk.store.read_now(lambda conn: ledger.next_due(conn, "push:oa"))
        assert due is not None
        assert due - utc_now() > timedelta(minutes=59)
        assert register.oa.at("/find") == []


async def test_who_stood_still_before_it_could_be_sent_does_not_send_what_others_have_sent(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process that is stopped for longer than its lease: what it had begun was looked up and sent meanwhile."""
    monkeypatch.setattr(worker, "LEASE_MARGIN", 100 * MILLISECOND)
    async with (
        registering() as register,
        at_work(place, register, timeout=50 * MILLISECOND, lookup={**LOOKUP, "wait": 5 * MILLISECOND}) as desk,
    ):
        write, stood = desk.store.write, asyncio.Event()

        async def standing_still(act: Callable[[Connection], Any]) -> Any:
            result = await write(act)
            if states(desk) == ["sending"] and not stood.is_set():
                stood.set()
                await until(lambda: states(desk) == ["delivered"])
            return result

        monkeypatch.setattr(desk.store, "write", standing_still)
        await take_in(desk)
        await until(delivered(desk))
        await stood.wait()
        await until(lambda: desk.store.read_now(ledger.counts).get("push:oa") is None)
        desk.store.wakes.ring_all()

    assert len(register.entries) == 1


def stopping_before(
    monkeypatch: pytest.MonkeyPatch, is_one: Callable[[bytes], bool], over: Callable[[], bool]
) -> tuple[asyncio.Event, asyncio.Event]:
    """The first request of these bytes stands still until it is over, before anything is sent: told when it does, and
    when it has gone on.
    """
    exchange, stood, woke = client.Client.exchange, asyncio.Event(), asyncio.Event()

    async def standing_still(self: client.Client, url: str, body: bytes | None, *more: Any, **named: Any) -> Any:
        if stood.is_set() or not is_one(body or b""):
            return await exchange(self, url, body, *more, **named)
        stood.set()
        await until(over)
        try:
            return await exchange(self, url, body, *more, **named)
        finally:
            woke.set()

    monkeypatch.setattr(client.Client, "exchange", standing_still)
    return stood, woke


async def test_who_stood_still_does_not_send_what_was_taken_back_meanwhile(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to a receiver that knows an event again: of this one it was told that it is withdrawn."""
    monkeypatch.setattr(worker, "LEASE_MARGIN", 500 * MILLISECOND)
    async with receiving() as oa:
        settings = webhook(oa.url, timeout=50 * MILLISECOND, retry=QUICK)
        with open_desk(place, {"oa": settings}) as desk:
            stood, woke = stopping_before(
                monkeypatch, lambda _: True, lambda: states(desk) == ["dropped", "delivered"]
            )  # fmt: skip
            async with sending(desk, settings):
                await take_in(desk)
                await stood.wait()
                await take_in(desk, reading(**ACCUSATION))
                await asyncio.wait_for(woke.wait(), PATIENCE)

    assert [json.loads(one.body)["type"] for one in oa.received] == ["case.withdrawn"]


async def test_who_stood_still_does_not_write_over_what_was_sent_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LEASE_MARGIN", 500 * MILLISECOND)
    body = {"no": "{{ case.case_no }}", "event": "{{ event.id }}", "title": "{{ case.title }}"}
    calls = {"case.created": CALL, "case.updated": {**CALL, "repeatable": True, "body": body}}
    async with (
        registering() as register,
        at_work(place, register, timeout=50 * MILLISECOND, calls=calls, lookup={**LOOKUP, "wait": WAIT / 6}) as desk,
    ):
        stood, woke = stopping_before(monkeypatch, lambda body: "第二版".encode() in body, delivered(desk, 3))
        for number, title in enumerate(("第一版", "第二版"), 1):
            await take_in(desk, reading(title=title))
            await until(delivered(desk) if number == 1 else stood.is_set)
        await take_in(desk, reading(title="第三版"))
        await asyncio.wait_for(woke.wait(), PATIENCE)

    assert [one["title"] for one in register.entries if "title" in one] == ["第二版", "第三版"]


async def test_a_machine_that_slept_before_it_could_be_sent_sends_it_anew_and_blames_nobody(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a machine sleeps its loop's clock does not go; here nobody else has taken the delivery meanwhile."""
    slept = timedelta(0)
    for module in (worker, client):
        monkeypatch.setattr(module, "uninterrupted", lambda: uninterrupted() + slept.total_seconds())
    async with registering() as register, at_work(place, register) as desk:
        write = desk.store.write

        async def sleeping(act: Callable[[Connection], Any]) -> Any:
            nonlocal slept
            result = await write(act)
            if not slept and states(desk) == ["sending"]:
                slept = timedelta(hours=1)
            return result

        monkeypatch.setattr(desk.store, "write", sleeping)
        with capture_logs() as said:
            await take_in(desk)
            await until(delivered(desk))
        assert outcomes(desk) == ["delivered"]

    assert len(register.entries) == 1
    assert [line["event"] for line in said if line["log_level"] == "warning"] == ["we stood still; event is sent anew"]


@pytest.mark.parametrize(("idempotent", "kept"), [(False, False), (True, False), (True, True)])
async def test_a_connection_that_is_there_too_late_is_not_sent_on(
    monkeypatch: pytest.MonkeyPatch, idempotent: bool, kept: bool
) -> None:
    async with own_receiving() as oa:
        ticks = iter([*[0.0] * (3 if kept else 1), 2.0])
        monkeypatch.setattr(client, "uninterrupted", lambda: next(ticks))
        speaking = client.Client(own_settings(oa.url, idempotent=idempotent))
        if kept:
            await speaking.exchange(f"{oa.url}/login", b"{}", {})
        with pytest.raises(client.StoodStill):
            await speaking.exchange(f"{oa.url}/create", b"{}", {}, latest=1.0)
        await speaking.close()

        assert oa.at("/create") == []


async def test_with_nobody_to_ask_a_person_is_asked_at_once(place: Place) -> None:
    async with registering() as register, at_work(place, register, lookup=None) as desk:
        register.then("reset")
        await take_in(desk)
        await until(lambda: states(desk) == ["unknown"])

        assert desk.store.read_now(ledger.counts)["push:oa"] == {"dead": 1}
        (row,) = rows(desk)
        assert row.error == f"ServerDisconnectedError; {ASK_A_PERSON}"
        assert outcomes(desk) == ["unknown"]


async def test_later_events_of_the_case_wait_for_the_person_and_others_do_not(place: Place) -> None:
    async with registering() as register, at_work(place, register, lookup=None) as desk:
        register.then("reset")
        case_id = await take_in(desk)
        await until(lambda: states(desk) == ["unknown"])
        await take_in(desk, reading(title="第二版"))
        await take_in(desk, reading("sunshine:Y"), key="Y")
        await until(lambda: states(desk) == ["unknown", "waiting", "delivered"])

        arrived = await asyncio.to_thread(
            desk.write, lambda conn: desk.desk.outbox.note_arrived(conn, case_id, "oa", "4711", utc_now())
        )
        await until(delivered(desk, 3))

        assert len(arrived) == 1
        assert [row.receiver_id for row in rows(desk)] == ["4711", "8890", "8889"]
        assert register.twice == {}


async def test_what_a_person_found_missing_is_sent_again(place: Place) -> None:
    async with registering() as register, at_work(place, register, lookup=None) as desk:
        register.then(cut_off)
        await take_in(desk)
        await until(lambda: states(desk) == ["unknown"])
        (row,) = rows(desk)
        for uncertain, done in ((False, False), (True, True)):
            again = await asyncio.to_thread(
                desk.write, lambda conn, u=uncertain: desk.desk.outbox.resend(conn, row.id, utc_now(), uncertain=u)
            )
            assert again is done
        await until(delivered(desk))

        assert len(register.entries) == 1


async def test_what_was_delivered_is_never_sent_again_however_it_is_asked(place: Place) -> None:
    async with registering() as register, at_work(place, register) as desk:
        await take_in(desk)
        await until(delivered(desk))
        (row,) = rows(desk)

        again = await asyncio.to_thread(
            desk.write, lambda conn: desk.desk.outbox.resend(conn, row.id, utc_now(), uncertain=True)
        )

        assert again is False


async def test_what_waits_to_be_looked_up_and_is_skipped_is_not_sent(place: Place) -> None:
    async with (
        registering() as register,
        at_work(place, register, lookup={**LOOKUP, "wait": timedelta(seconds=1)}) as desk,
    ):
        register.then(cut_off)
        case_id = await take_in(desk)
        await until(lambda: states(desk) == ["unknown"])
        await take_in(desk, reading(title="第二版"))

        skipped = await asyncio.to_thread(desk.write, lambda conn: desk.desk.outbox.skip(conn, case_id, "oa"))
        await until(lambda: states(desk) == ["skipped", "delivered"])

        assert len(skipped) == 1
        assert len(register.oa.at("/create")) == 2  # the one that was cut off, and the next
        assert "push:oa" not in desk.store.read_now(ledger.counts)


async def test_what_waits_to_be_looked_up_and_was_found_by_a_person_is_not_sent(place: Place) -> None:
    async with (
        registering() as register,
        at_work(place, register, lookup={**LOOKUP, "wait": timedelta(hours=1)}) as desk,
    ):
        register.then("reset")
        case_id = await take_in(desk)
        await until(lambda: states(desk) == ["unknown"])
        await take_in(desk, reading(title="第二版"))

        await asyncio.to_thread(
            desk.write, lambda conn: desk.desk.outbox.note_arrived(conn, case_id, "oa", None, utc_now())
        )
        await until(delivered(desk, 2))

        assert len(register.entries) == 2


@pytest.mark.parametrize("lookup", [None, {**LOOKUP, "wait": timedelta(hours=1)}], ids=["a person", "a lookup"])
async def test_a_case_that_becomes_restricted_meanwhile_is_told_withdrawn_at_once(
    place: Place, lookup: dict[str, Any] | None
) -> None:
    """It may have arrived, so the OA must hear of it; nothing more of the case is sent."""
    withdrawn = {"path": "/withdraw", "body": {"no": "{{ case.case_no }}"}, "repeatable": True}
    calls = {"case.created": CALL, "case.updated": CALL, "case.withdrawn": withdrawn}
    async with registering() as register:
        target = settings(register, lookup=lookup, calls=calls)
        with open_desk(place, {"oa": target}) as desk:
            register.then("reset")
            register.oa.answer("/withdraw", {"code": "SUCCESS", "id": "8888"})
            async with sending(desk, target):
                await take_in(desk)
                await until(lambda: states(desk) == ["unknown"])
                await take_in(desk, reading(**ACCUSATION))
                await until(lambda: states(desk) == ["dropped", "delivered"])

            assert len(register.entries) == 1
            (told,) = register.oa.at("/withdraw")
            assert json.loads(told.body) == {"no": "2026-000001"}
            assert "push:oa" not in desk.store.read_now(ledger.counts)


def held(register: Register, *, answered: bool = True) -> tuple[asyncio.Event, asyncio.Event, Answering]:
    """A request that is done and then kept waiting: told when it is done, and when to go on."""
    done, on = asyncio.Event(), asyncio.Event()

    async def keep(request: web.Request) -> web.StreamResponse:
        made = await register.create(request)
        done.set()
        await on.wait()
        return made if answered else cut_off(request)

    return done, on, keep


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "lost"])
async def test_a_case_that_becomes_restricted_while_it_is_being_sent_is_told_withdrawn_right_after(
    place: Place, answered: bool
) -> None:
    withdrawn = {"path": "/withdraw", "body": {"no": "{{ case.case_no }}"}, "repeatable": True}
    async with registering() as register:
        target = settings(
            register, timeout=timedelta(seconds=10), calls={"case.created": CALL, "case.withdrawn": withdrawn}
        )
        done, on, keep = held(register, answered=answered)
        register.then(keep)
        register.oa.answer("/withdraw", {"code": "SUCCESS", "id": "8888"})
        with open_desk(place, {"oa": target}) as desk:
            async with sending(desk, target):
                await take_in(desk)
                await asyncio.wait_for(done.wait(), 20)
                await take_in(desk, reading(**ACCUSATION))
                on.set()
                await until(lambda: states(desk) == ["delivered" if answered else "dropped", "delivered"])

            assert (len(register.entries), len(register.oa.at("/withdraw"))) == (1, 1)
            assert register.oa.at("/find") == []


async def test_a_worker_that_outlived_its_lease_and_the_one_that_took_over_send_it_once(place: Place) -> None:
    async with registering() as register:
        target = settings(register, timeout=timedelta(seconds=10))
        done, on, keep = held(register)
        register.then(keep)
        with open_desk(place, {"oa": target}) as desk:
            await take_in(desk)
            async with sending(desk, target):
                await asyncio.wait_for(done.wait(), 20)
                async with sending(desk, target, lambda: utc_now() + timedelta(hours=1)):  # its lease is over
                    await until(delivered(desk))
                on.set()

            assert len(register.oa.at("/create")) == 1
            assert outcomes(desk) == ["unknown", "found"]
            assert "push:oa" not in desk.store.read_now(ledger.counts)


async def test_without_a_call_for_it_a_withdrawal_is_for_a_person_to_tell(place: Place) -> None:
    async with registering() as register, at_work(place, register) as desk:
        await take_in(desk)
        await until(delivered(desk))
        await take_in(desk, reading(**ACCUSATION))
        await until(lambda: states(desk) == ["delivered", "rejected"])

        assert rows(desk)[-1].error == "calls: there is none for case.withdrawn; it must be told by hand"


FILE = Part("收费单.pdf", AttachmentRole.EVIDENCE, AttachmentState.STORED, "application/pdf", content=b"%PDF-1.7")
WITH_FILES = {
    "path": "/create",
    "body": {
        "no": "{{ case.case_no }}",
        "event": "{{ event.id }}",
        "files": {"each": "{{ case.attachments }}", "row": "{{ row.content }}"},
    },
}


async def test_an_attachment_that_is_damaged_lays_its_own_case_aside_and_no_other(place: Place) -> None:
    calls = {"case.created": WITH_FILES}
    async with registering() as register:
        target = settings(register, calls=calls, inline_files=1000)
        with open_desk(place, {"oa": target}) as desk:
            await take_in(desk, reading("x:1", parts=(FILE,)), key="1")
            await take_in(desk, reading("x:2"), key="2")
            damaged = update(blob).where(blob.c.sha256 == sha256(b"%PDF-1.7").hexdigest()).values(sealed=b"damaged")
            await desk.store.write(lambda conn: conn.execute(damaged))
            async with sending(desk, target):
                await until(lambda: states(desk) == ["rejected", "delivered"])

            assert rows(desk)[0].error.startswith("cannot be packed: blob")
            assert outcomes(desk) == ["delivered"]


@pytest.mark.parametrize("begun", ["waiting", "unknown"])
async def test_an_attachment_that_cannot_be_had_now_puts_its_event_back_as_it_was(
    place: Place, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    """A depot in a bucket may be out of reach for a while."""
    calls = {"case.created": WITH_FILES}
    async with registering() as register:
        target = settings(register, calls=calls, inline_files=1000)
        with open_desk(place, {"oa": target}) as desk:
            tried: list[int] = []
            there = desk.store.blobs.open

            def out_of_reach(kept: Kept) -> bytes:
                tried.append(1)
                if len(tried) < 8:
                    raise OSError("the bucket does not answer")
                return there(kept)

            monkeypatch.setattr(desk.store.blobs, "open", out_of_reach)
            await take_in(desk, reading(parts=(FILE,)))
            await desk.store.write(lambda conn: conn.execute(update(delivery).values(state=begun)))
            async with sending(desk, target):
                await until(delivered(desk))

            (entry,) = register.entries
            assert entry["files"] == ["JVBERi0xLjc="]
            assert outcomes(desk) == (["delivered"] if begun == "waiting" else ["absent", "delivered"])


async def test_a_case_that_becomes_restricted_while_its_attachments_are_opened_is_not_sent(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn = {"path": "/withdraw", "body": {"no": "{{ case.case_no }}"}}
    async with registering() as register:
        target = settings(
            register, calls={"case.created": WITH_FILES, "case.withdrawn": withdrawn}, inline_files=1000,
            idempotent=True, lookup=None,
        )  # fmt: skip
        register.oa.answer("/withdraw", {"code": "SUCCESS"})
        with open_desk(place, {"oa": target}) as desk:
            begun, on = threading.Event(), threading.Event()
            there = desk.store.blobs.open

            def slowly(kept: Kept) -> bytes:
                begun.set()
                assert on.wait(PATIENCE)
                return there(kept)

            monkeypatch.setattr(desk.store.blobs, "open", slowly)
            await take_in(desk, reading(parts=(FILE,)))
            async with sending(desk, target):
                assert await asyncio.to_thread(begun.wait, PATIENCE)
                await take_in(desk, reading(**ACCUSATION))
                on.set()
                await until(lambda: states(desk) == ["dropped", "delivered"])

    assert register.oa.at("/create") == []


async def test_what_is_opened_while_a_person_pauses_its_target_waits_until_it_is_resumed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with registering() as register:
        target = settings(register, calls={"case.created": WITH_FILES}, inline_files=1000)
        with open_desk(place, {"oa": target}) as desk:
            begun, on = threading.Event(), threading.Event()
            there = desk.store.blobs.open

            def slowly(kept: Kept) -> bytes:
                begun.set()
                assert on.wait(PATIENCE)
                return there(kept)

            monkeypatch.setattr(desk.store.blobs, "open", slowly)
            await take_in(desk, reading(parts=(FILE,)))
            async with sending(desk, target):
                assert await asyncio.to_thread(begun.wait, PATIENCE)
                await asyncio.to_thread(desk.write, lambda conn: targets.pause(conn, "oa", "", utc_now(), by="wang"))
                on.set()
                given_back = select(ledger_table.c.fence).where(ledger_table.c.lane == "push:oa")
                await until(lambda: desk.store.read_now(lambda conn: conn.execute(given_back).scalars().all()) == [2])
                asked = list(register.oa.asked)
                await asyncio.to_thread(desk.write, lambda conn: targets.resume(conn, "oa", utc_now()))
                desk.store.wakes.ring_all()
                await until(delivered(desk))

    assert asked == []
    assert len(register.entries) == 1


async def test_a_case_that_becomes_restricted_before_it_is_sent_is_never_sent(place: Place) -> None:
    async with registering() as register:
        target = settings(register)
        with open_desk(place, {"oa": target}) as desk:
            await take_in(desk)
            await take_in(desk, reading(**ACCUSATION))
            async with sending(desk, target):
                await until(lambda: states(desk) == ["dropped"] and "push:oa" not in desk.store.read_now(ledger.counts))

    assert register.oa.asked == []


async def test_a_call_that_may_be_repeated_is_sent_again_without_asking(place: Place) -> None:
    calls = {"case.created": CALL, "case.updated": {**CALL, "repeatable": True}}
    async with registering() as register, at_work(place, register, calls=calls) as desk:
        await take_in(desk)
        await until(delivered(desk))
        register.then("reset")
        await take_in(desk, reading(title="第二版"))
        await until(delivered(desk, 2))

        assert outcomes(desk) == ["delivered", "doubtful", "delivered"]
        assert register.oa.at("/find") == []


async def test_after_an_outage_a_lookup_that_is_answered_opens_the_target_again(place: Place) -> None:
    """Else each event that may have arrived would wait for the one before it as long as a probe may take."""
    async with registering() as register, at_work(place, register) as desk:
        fates: list[Answering | str] = ["reset"] * 6
        register.then(*fates)
        register.oa.answer("/find", *[cut_off] * 8, register.find)
        for number in range(6):
            await take_in(desk, reading(f"x:{number}"), key=str(number))
        await until(delivered(desk, 6))

        state = desk.store.read_now(lambda conn: conn.execute(select(target_table.c.state)).scalar_one())
        assert (state, register.twice, len(register.entries)) == ("open", {}, 6)


async def test_a_lookup_that_meets_nobody_is_not_charged_to_the_event(place: Place) -> None:
    """However long the OA is away, the event is still looked up when it is back."""
    async with registering() as register, at_work(place, register) as desk:
        register.then("reset")
        register.oa.answer("/find", *[cut_off] * (3 * QUICK.attempts), register.find)
        await take_in(desk)
        await until(delivered(desk))

        assert (len(register.entries), len(register.oa.at("/create"))) == (1, 1)


async def test_hundred_cases_through_every_fate_are_in_the_oa_once_each(place: Place) -> None:
    fates: list[Answering | str] = [
        "reset",
        cut_off,
        "500",
        saying({}, 500),
        "half an answer",
        "no number",
        saying({}, 429),
    ]
    async with registering() as register, at_work(place, register) as desk:
        register.then(*fates * 5)
        for number in range(100):
            await take_in(desk, reading(f"x:{number}"), key=str(number))
        await until(delivered(desk, 100))

        assert len({one["no"] for one in register.entries}) == 100
        assert register.twice == {}


@contextmanager
def taken_in(place: Place, target: TargetSettings) -> Iterator[None]:
    with open_desk(place, {"oa": target}) as desk:
        desk.take_in(reading())
    yield


async def dying(place: Place, target: TargetSettings, crash_at: str) -> None:
    """A process sends, and dies at this point with no clean-up."""
    block = target.model_dump(mode="json", exclude_defaults=True)
    arguments = (place.database, str(place.folder), json.dumps(block))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.dispatch.sending_process", *arguments),
        env={**os.environ, "XINQIAO_CRASH_AT": crash_at},
        cwd=ROOT,
    )
    try:
        assert await asyncio.wait_for(process.wait(), 60) == -9
    finally:
        if process.returncode is None:
            process.kill()


@asynccontextmanager
async def reborn(place: Place, target: TargetSettings) -> AsyncIterator[Desk]:
    """A new process: on one that had the store to itself the leases of the dead are taken back, else they run out."""
    with open_desk(place, {"oa": target}) as desk:
        if desk.store.exclusive:
            desk.write(lambda conn: ledger.release_all(conn, now=utc_now()))
        later = timedelta(0) if desk.store.exclusive else timedelta(hours=1)
        async with sending(desk, target, lambda: utc_now() + later):
            yield replace(desk, now=desk.now + timedelta(hours=1), _count=1)  # what comes now comes after `taken_in`


@pytest.mark.crash
@pytest.mark.parametrize(
    ("point", "asked", "said"),
    [("after_answer", 1, ["unknown", "found"]), ("before_post", 1, ["unknown", "absent", "delivered"])],
)
async def test_what_a_process_was_sending_when_it_died_is_looked_up(
    place: Place, point: str, asked: int, said: list[str]
) -> None:
    async with registering() as register:
        target = settings(register)
        with taken_in(place, target):
            await dying(place, target, point)
            done = len(register.entries)
            async with reborn(place, target) as desk:
                await until(delivered(desk))

                assert outcomes(desk) == said
                assert (done, len(register.entries)) == (1 if point == "after_answer" else 0, asked)


@pytest.mark.crash
@pytest.mark.parametrize("point", ["after_answer", "before_post"])
async def test_what_a_process_was_sending_when_it_died_is_for_a_person_where_nobody_can_be_asked(
    place: Place, point: str
) -> None:
    async with registering() as register:
        target = settings(register, lookup=None)
        with taken_in(place, target):
            await dying(place, target, point)
            done = len(register.oa.at("/create"))
            async with reborn(place, target) as desk:
                await until(lambda: states(desk) == ["unknown"])

                assert rows(desk)[0].error == ASK_A_PERSON
                assert len(register.oa.at("/create")) == done
                assert desk.store.read_now(ledger.counts)["push:oa"] == {"dead": 1}
                assert (outcomes(desk), rows(desk)[0].attempts) == (["unknown"], 1)


WITHDRAWN = {"path": "/withdraw", "body": {"no": "{{ case.case_no }}"}, "repeatable": True}


@pytest.mark.crash
@pytest.mark.parametrize("lookup", [None, {**LOOKUP, "wait": timedelta(hours=2)}], ids=["a person", "a lookup"])
async def test_a_case_that_was_skipped_while_nobody_knew_whether_it_had_arrived_is_told_withdrawn(
    place: Place, lookup: dict[str, Any] | None
) -> None:
    async with registering() as register:
        register.oa.answer("/withdraw", {"code": "SUCCESS", "id": "8888"})
        target = settings(register, lookup=lookup, calls={"case.created": CALL, "case.withdrawn": WITHDRAWN})
        with taken_in(place, target):
            await dying(place, target, "after_answer")
            async with reborn(place, target) as desk:
                await until(lambda: states(desk) == ["unknown"])
                case_id = rows(desk)[0].case_id
                skip = partial(desk.desk.outbox.skip, case_id=case_id, target="oa")
                assert await asyncio.to_thread(desk.write, skip)
                await take_in(desk, reading(**ACCUSATION))
                await until(lambda: states(desk)[1:] == ["delivered"])

    assert len(register.oa.at("/withdraw")) == 1


@pytest.mark.crash
async def test_what_a_process_was_sending_when_it_died_and_may_not_be_sent_any_more_may_have_arrived(
    place: Place,
) -> None:
    """Also to a receiver that knows an event again: dropped unsent, it would never hear that the case is withdrawn."""
    knowing = {"idempotent": True, "lookup": None, "calls": {"case.created": CALL, "case.withdrawn": WITHDRAWN}}
    async with registering() as register:
        register.oa.answer("/withdraw", {"code": "SUCCESS", "id": "8888"})
        target = settings(register, **knowing)
        with taken_in(place, target):
            await dying(place, target, "after_answer")
            async with reborn(place, settings(register, **knowing, channels=("hotline",))) as desk:
                await until(lambda: states(desk) == ["dropped"])
                await take_in(desk, reading(**ACCUSATION))
                await until(lambda: states(desk) == ["dropped", "delivered"])

                assert outcomes(desk) == ["doubtful", "delivered"]


@pytest.mark.crash
async def test_after_a_crash_too_it_is_not_looked_up_while_the_oa_may_still_be_at_work_on_it(place: Place) -> None:
    """A daemon is back in seconds; the OA may take longer, and would say it has nothing yet."""
    async with registering() as register:
        target = settings(register, lookup={**LOOKUP, "wait": timedelta(hours=2)})
        with taken_in(place, target):
            await dying(place, target, "before_post")
            async with reborn(place, target) as desk:
                await until(lambda: states(desk) == ["unknown"])

                due = desk.store.read_now(lambda conn: ledger.next_due(conn, "push:oa"))
                assert due is not None
                assert due - utc_now() > timedelta(minutes=110)
                assert register.oa.asked == []


LATER = RetrySettings(first=timedelta(hours=1), longest=timedelta(hours=1))


@pytest.mark.parametrize("fate", [one for one in DONE if one != "no number"])  # which arrived, without its number
async def test_what_was_tried_before_the_oa_was_known_not_to_know_it_again_is_looked_up(
    place: Place, fate: str
) -> None:
    async with registering() as register:
        before = settings(register, idempotent=True, lookup=None, retry=LATER)
        register.then(fate)
        with open_desk(place, {"oa": before}) as desk:
            await take_in(desk)
            async with sending(desk, before):
                await until(lambda: outcomes(desk) == ["doubtful"])
            await asyncio.to_thread(desk.write, lambda conn: desk.desk.outbox.resend(conn, 1, utc_now()))
            async with sending(desk, settings(register)):
                await until(delivered(desk))

            assert len(register.entries) == 1
            assert outcomes(desk) == ["doubtful", "found"]


async def test_what_was_refused_before_is_sent_without_asking(place: Place) -> None:
    async with registering() as register:
        before = settings(register, idempotent=True, lookup=None, retry=LATER)
        register.then(saying({}, 425))
        with open_desk(place, {"oa": before}) as desk:
            await take_in(desk)
            async with sending(desk, before):
                await until(lambda: outcomes(desk) == ["again"])
            await asyncio.to_thread(desk.write, lambda conn: desk.desk.outbox.resend(conn, 1, utc_now()))
            async with sending(desk, settings(register)):
                await until(delivered(desk))

            assert register.oa.at("/find") == []


async def test_what_a_person_found_missing_is_in_doubt_no_more(place: Place) -> None:
    async with registering() as register:
        before = settings(register, idempotent=True, lookup=None, retry=LATER)
        register.then(cut_off)
        with open_desk(place, {"oa": before}) as desk:
            await take_in(desk)
            async with sending(desk, before):
                await until(lambda: outcomes(desk) == ["doubtful"])
            after = settings(register, lookup=None)
            outbox = desk.with_targets(oa=after).desk.outbox
            await asyncio.to_thread(desk.write, lambda conn: outbox.resend(conn, 1, utc_now()))
            async with sending(desk, after):
                await until(lambda: states(desk) == ["unknown"])
                await until(lambda: desk.store.read_now(ledger.counts)["push:oa"] == {"dead": 1})
                await asyncio.to_thread(desk.write, lambda conn: outbox.resend(conn, 1, utc_now(), uncertain=True))
                await until(delivered(desk))

            assert len(register.entries) == 1
            assert outcomes(desk) == ["again", "delivered"]


async def test_what_was_broken_off_amid_a_request_may_have_arrived(place: Place) -> None:
    async with registering() as register:
        before = settings(register, idempotent=True, lookup=None, timeout=timedelta(seconds=20))
        register.then("no answer")
        with open_desk(place, {"oa": before}) as desk:
            await take_in(desk)
            worker = TargetWorker("oa", before, desk.store, utc_now, lambda *_: None)
            task = asyncio.create_task(worker.run(asyncio.Event()))
            await until(lambda: len(register.entries) == 1)
            task.cancel()
            await asyncio.wait([task])
            (row,) = rows(desk)
            assert (outcomes(desk), row.state, row.attempts) == (["doubtful"], "waiting", 1)
            async with sending(desk, settings(register)):
                await until(delivered(desk))

            assert len(register.entries) == 1

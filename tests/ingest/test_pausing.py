"""Pausing and resuming doors and targets, as a person asks for it, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters.base import Batch, ChannelRefused, Cursor, Fetched, Json
from dispatch import targets
from dispatch.outbox import lane_of
from ingest import channels, listings
from ingest.command_status import needs_a_person
from ingest.office import Office, open_office
from ingest.operations import Answer, OperationRefused, perform
from ingest.poller import Poller
from ingest.stage import Stage
from store import ledger
from store.ledger import Claim
from store.schema import history
from store.wakes import Wakes
from tests.ingest.config_files import MAILBOX, SEALING, TARGETS, loaded
from tests.patience import PATIENCE
from tests.place import Place


@pytest.fixture
async def office(place: Place) -> AsyncIterator[Office]:
    text = f"database: '{place.database}'\ndata: {{folder: {place.folder / 'data'}}}\n"
    opened = open_office(loaded(place.folder, f"{text}{SEALING}channels: {{box: {MAILBOX}}}\n{TARGETS}"))
    yield opened
    await opened.close()


async def ask(office: Office, act: str, what: str, name: str, reason: str | None = None) -> Answer:
    return await perform(office, act, {"what": what, "name": name, "reason": reason}, "wang")


async def test_a_door_is_paused_with_who_and_why_and_resumed(office: Office) -> None:
    await ask(office, "pause", "door", "box", "mail server moves")
    (door,) = await office.store.read(listings.doors)
    status = await perform(office, "status", {}, "wang")
    paused = await office.store.read(lambda conn: channels.is_paused(conn, "box"))
    await ask(office, "resume", "door", "box")
    (after,) = await office.store.read(listings.doors)

    assert (door.state, door.error, door.paused_by) == ("paused", "mail server moves", "wang")
    assert needs_a_person(status)
    assert paused
    assert (after.state, after.error, after.paused_by) == ("new", None, None)


@pytest.mark.parametrize(
    ("channel", "state"), [("", "removed"), (f"box: {MAILBOX[:-1]}, enabled: false}}", "disabled")]
)
async def test_a_door_that_is_not_polled_any_more_needs_nobody(
    office: Office, tmp_path: Path, channel: str, state: str
) -> None:
    """However it stood before: nothing can be done about it."""
    await ask(office, "pause", "door", "box", "mail server moves")
    config = loaded(tmp_path, f"{SEALING}channels: {{{channel}}}\n{TARGETS}")
    later = replace(office, config=office.config.model_copy(update={"channels": config.channels}))

    status = await perform(later, "status", {}, "wang")

    assert [(door["state"], door["error"]) for door in status["doors"]] == [(state, None)]
    assert not needs_a_person(status)


async def test_a_target_is_paused_with_who_and_why_and_resumed(office: Office) -> None:
    await ask(office, "pause", "target", "oa", "upgrade tonight")
    (target,) = await office.store.read(lambda conn: listings.targets(conn, office.desk.outbox.targets))
    admitted = await office.store.write(lambda conn: targets.admit(conn, "oa", None, room=5, now=office.clock()))
    await ask(office, "resume", "target", "oa")
    (after,) = await office.store.read(lambda conn: listings.targets(conn, office.desk.outbox.targets))

    assert (target.state, target.error, target.paused_by) == ("paused", "upgrade tonight", "wang")
    assert (admitted.state, admitted.limit) == ("paused", 0)
    assert (after.state, after.error, after.paused_by) == ("open", None, None)


async def test_who_paused_and_resumed_stands_in_the_history(office: Office) -> None:
    await ask(office, "pause", "door", "box", "mail server moves")
    await ask(office, "resume", "door", "box")
    await ask(office, "pause", "target", "oa", "upgrade tonight")
    await ask(office, "resume", "target", "oa", "upgrade done")

    rows = await office.store.read(lambda conn: conn.execute(select(history).order_by(history.c.id)).all())
    assert [(row.kind, row.actor, row.detail) for row in rows] == [
        ("paused", "wang", {"door": "box", "reason": "mail server moves"}),
        ("resumed", "wang", {"door": "box", "reason": None}),
        ("paused", "wang", {"target": "oa", "reason": "upgrade tonight"}),
        ("resumed", "wang", {"target": "oa", "reason": "upgrade done"}),
    ]


@pytest.mark.parametrize(("what", "name"), [("door", "box"), ("target", "oa")])
async def test_a_pause_needs_a_reason_and_a_known_name_and_happens_once(office: Office, what: str, name: str) -> None:
    for reason in (None, "  ", "x" * 201):
        with pytest.raises(OperationRefused, match="expected a reason"):
            await ask(office, "pause", what, name, reason)
    with pytest.raises(OperationRefused, match=f"not in the configuration; there are {name}"):
        await ask(office, "pause", what, "other", "why")
    with pytest.raises(OperationRefused, match="is not paused"):
        await ask(office, "resume", what, name)

    await ask(office, "pause", what, name, "why")

    with pytest.raises(OperationRefused, match="is paused already"):
        await ask(office, "pause", what, name, "why")


async def test_no_attachment_is_fetched_through_a_paused_door(office: Office) -> None:
    await ask(office, "pause", "door", "box", "mail server moves")
    done = asyncio.Event()
    worked: list[int] = []

    async def work(claims: Sequence[Claim]) -> None:
        for held in claims:
            worked.append(held.id)
            await office.store.write(partial(ledger.done, held=held))
        done.set()

    await office.store.write(lambda conn: ledger.enqueue(conn, "fetch:box", {"attachment": 1}, now=office.clock()))
    paused = partial(channels.is_paused, name="box")
    fetching = Stage("fetch:box", work, office.store, office.clock, held=paused)
    stopping = asyncio.Event()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(fetching.run(stopping))
        # Another lane's step that is asked for later and done shows that this one had its turn.
        await _let_pass(office)
        before = list(worked)
        await ask(office, "resume", "door", "box")
        await done.wait()
        stopping.set()
        office.store.wakes.ring_all()

    assert before == []
    assert len(worked) == 1


@dataclass
class Shut:
    """A door that is shut, and says when it was tried."""

    tried: asyncio.Queue[datetime] = field(default_factory=asyncio.Queue)
    shut: bool = True

    async def poll(self, cursor: Cursor | None, start_from: datetime) -> AsyncGenerator[Batch]:
        self.tried.put_nowait(start_from)
        if self.shut:
            raise ChannelRefused("box: login refused")
        yield Batch((), (), {})

    async def settle(self, token: Json) -> None: ...

    async def fetch(self, ref: str) -> Fetched:
        raise ChannelRefused(ref)

    async def probe(self) -> str:
        raise ChannelRefused("box: login refused")

    async def close(self) -> None: ...


async def test_a_door_that_is_resumed_is_visited_at_once_whatever_it_waits_for(office: Office, place: Place) -> None:
    door, stopping = Shut(), asyncio.Event()
    poller = Poller("box", door, office.store, office.clock, office.clock(), lambda *_: None)
    other = office if office.store.exclusive else open_office(office.config)  # a console in another process
    await poller.enrol()
    polling = asyncio.create_task(poller.run(stopping))
    poller.due.set()
    await door.tried.get()
    async with asyncio.timeout(PATIENCE):  # refused: it would be tried in a quarter of an hour
        while (await office.store.read(lambda conn: channels.state(conn, "box"))).state != channels.REFUSED:  # noqa: ASYNC110 - the state is the database's
            await asyncio.sleep(0)
        await ask(other, "pause", "door", "box", "another password")
        await ask(other, "resume", "door", "box")
        await door.tried.get()
    polling.cancel()
    await asyncio.wait([polling])
    if other is not office:
        await other.close()

    assert door.tried.empty()


async def test_a_target_that_is_resumed_has_its_worker_woken(office: Office) -> None:
    office.store.wakes = Wakes()  # by itself none wakes, whatever the database
    await ask(office, "pause", "target", "oa", "upgrade tonight")
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(office.store.wakes.wait(lane_of("oa"), timedelta(hours=1)))
        await ask(office, "resume", "target", "oa")


async def _let_pass(office: Office) -> None:
    passed = asyncio.Event()

    async def work(claims: Sequence[Claim]) -> None:
        for held in claims:
            await office.store.write(partial(ledger.done, held=held))
        passed.set()

    await office.store.write(lambda conn: ledger.enqueue(conn, "other", {}, now=office.clock() - timedelta(seconds=1)))
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(Stage("other", work, office.store, office.clock).run(stopping))
        await passed.wait()
        stopping.set()
        office.store.wakes.ring(["other"])

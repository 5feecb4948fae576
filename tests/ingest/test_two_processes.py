"""Two processes at work on one PostgreSQL: what one does at the same moment, the other does not undo or do again."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select, update

from adapters.base import Fetched
from dispatch import accord, holdings, recording, targets
from dispatch.outbox import Outbox, lane_of
from dispatch.recording import End, Recorder, State
from dispatch.retry import RetrySettings
from ingest import attachments, inbox, register, vetting
from ingest import pulse as pulse_of_daemon
from ingest.app import Daemon
from ingest.cli import main
from ingest.config import load
from ingest.control import SOCKET
from ingest.fetcher import Fetcher
from ingest.metrics import Metrics
from ingest.office import open_office
from ingest.operations import OperationRefused, perform, sending
from ingest.pulse import Pulse
from ingest.stage import Stage
from ingest.sweeping import sweep
from normalize.case import AttachmentRole, AttachmentState
from normalize.reading import Disposition, Part, Reading
from store import ledger
from store import postgres as engine
from store.engine import open_store
from store.ledger import Claim
from store.schema import delivery, duty, event, history, raw
from tests.ingest.config_files import ENVIRONMENT, MAILBOX, SEALING, TARGETS, loaded, write
from tests.ingest.desk import Desk, open_desk, reading, target
from tests.ingest.test_cases import ACCUSATION
from tests.ingest.test_fetcher import Host
from tests.ingest.test_sending import reject, with_targets
from tests.patience import until
from tests.place import Place
from tests.postgres import Server, shut

pytestmark = pytest.mark.postgres
MATTERS = 12
T = TypeVar("T")


class Cabinet(Host):
    """Every file is another one."""

    async def fetch(self, ref: str) -> Fetched:
        return Fetched(ref.encode(), "image/png")


@pytest.fixture
def address(postgres: Server) -> Iterator[str]:
    made = postgres.migrated()
    yield made
    postgres.drop(made)


@pytest.fixture
def desks(address: str, tmp_path: Path) -> Iterator[list[Desk]]:
    with ExitStack() as closing:
        found = [closing.enter_context(open_desk(Place(tmp_path, address))) for _ in range(2)]
        found[1]._count = 1000  # versions of its own
        yield found


def meeting(act: Callable[..., T]) -> Callable[..., T]:
    """The same, but two that do it at once have both done it before either goes on, unless one waits for the other."""
    both = threading.Barrier(2)

    def met(*more: Any) -> T:
        done = act(*more)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return done

    return met


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(120) for future in [pool.submit(act) for act in acts]]


def test_the_same_matters_read_by_both_at_once_are_one_case_each_without_gaps(desks: list[Desk]) -> None:
    def take_in(number: int) -> list[str]:
        desk = desks[number]
        identities = [f"sha256:{n}" for n in range(MATTERS)]
        return [desk.take_in(reading(one), channel=f"box{number}", key=f"{n}")[0] for n, one in enumerate(identities)]

    first, second = at_once(lambda: take_in(0), lambda: take_in(1))

    assert first == second
    cases = [desks[0].case(case_id) for case_id in first]
    assert sorted(case.case_no for case in cases) == [f"2026-{n + 1:06d}" for n in range(MATTERS)]
    assert {tuple(sorted(one.channel for one in case.receipts)) for case in cases} == {("box0", "box1")}
    assert desks[0].events() == ["case.created"] * MATTERS


def test_arrivals_through_two_more_channels_at_once_are_both_shown(
    desks: list[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    (case_id,) = desks[0].take_in(reading("sha256:m"), channel="box")
    monkeypatch.setattr(register, "add_receipt", meeting(register.add_receipt))
    at_once(
        *(partial(desk.take_in, reading("sha256:m"), channel=f"box{n}", key=f"{n}") for n, desk in enumerate(desks))
    )

    assert {one.channel for one in desks[0].case(case_id).receipts} == {"box", "box0", "box1"}


def test_versions_read_by_both_at_once_follow_each_other(desks: list[Desk]) -> None:
    (case_id,) = desks[0].take_in(reading())
    for turn in range(5):
        at_once(
            *(partial(desk.take_in, reading(title=f"{name}{turn}")) for name, desk in zip("甲乙", desks, strict=True))
        )

    revision = desks[0].case(case_id).revision  # of two versions the older one, read late, changes nothing
    assert 6 <= revision <= 11
    assert desks[0].events() == ["case.created"] + ["case.updated"] * (revision - 1)
    assert desks[0].happenings(case_id).count("revised") == revision - 1


def test_of_the_last_two_attachments_brought_by_both_at_once_the_case_shows_both(
    desks: list[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tuple(
        Part(f"{n}.png", AttachmentRole.EVIDENCE, AttachmentState.PENDING, ref=f"files/{n}.png") for n in range(2)
    )
    (case_id,) = desks[0].take_in(reading(parts=parts))
    monkeypatch.setattr(attachments, "all_tried", meeting(attachments.all_tried))

    def fetch(desk: Desk) -> None:
        claims = desk.write(
            lambda conn: ledger.claim(conn, "fetch:sunshine", now=desks[0].now, lease=timedelta(minutes=5))
        )
        asyncio.run(Fetcher("sunshine", Cabinet(), desk.store, desk.desk, lambda: desks[0].now).fetch(claims))

    at_once(*(partial(fetch, desk) for desk in desks))

    case = desks[0].case(case_id)
    assert [one.state for one in case.attachments] == [AttachmentState.STORED] * 2


def test_what_was_held_is_released_once_though_both_start_at_once(desks: list[Desk]) -> None:
    desks[0].take_in(reading(**ACCUSATION))
    takers = [desk.with_targets(oa=target(restricted=True)) for desk in desks]

    released = at_once(
        *(lambda one=one: one.write(lambda conn: one.desk.outbox.release(conn, one.now)) for one in takers)
    )

    assert sorted(one.number for one in released) == [0, 1]
    assert [row[0] for row in desks[0].deliveries()] == ["oa"]


async def test_of_two_versions_read_at_once_the_earlier_unreadable_one_soon_needs_nobody(
    desks: list[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = desks
    nothing = Reading(Disposition.QUARANTINE, "sunshine:X1", "neither title nor words", None)
    older, newer = ours.arrive(), theirs.arrive()
    monkeypatch.setattr(inbox, "overtake", meeting(inbox.overtake))
    at_once(partial(ours.read, older, nothing), partial(theirs.read, newer, reading()))

    await sweep(ours.store, lambda: ours.now)

    states = ours.store.read_now(lambda conn: conn.execute(select(raw.c.state).order_by(raw.c.id)).scalars().all())
    assert states == ["read", "read"]


async def test_what_two_targets_lose_their_right_to_at_once_is_held(
    desks: list[Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = (desk.with_targets(a=target(restricted=True), b=target(restricted=True)) for desk in desks)
    ours.take_in(reading(**ACCUSATION))
    monkeypatch.setattr(recording, "hold_lost", meeting(holdings.hold_lost))

    async def drop(desk: Desk, name: str) -> None:
        lane, lease = lane_of(name), timedelta(minutes=5)
        (held,) = await desk.store.write(lambda conn: ledger.claim(conn, lane, now=ours.now, lease=lease))
        recorder = Recorder(name, RetrySettings(), desk.store, lambda: ours.now)
        writing = asyncio.create_task(recorder.run())
        await recorder.write(End(held, held.payload["delivery"], State.DROPPED, over=True))
        writing.cancel()

    await asyncio.gather(drop(ours, "a"), drop(theirs, "b"))

    assert [row[3] for row in ours.deliveries()] == ["dropped", "dropped"]
    assert ours.store.read_now(lambda conn: conn.execute(select(event.c.held)).scalars().all()) == [True]


async def test_a_host_without_clamd_hands_nothing_on_that_waits_for_anothers(desks: list[Desk]) -> None:
    ours, other = desks
    part = Part("a.txt", AttachmentRole.EVIDENCE, AttachmentState.STORED, media_type="text/plain", content=b"a", size=1)
    other.desk.vets = True
    (case_id,) = other.take_in(reading(parts=(part,)))
    other.write(lambda conn: vetting.announce(conn, "other", other.now))
    heard, asked = other.now, list[datetime]()

    def clock() -> datetime:
        asked.append(ours.now)
        return ours.now

    ours.now = heard + vetting.LEFT - timedelta(seconds=1)
    stopping = asyncio.Event()
    stage = asyncio.create_task(vetting.vetting(None, ours.store, ours.desk, clock).run(stopping))
    await until(lambda: len(asked) > 1)
    waited = ours.case(case_id).attachments[0].state
    ours.now = heard + vetting.LEFT + timedelta(minutes=1)  # nothing is heard any more, but ours has only just begun
    before = len(asked)
    ours.store.wakes.ring(["vet"])
    await until(lambda: len(asked) > before + 1)
    begun = ours.case(case_id).attachments[0].state
    ours.now = heard + 2 * vetting.LEFT
    ours.store.wakes.ring(["vet"])
    await until(lambda: ours.case(case_id).attachments[0].state is AttachmentState.STORED)
    stopping.set()
    ours.store.wakes.ring_all()
    await stage

    assert (waited, begun) == (AttachmentState.PENDING, AttachmentState.PENDING)


@pytest.fixture
def path(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return write(tmp_path, text(tmp_path, address))


def text(folder: Path, address: str) -> str:
    return (
        f"database: {address}\ndata: {{folder: {folder / 'data'}}}\nlisten: {{port: 1}}\n"
        f"{SEALING}channels: {{box: {MAILBOX}}}\n{TARGETS}"
    )


def test_a_command_works_beside_whoever_else_works_on_the_database(
    path: Path, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_desk(Place(tmp_path / "data", address)):
        status = main(["status", "--json", "-c", str(path)])
    answer = json.loads(capsys.readouterr().out)

    assert status == 0
    assert answer["doors"] == []


async def test_daemons_share_a_database_and_go_by_its_clock(path: Path, address: str, tmp_path: Path) -> None:
    config = loaded(tmp_path, text(tmp_path, address))
    offices = [open_office(config) for _ in range(2)]
    daemons = [Daemon(office, frozenset({"read", "dispatch", "keep"})) for office in offices]
    for one in daemons:
        await one.open()
        one.stopping.set()
        await one.work()

    assert [office.clock for office in offices] == [office.store.clock for office in offices]
    said = offices[0].store.read_now(lambda conn: conn.execute(select(duty.c.name, duty.c.holder)).all())
    rights = [row.holder for row in said if row.name.startswith("rights:")]
    assert rights == [accord.mark_of(config.targets)] * 2
    assert not (tmp_path / "data" / SOCKET).exists()
    for one in daemons:
        await one.close()


async def test_a_daemon_says_by_which_rights_it_goes_before_it_gives_anything_by_them(
    path: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office(load(path, ENVIRONMENT))
    daemon, given = Daemon(office, frozenset({"dispatch"}), file=path), list[tuple[str, bool]]()

    async def release(_daemon: Daemon) -> None:
        (said,) = office.store.read_now(lambda conn: conn.execute(select(duty.c.holder)).scalars().all())
        targets = office.config.targets
        given.append((str(targets["oa"].restricted), said == accord.mark_of(targets)))

    monkeypatch.setattr(Daemon, "_release_held", release)
    await daemon.open()
    async with asyncio.TaskGroup() as group:
        group.create_task(daemon.work())
        write(tmp_path, text(tmp_path, address).replace("restricted: true", "restricted: only"))
        daemon.reread()
        await until(lambda: len(given) > 1)
        daemon.stopping.set()
    await daemon.close()

    assert given == [("True", True), ("only", True)]


@pytest.mark.parametrize(
    ("act", "name", "state"), [("replay-skip", "skip", "rejected"), ("replay-arrived", "note_arrived", "unknown")]
)
async def test_what_another_host_sends_again_meanwhile_is_neither_settled_nor_said_to_be(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, name: str, state: str
) -> None:
    config = loaded(tmp_path, text(tmp_path, address))
    offices = [with_targets(open_office(config), oa=target())[0] for _ in range(2)]
    ours, theirs = (Desk(office.store, office.desk) for office in offices)
    (case_id,) = ours.take_in(reading("x:1"), key="1")
    reject(ours)
    ours.write(lambda conn: conn.execute(update(delivery).values(state=state)))
    begin = getattr(Outbox, name)

    def late(*more: Any) -> Any:
        assert theirs.write(lambda conn: theirs.desk.outbox.resend(conn, 1, theirs.now, uncertain=True))
        return begin(*more)

    monkeypatch.setattr(Outbox, name, late)
    with pytest.raises(OperationRefused) as refused:
        await perform(offices[0], act, {"case": case_id, "target": "oa"}, "wang")

    assert refused.value.code == "moved"
    assert {"skipped", "arrived"}.isdisjoint(ours.happenings(case_id))
    assert ours.store.read_now(ledger.counts)["push:oa"] == {"ready": 1}
    for office in offices:
        await office.close()


async def test_a_target_that_two_resume_at_once_was_resumed_once(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = loaded(tmp_path, text(tmp_path, address))
    offices = [with_targets(open_office(config), oa=target())[0] for _ in range(2)]
    desk = Desk(offices[0].store, offices[0].desk)
    desk.write(lambda conn: targets.pause(conn, "oa", "HTTP 410", desk.now))
    monkeypatch.setattr(sending, "resume", meeting(targets.resume))

    said = await asyncio.gather(*(perform(one, "replay-send", {"target": "oa"}, "wang") for one in offices))

    assert sorted(one["resumed"] for one in said) == [False, True]
    kinds = desk.store.read_now(lambda conn: conn.execute(select(history.c.kind)).scalars().all())
    assert kinds.count("resumed") == 1
    for office in offices:
        await office.close()


async def test_while_the_database_is_gone_nothing_is_ready_and_work_goes_on_when_it_is_back(
    address: str, tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 0.1)
    monkeypatch.setattr(pulse_of_daemon, "BEAT", timedelta(milliseconds=100))
    store = open_store(address, tmp_path, b"k" * 32)
    done: list[str] = []

    async def work(claims: Sequence[Claim]) -> None:
        for held in claims:
            await store.write(partial(ledger.done, held=held))
            done.append(held.payload["name"])

    pulse = Pulse(store, Metrics(), store.clock, ["scans"], ["oa"])
    stage = Stage("read", work, store, store.clock)
    stopping = asyncio.Event()
    running = [asyncio.create_task(one.run(stopping)) for one in (pulse, stage)]
    await until(lambda: bool(pulse.health.doors))
    with shut(postgres, address):
        waiting = asyncio.create_task(
            store.write(lambda conn: ledger.enqueue(conn, "read", {"name": "a"}, now=store.clock()))
        )
        await until(lambda: pulse.health.doors["scans"].state == "database does not answer")
    await waiting
    await until(lambda: done == ["a"])
    stopping.set()
    store.wakes.ring_all()
    await asyncio.wait(running)
    store.close()

    assert [task.exception() for task in running] == [None, None]

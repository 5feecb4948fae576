"""Originals go when their time has come, and not before; what is known of them stays."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import Connection, func, insert, select, text, update

from ingest.config import ConfigErrors
from ingest.listings import REMOVAL_LANE, oldest_waiting
from ingest.metrics import Metrics
from ingest.office import open_office
from ingest.parts import Parts
from ingest.retention import LINGERS, Retention, remove_due
from ingest.steady_clock import SteadyClock
from normalize.case import AttachmentRole, AttachmentState
from normalize.reading import Disposition, Part, Signal, SignalKind
from store import ledger
from store.blobs import INLINE_LIMIT, BlobRemoved, Depot, Prepared, key_of
from store.engine import open_store
from store.schema import attachment, blob, cases, delivery, history, raw, reading, receipt, revision
from tests.ingest.config_files import ENVIRONMENT, loaded
from tests.ingest.desk import CHINA, NOW, Desk, desk_over, open_desk
from tests.ingest.desk import reading as read_as
from tests.ingest.test_verifying import findings, linked
from tests.place import Place
from tests.plans import plan_of
from tests.postgres import Server

YEAR = timedelta(days=365)
LATER = NOW + 2 * YEAR + timedelta(hours=14)  # 23:30 in the office
LARGE = b"x" * (INLINE_LIMIT + 1)
OVER = (Signal(SignalKind.WITHDRAWN, "w", NOW),)


@pytest.fixture
def desk(place: Place) -> Iterator[Desk]:
    with open_desk(place) as opened:
        yield opened


def picture(content: bytes = b"a picture", name: str = "a.jpg") -> Part:
    return Part(name, AttachmentRole.EVIDENCE, AttachmentState.STORED, "image/jpeg", content=content)


def over(desk: Desk, name: str = "X1", *, parts: tuple[Part, ...] = (), delivered: bool = True) -> str:
    """A case that is withdrawn and delivered."""
    (case_id,) = desk.take_in(read_as(f"sunshine:{name}", signals=OVER, parts=parts), key=name)
    if delivered:
        here = delivery.c.case_id == case_id
        desk.write(lambda conn: conn.execute(update(delivery).where(here).values(state="delivered")))
    return case_id


def retention(desk: Desk, now: datetime = LATER) -> Retention:
    return Retention(desk.store, lambda: now, CHINA, YEAR, steady=lambda: True)


async def gone_through(desk: Desk, now: datetime = LATER) -> int:
    return await retention(desk, now).go_through(asyncio.Event())


def removed(desk: Desk) -> int:
    wanted = select(func.count()).select_from(blob).where(blob.c.removed_at.is_not(None))
    count: int = desk.store.read_now(lambda conn: conn.execute(wanted).scalar_one())
    return count


async def removed_large(desk: Desk) -> str:
    """The hash of a large attachment that was removed, its file not yet deleted."""
    over(desk, parts=(picture(LARGE),))
    await gone_through(desk)
    return hashlib.sha256(LARGE).hexdigest()


def loaded_of(desk: Desk, sha256: str) -> bytes:
    return desk.store.read_now(lambda conn: desk.store.blobs.load(conn, sha256))


def file_of(place: Place, sha256: str) -> Path:
    return place.folder / "blobs" / key_of(sha256)


async def test_the_original_and_attachments_of_a_case_that_is_over_go_and_everything_else_stays(
    desk: Desk, place: Place
) -> None:
    case_id = over(desk, parts=(picture(),))
    tables = (cases, revision, receipt, reading, raw, attachment, blob)
    before = desk.store.read_now(lambda conn: [len(conn.execute(select(one)).all()) for one in tables])

    assert await gone_through(desk) == removed(desk) == 2
    assert desk.store.read_now(lambda conn: [len(conn.execute(select(one)).all()) for one in tables]) == before
    assert desk.happenings(case_id)[-2:] == ["removed", "removed"]
    assert desk.case(case_id).attachments[0].name == "a.jpg"
    await linked(desk.store)
    assert findings(place) == []
    with pytest.raises(BlobRemoved, match="removed by retention on 2028-03-01"):
        desk.store.read_now(lambda conn: desk.store.blobs.load(conn, conn.execute(select(raw.c.blob)).scalar_one()))
    assert await gone_through(desk) == 0


async def test_nothing_goes_before_its_time_nor_by_day(desk: Desk) -> None:
    over(desk)

    assert await gone_through(desk, NOW + YEAR - timedelta(days=1, hours=-14)) == 0
    assert await gone_through(desk, NOW + 2 * YEAR) == 0  # 9:30 in the office
    assert await gone_through(desk) == 1


@pytest.mark.parametrize("state", ["waiting", "sending", "unknown", "rejected"])
async def test_what_is_not_delivered_stays(desk: Desk, state: str) -> None:
    over(desk)
    desk.write(lambda conn: conn.execute(update(delivery).values(state=state)))

    assert await gone_through(desk) == 0


async def test_an_open_case_keeps_its_original(desk: Desk) -> None:
    (case_id,) = desk.take_in(read_as())
    desk.write(lambda conn: conn.execute(update(delivery).values(state="delivered")))
    still = await gone_through(desk)
    desk.write(lambda conn: conn.execute(update(cases).where(cases.c.case_id == case_id).values(next_due_at=None)))

    assert (still, await gone_through(desk)) == (0, 1)


async def test_a_case_touched_since_keeps_its_original(desk: Desk) -> None:
    over(desk)
    desk.now = LATER - timedelta(days=30)
    over(desk)  # the same matter once more

    assert await gone_through(desk) == 0


async def test_one_whose_reading_does_not_open_stays_and_keeps_no_other(desk: Desk) -> None:
    first, second = over(desk, "X1"), over(desk, "X2")
    damaged = update(reading).where(reading.c.identity == "sunshine:X1").values(sealed=b"damaged")
    desk.write(lambda conn: conn.execute(damaged))

    assert await gone_through(desk) == 1
    assert ["removed" in desk.happenings(one) for one in (first, second)] == [False, True]


async def test_what_waits_for_a_person_or_a_reader_stays_and_what_became_no_case_goes(desk: Desk) -> None:
    ids = [desk.arrive(key=f"K{number}") for number in range(4)]
    desk.read(ids[0], read_as("sunshine:q", disposition=Disposition.QUARANTINE))
    desk.read(ids[1], read_as("sunshine:a", disposition=Disposition.AUTO, parts=(picture(),)))
    desk.write(lambda conn: conn.execute(update(raw).where(raw.c.id == ids[2]).values(state="dismissed", read_at=NOW)))

    assert await gone_through(desk) == 3
    gone = select(raw.c.id).join(blob, blob.c.sha256 == raw.c.blob).where(blob.c.removed_at.is_not(None))
    assert desk.store.read_now(lambda conn: conn.execute(gone.order_by(raw.c.id)).scalars().all()) == ids[1:3]


async def test_an_attachment_that_an_open_case_shares_stays(desk: Desk) -> None:
    over(desk, "X1", parts=(picture(), picture(b"its own", "b.jpg")))
    desk.take_in(read_as("sunshine:X2", parts=(picture(),)), key="X2")

    assert await gone_through(desk) == 2
    left = select(blob.c.size).join(attachment, attachment.c.sha256 == blob.c.sha256)
    sizes = desk.store.read_now(lambda conn: set(conn.execute(left.where(blob.c.removed_at.is_(None))).scalars()))
    assert sizes == {len(b"a picture")}


async def test_the_same_petition_after_its_original_went_is_no_second_case(desk: Desk, place: Place) -> None:
    case_id = over(desk)
    await gone_through(desk)
    desk.now = LATER + timedelta(days=1)

    assert desk.take_in(read_as("sunshine:X1"), channel="mailbox", key="INBOX:9:4") == [case_id]
    assert desk.count() == 1
    assert findings(place) == []


async def test_bytes_that_come_again_are_kept_again(desk: Desk) -> None:
    over(desk, parts=(picture(),))
    await gone_through(desk)
    before = removed(desk)
    over(desk, "X2", parts=(picture(),))

    assert (before, removed(desk)) == (2, 1)


async def test_a_large_one_loses_its_file_a_day_later(desk: Desk, place: Place) -> None:
    file = file_of(place, await removed_large(desk))
    at_once, lane = claims(desk, LATER), desk.store.read_now(oldest_waiting)
    there = file.exists()
    await retention(desk).delete(claims(desk, LATER + LINGERS))

    assert (at_once, there, file.exists()) == ([], True, False)
    assert REMOVAL_LANE not in [one.lane for one in lane]
    assert findings(place) == []


async def test_a_large_one_that_comes_again_meanwhile_is_kept(desk: Desk, place: Place) -> None:
    sha256 = await removed_large(desk)
    over(desk, "X2", parts=(picture(LARGE),))
    await retention(desk).delete(claims(desk, LATER + LINGERS))

    assert loaded_of(desk, sha256) == LARGE
    assert findings(place) == []


async def test_a_large_one_removed_between_being_found_and_being_kept_is_kept_all_the_same(desk: Desk) -> None:
    sha256 = await removed_large(desk)
    found = desk.store.blobs.prepare(LARGE)
    await retention(desk).delete(claims(desk, LATER + LINGERS))
    desk.write(lambda conn: desk.store.blobs.keep(conn, found, LATER))

    assert loaded_of(desk, sha256) == LARGE


@dataclass
class Meanwhile:
    """A depot during whose deleting something else happens."""

    depot: Depot
    happens: Callable[[], None]
    place: str = "here"

    def remove(self, key: str) -> None:
        self.happens()
        self.depot.remove(key)
        self.happens()


async def test_a_depot_that_deletes_keeps_no_write_waiting_and_takes_nothing_that_comes_again_meanwhile(
    desk: Desk, place: Place
) -> None:
    sha256 = await removed_large(desk)
    depot = desk.store.blobs.depot
    found = desk.store.blobs.prepare(LARGE)
    told: list[bytes] = []

    def come_again() -> None:
        desk.store.submit(lambda conn: desk.store.blobs.keep(conn, found, LATER)).result(30)
        told.append(loaded_of(desk, sha256))

    desk.store.blobs.depot = Meanwhile(depot, come_again)  # type: ignore[assignment]
    await retention(desk).delete(claims(desk, LATER + LINGERS))
    desk.store.blobs.depot = depot

    assert told == [LARGE, LARGE]
    assert loaded_of(desk, sha256) == LARGE
    assert findings(place) == []


async def test_keeping_again_asks_nothing_of_the_depot(desk: Desk) -> None:
    sha256 = await removed_large(desk)
    found = desk.store.blobs.prepare(LARGE)
    desk.store.blobs.depot = None  # type: ignore[assignment]
    desk.write(lambda conn: desk.store.blobs.keep(conn, found, LATER))

    assert loaded_of(desk, sha256) == LARGE


async def test_one_that_came_again_and_goes_again_leaves_no_file(desk: Desk, place: Place) -> None:
    sha256 = await removed_large(desk)
    await retention(desk).delete(claims(desk, LATER + LINGERS))
    desk.now = LATER + timedelta(days=2)
    over(desk, "X2", parts=(picture(LARGE),))
    lying = file_of(place, sha256).exists()
    later = desk.now + 2 * YEAR
    await gone_through(desk, later)
    await retention(desk).delete(claims(desk, later + LINGERS))

    assert (lying, file_of(place, sha256).exists()) == (True, False)
    with pytest.raises(BlobRemoved):
        loaded_of(desk, sha256)


async def test_a_file_to_which_its_row_refers_is_not_deleted(desk: Desk, place: Place) -> None:
    sha256 = await removed_large(desk)
    kept = update(blob).where(blob.c.sha256 == sha256).values(sealed=None, removed_at=None)
    desk.write(lambda conn: conn.execute(kept))
    ended = claims(desk, LATER + LINGERS)
    await retention(desk).delete(ended)

    assert len(ended) == 1
    assert loaded_of(desk, sha256) == LARGE
    assert claims(desk, LATER + 2 * LINGERS) == []


async def test_who_says_that_retention_removed_an_original_is_betrayed(desk: Desk, place: Place) -> None:
    over(desk)
    desk.write(lambda conn: conn.execute(update(blob).values(removed_at=NOW, sealed=b"")))

    (found,) = findings(place)
    assert found.what.startswith("blob.removed:")


async def test_it_goes_on_batch_by_batch_and_stops_when_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.retention.BATCH", 2)
    monkeypatch.setattr("ingest.retention.PAUSE", timedelta(0))
    for number in range(5):
        over(desk, f"X{number}")
    stopping = asyncio.Event()
    stopping.set()

    assert await retention(desk).go_through(stopping) == 0
    assert await gone_through(desk) == 5
    counted = select(func.count()).select_from(history).where(history.c.kind == "removed")
    assert desk.store.read_now(lambda conn: conn.execute(counted).scalar_one()) == 5


async def test_all_is_looked_at_once_a_night_and_nothing_is_written_where_nothing_is_due(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.retention.STRIDE", 2)
    monkeypatch.setattr("ingest.retention.PAUSE", timedelta(0))
    for number in range(5):
        over(desk, f"X{number}")
    desk.write(lambda conn: conn.execute(update(delivery).values(state="waiting")))
    ours, now = retention(desk), LATER
    ours.clock = lambda: now
    acts = desk.store.written.acts
    first, written = await ours.go_through(asyncio.Event()), desk.store.written.acts - acts
    desk.write(lambda conn: conn.execute(update(delivery).values(state="delivered")))
    again = await ours.go_through(asyncio.Event())
    now += timedelta(days=1)

    assert (first, written, again, await ours.go_through(asyncio.Event())) == (0, 0, 0, 5)


@pytest.mark.parametrize("ahead", [10 * YEAR, LATER - NOW - YEAR / 2], ids=["still to come", "young by now"])
async def test_what_came_by_a_clock_that_was_ahead_keeps_nothing_behind_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    monkeypatch.setattr("ingest.retention.STRIDE", 2)
    monkeypatch.setattr("ingest.retention.PAUSE", timedelta(0))
    for number, now in enumerate([NOW, *[NOW + ahead] * 6, NOW, NOW]):
        desk.now = now
        over(desk, f"X{number}")

    assert await gone_through(desk) == 3


async def test_a_clock_that_is_years_ahead_removes_nothing_until_it_has_gone_on_for_days(desk: Desk) -> None:
    """Also where something came meanwhile, by the same clock."""
    over(desk, "X1")
    desk.now = LATER - timedelta(hours=2)
    over(desk, "X2")
    ours = retention(desk)
    ours.steady = lambda: False
    first = await ours.go_through(asyncio.Event())
    ours.steady = lambda: True

    assert (first, await ours.go_through(asyncio.Event())) == (0, 1)


async def test_what_came_in_bears_a_clock_out(desk: Desk) -> None:
    """An office to which something comes every month need not run for days first."""
    over(desk, "X1")
    desk.now = LATER - timedelta(days=20)
    over(desk, "X2")
    ours = retention(desk)
    ours.steady = lambda: False

    assert await ours.go_through(asyncio.Event()) == 1


def test_a_clock_is_steady_once_nobody_has_set_it_for_days() -> None:
    now, ticks = NOW, 0.0
    clock = SteadyClock(lambda: now, lambda: ticks)
    found = []
    for hours, jump in ((0, 0), (71, 0), (1, 0), (1, 24 * 365), (71, 0), (1, 0)):
        now, ticks = now + timedelta(hours=hours + jump), ticks + 3600 * hours
        found.append(clock.is_steady())

    assert found == [False, False, True, False, False, True]


async def test_what_comes_of_age_in_the_night_goes_in_the_same(desk: Desk) -> None:
    over(desk, "X1")
    desk.now = LATER - YEAR + timedelta(minutes=10)
    over(desk, "X2")
    ours, now = retention(desk), LATER
    ours.clock = lambda: now
    first = await ours.go_through(asyncio.Event())
    now += timedelta(hours=1)

    assert (first, await ours.go_through(asyncio.Event())) == (1, 1)


def test_other_arrivals_of_the_same_bytes_are_found_by_them(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        over(desk)
        store = desk.store

        def remove(conn: Connection) -> None:
            remove_due(conn, store.blobs, store.sealer, [1], LATER - YEAR, LATER)

        plan = desk.write(lambda conn: plan_of(conn, lambda: remove(conn), "FROM raw"))

    assert any("USING INDEX ix_raw_blob" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN")], plan


@pytest.mark.postgres
async def test_bytes_that_are_just_being_kept_again_elsewhere_stay(postgres: Server, tmp_path: Path) -> None:
    place = Place(tmp_path, postgres.migrated())
    with open_desk(place) as desk:
        over(desk)
        sha256 = desk.store.read_now(lambda conn: conn.execute(select(blob.c.sha256)).scalar_one())
        other = open_store(place.database, place.folder, b"k" * 32, now=NOW)
        with other._database.writing.begin() as conn:
            other.blobs.keep(conn, Prepared(sha256, 1, b"", b""), NOW)
            row = dict(conn.execute(select(raw)).one()._mapping) | {"id": 99, "channel": "mailbox", "state": "waiting"}
            conn.execute(insert(raw).values(row))
            removing = asyncio.create_task(gone_through(desk))
            while not await asyncio.to_thread(desk.store.read_now, _somebody_waits):
                pass

        assert await removing == 0
        other.close()
    postgres.drop(place.database)


def _somebody_waits(conn: Connection) -> bool:
    """For a lock."""
    waiting = text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    return bool(conn.execute(waiting).scalar_one())


async def test_it_is_off_unless_a_time_is_said_and_that_is_a_month_at_least(tmp_path: Path) -> None:
    config = "sealing: {key: '${KEY}'}\n"
    off = loaded(tmp_path, config, ENVIRONMENT).retention.originals
    on = loaded(tmp_path, config + "retention: {originals: 1825d}\n", ENVIRONMENT).retention.originals

    assert (off, on) == (None, timedelta(days=1825))
    with pytest.raises(ConfigErrors, match=r"retention\.originals: is 29 days"):
        loaded(tmp_path, config + "retention: {originals: 29d}\n", ENVIRONMENT)


async def test_an_office_that_says_a_time_removes_by_night_while_it_keeps_house(tmp_path: Path) -> None:
    config = f"data: {{folder: {tmp_path}/data}}\nsealing: {{key: '${{KEY}}'}}\nretention: {{originals: 365d}}\n"
    office = open_office(loaded(tmp_path, config, ENVIRONMENT), lambda: LATER)
    desk = desk_over(office.store)
    over(desk)
    desk.now = LATER - timedelta(days=20)  # which bears the clock out
    over(desk, "X2")
    stopping = asyncio.Event()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for run in Parts(office, office.config, Metrics(), AsyncIOScheduler()).retention().make().finishing:
            group.create_task(run(stopping))
        while not await asyncio.to_thread(removed, desk):
            pass
        stopping.set()
        office.store.wakes.ring_all()

    assert removed(desk) == 1
    await office.close()


def claims(desk: Desk, now: datetime) -> list[ledger.Claim]:
    return desk.write(  # type: ignore[no-any-return]
        lambda conn: ledger.claim(conn, REMOVAL_LANE, now=now, lease=timedelta(minutes=5), limit=10)
    )

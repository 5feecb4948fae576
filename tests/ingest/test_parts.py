"""Which change of a configuration concerns which part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from ingest.config import Config, load
from ingest.crew import Changes, compare
from ingest.metrics import Metrics
from ingest.office import Office, calendar_of, open_office
from ingest.parts import Parts
from tests.ingest.config_files import ENVIRONMENT, write

TEXT = """
sealing: {key: '${KEY}'}
data: {folder: data}
service: {name: 信桥, time_zone: Asia/Shanghai}
calendar: calendar.yaml
channels:
  scans: {kind: letters, folder: scans, every: 60s}
  box: {kind: mailbox, host: mail.example, username: juzhang, password: 'file:box.secret', ca_file: box.pem}
targets:
  oa: {url: http://127.0.0.1:1/w, secret: '${SECRET}', restricted: true}
  stats: {url: http://127.0.0.1:2/w, secret: '${SECRET}', ca_file: stats.pem}
alarms:
  repeat: 4h
  sinks: {duty: {kind: webhook, url: 'http://127.0.0.1:3/'}}
rules: {}
"""
Edit = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("box.secret", "box.pem", "stats.pem"):
        (tmp_path / name).write_text("as it was", "utf-8")
    (tmp_path / "scans").mkdir()
    (tmp_path / "calendar.yaml").write_text("2031: {holidays: [2031-01-01]}\n", "utf-8")
    write(tmp_path, TEXT)
    return tmp_path


def read(folder: Path) -> Config:
    return load(folder / "config.yaml", ENVIRONMENT)


@pytest.fixture
def office(folder: Path) -> Iterator[Office]:
    opened = open_office(read(folder))
    yield opened
    opened.store.close()


def terms(office: Office, config: Config) -> dict[str, object]:
    parts = Parts(office, config, Metrics(), AsyncIOScheduler())
    plans = dict(
        [
            *parts.doors(),
            *parts.targets(),
            *parts.reading(),
            *parts.alarms(lambda: None, lambda: None, lambda _name, _last: None),
        ]
    )
    return {name: plan.terms for name, plan in plans.items()}


def replacing(old: str, new: str, file: str = "config.yaml") -> Edit:
    def edit(folder: Path) -> None:
        path = folder / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    return edit


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (replacing("rules: {}", "rules: {topics: {}}"), ()),
        (replacing("\n", "  # a remark\n"), ()),
        (replacing("every: 60s", "every: 5m"), ("channel scans",)),
        (replacing("as it was", "rotated", "box.secret"), ("channel box",)),
        (replacing("as it was", "renewed", "box.pem"), ("channel box",)),
        (replacing("as it was", "renewed", "stats.pem"), ("target stats",)),
        (replacing("restricted: true", "restricted: only"), ("target oa",)),
        (replacing("repeat: 4h", "repeat: 2h"), ("alarms",)),
        (replacing("127.0.0.1:3", "127.0.0.1:4"), ("alarm sink duty", "alarms")),
        (replacing("name: 信桥", "name: 桥"), ("alarms",)),
        (replacing("2031-01-01", "2031-01-02", "calendar.yaml"), ()),
        (replacing("Asia/Shanghai", "Asia/Urumqi"), ("alarms", "channel box", "channel scans")),
    ],
)
def test_a_change_concerns_whom_it_names(office: Office, folder: Path, edit: Edit, changed: tuple[str, ...]) -> None:
    before = terms(office, read(folder))
    edit(folder)
    after = terms(office, read(folder))

    changes = compare(before, after)

    assert tuple(sorted(changes.changed)) == changed
    assert (changes.added, changes.removed) == ((), ())


def test_a_door_that_is_switched_off_ends_and_its_alarms_with_it(office: Office, folder: Path) -> None:
    before = terms(office, read(folder))
    replacing("every: 60s", "enabled: false")(folder)

    assert compare(before, terms(office, read(folder))) == Changes(
        removed=("channel scans",),
        changed=("alarms",),
        same=("channel box", "target oa", "target stats", "reading", "vetting", "alarm sink duty"),
    )


def test_the_last_sink_gone_the_watch_goes_on(office: Office, folder: Path) -> None:
    before = terms(office, read(folder))
    replacing("  sinks: {duty: {kind: webhook, url: 'http://127.0.0.1:3/'}}\n", "")(folder)

    changes = compare(before, terms(office, read(folder)))

    assert (changes.removed, changes.changed) == (("alarm sink duty",), ("alarms",))


def test_what_is_taken_up_holds_for_desk_reader_and_almanac(office: Office, folder: Path) -> None:
    (folder / "other.yaml").write_text("2032: {holidays: [2032-01-01]}\n", "utf-8")
    replacing("calendar: calendar.yaml", "calendar: other.yaml")(folder)
    replacing("  scans: {kind", "  paper: {kind")(folder)
    replacing("restricted: true", "restricted: only")(folder)
    desk, config = office.desk, read(folder)

    office.take_up(config, calendar_of(config))

    assert office.desk is desk
    assert sorted(desk.clockwork.calendar.years) == sorted(office.almanac.look().years) == [2032]
    assert desk.outbox.targets["oa"].restricted == "only"
    assert set(office.reader.doors) == {"paper", "box"}
    assert office.config is config


def test_a_target_that_would_not_know_a_repetition_is_given_time_to_end(office: Office, folder: Path) -> None:
    """And so is the one before it, which knew them."""
    text = TEXT.replace("restricted: true}", "restricted: true, idempotent: false}")
    parts = Parts(office, load(write(folder, text), ENVIRONMENT), Metrics(), AsyncIOScheduler())

    assert {name: plan.careful for name, plan in parts.targets()} == {"target oa": True, "target stats": False}

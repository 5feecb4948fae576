from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from adapters.letters import LettersSettings
from ingest.config_channels import KINDS, AdapterSettings, adapter_model
from tests.ingest.config_files import MAILBOX, SEALING, TARGETS, loaded, refused

CHINA = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=CHINA)


def _box(**more: str) -> str:
    keys = "".join(f", {key}: {value}" for key, value in more.items())
    return SEALING + TARGETS + f"channels: {{box: {MAILBOX[:-1]}{keys}}}}}\n"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_settings_that_build_a_door(kind: str) -> None:
    model = adapter_model(kind)

    assert issubclass(model, BaseModel)
    assert issubclass(model, AdapterSettings)
    assert model.model_config.get("extra") == "forbid"
    assert model.model_config.get("frozen") is True


def test_a_channel_is_what_all_share_and_what_its_kind_adds(tmp_path: Path) -> None:
    channel = loaded(tmp_path, _box(title="局长信箱", every="5m", jitter="10s", folder="局长")).channels["box"]

    assert (channel.name, channel.title, channel.settings.enabled) == ("box", "局长信箱", True)
    assert (channel.settings.every, channel.settings.jitter) == (timedelta(minutes=5), timedelta(seconds=10))
    assert channel.adapter.folder == "局长"  # type: ignore[attr-defined]


def test_a_channel_without_a_title_is_called_by_its_name_and_polled_every_minute(tmp_path: Path) -> None:
    channel = loaded(tmp_path, _box()).channels["box"]

    assert channel.title == "box"
    assert (channel.settings.every, channel.settings.cron) == (timedelta(seconds=60), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("1h30m", timedelta(minutes=90)),
        ("1500ms", timedelta(seconds=1.5)),
    ],
)
def test_durations_carry_their_unit(tmp_path: Path, text: str, expected: timedelta) -> None:
    assert loaded(tmp_path, _box(every=text)).channels["box"].settings.every == expected


@pytest.mark.parametrize("text", ["60", "1.5h", "5 m", "-5m", "PT5M", "m", "''", "5M", "true", "9999999999999d"])
def test_a_duration_without_a_plain_unit_is_refused(tmp_path: Path, text: str) -> None:
    (said,) = refused(tmp_path, _box(every=text))

    assert "channels.box.every" in said


def test_durations_of_adapters_and_targets_are_written_the_same_way(tmp_path: Path) -> None:
    text = SEALING + (
        "channels:\n"
        "  scans: {kind: letters, folder: scans, settle_after: 30s}\n"
        "targets:\n"
        "  oa: {url: http://oa.example, secret: '${SECRET}', restricted: true, timeout: 1m, retry: {first: 2s}}\n"
    )

    config = loaded(tmp_path, text)

    scans = config.channels["scans"].adapter
    assert isinstance(scans, LettersSettings)
    assert scans.settle_after == timedelta(seconds=30)
    assert config.targets["oa"].timeout == timedelta(minutes=1)
    assert config.targets["oa"].retry.first == timedelta(seconds=2)


@pytest.mark.parametrize("text", ["*/5 8-18 * * mon-fri", "0 9 * * *", "*/10 * * * mon,wed"])
def test_a_cron_line_stands_in_the_place_of_every(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, _box(cron=f"'{text}'")).channels["box"].settings.cron == text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("* * * *", "Wrong number of fields"),
        ("99 * * * *", "expected minute, hour, day, month, day of the week"),
        ("sometimes", "Wrong number of fields"),
        ("* * * * 1-5", "write the days of the week as mon-fri"),
        ("* * * * 0", "write the days of the week as mon-fri"),
    ],
)
def test_a_cron_line_that_says_nothing_is_refused(tmp_path: Path, text: str, part: str) -> None:
    (said,) = refused(tmp_path, _box(cron=f"'{text}'"))

    assert "channels.box.cron" in said
    assert part in said


def test_every_and_cron_together_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, _box(every="5m", cron="'* * * * *'")) == [
        "config.yaml:3:12: channels.box: has both every and cron, expected one of them"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("all", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2026-01-15", datetime(2026, 1, 15, tzinfo=CHINA)),
        ("2026-01-15T08:30:00+09:00", datetime(2026, 1, 14, 23, 30, tzinfo=UTC)),
        ("2026-01-15T08:30:00Z", datetime(2026, 1, 15, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_first_poll_starts_where_it_is_told(tmp_path: Path, text: str, expected: datetime) -> None:
    settings = loaded(tmp_path, _box(start_from=text)).channels["box"].settings

    start = settings.start(NOW, CHINA)
    assert start == expected
    assert start.tzinfo is not None


@pytest.mark.parametrize("text", ["yesterday", "2026-01-15T08:30:00", "2026-13-01", "5"])
def test_a_start_that_cannot_be_understood_is_refused(tmp_path: Path, text: str) -> None:
    assert any("channels.box.start_from" in said for said in refused(tmp_path, _box(start_from=text)))


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    text = SEALING + TARGETS + "channels: {scans: {kind: letters, folder: in, archive: /var/out}}\n"

    config = loaded(tmp_path, text)

    scans = config.channels["scans"].adapter
    assert isinstance(scans, LettersSettings)
    assert (scans.folder, scans.archive) == (tmp_path / "in", Path("/var/out"))
    assert config.data.folder == tmp_path / "data"
    assert loaded(tmp_path, SEALING + "data: {folder: kept}\n").data.folder == tmp_path / "kept"


def test_numbers_written_as_text_stay_as_written(tmp_path: Path) -> None:
    text = (
        SEALING
        + TARGETS
        + ("channels: {xf: {kind: sunshine, base_url: http://xf.example, app_id: 007, app_secret: 1234567}}\n")
    )

    adapter: Any = loaded(tmp_path, text).channels["xf"].adapter

    assert adapter.app_id == "007"
    assert adapter.app_secret.get_secret_value() == "1234567"


def test_two_channels_on_one_mailbox_are_refused(tmp_path: Path) -> None:
    text = SEALING + TARGETS + f"channels:\n  one: {MAILBOX}\n  two: {MAILBOX.replace('mail.', 'MAIL.')}\n"

    assert refused(tmp_path, text) == [
        "config.yaml:5:3: channels.two: reads the same mailbox and folder as channel one; each matter would come twice"
    ]


def test_two_channels_on_one_folder_are_refused_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "link").symlink_to("scans")
    text = (
        SEALING
        + TARGETS
        + ("channels:\n  one: {kind: letters, folder: scans}\n  two: {kind: letters, folder: ./link/../link}\n")
    )

    assert refused(tmp_path, text) == [
        "config.yaml:5:3: channels.two: watches the same folder as channel one; each matter would come twice"
    ]


@pytest.mark.parametrize(("first", "second"), [("scans", "scans/east"), ("scans/east", "./scans")])
def test_a_channel_that_would_read_another_ones_folder_too_is_refused(tmp_path: Path, first: str, second: str) -> None:
    text = f"channels:\n  one: {{kind: letters, folder: {first}}}\n  two: {{kind: letters, folder: {second}}}\n"

    assert refused(tmp_path, SEALING + TARGETS + text) == [
        "config.yaml:5:3: channels.two: watches a folder within that of channel one, or around it; each matter would"
        " come twice"
    ]


def test_an_archive_in_another_ones_folder_is_refused(tmp_path: Path) -> None:
    text = "channels:\n  one: {kind: letters, folder: east, archive: west/read}\n  two: {kind: letters, folder: west}\n"

    assert refused(tmp_path, SEALING + TARGETS + text) == [
        "config.yaml:4:47: channels.one.archive: lies in the folder of channel two, which would take what is filed"
        " there, expected another one"
    ]


def test_an_archive_that_is_the_watched_folder_is_refused(tmp_path: Path) -> None:
    text = SEALING + TARGETS + "channels: {one: {kind: letters, folder: scans, archive: ./scans/}}\n"

    assert refused(tmp_path, text) == [
        "config.yaml:3:57: channels.one.archive: is the watched folder itself, expected another one"
    ]


def test_two_cities_platforms_under_one_name_are_warned_of(tmp_path: Path) -> None:
    hotline = "{kind: hotline, base_url: http://%s.example, app_id: a, app_secret: '${PASSWORD}'}"
    text = SEALING + TARGETS + f"channels:\n  one: {hotline % 'east'}\n  two: {hotline % 'west'}\n"

    (warning,) = loaded(tmp_path, text).warnings
    own_name = text.replace("http://west.example", "http://west.example, platform: west")

    assert "channels.two: its numbers are taken for those of channel one" in str(warning)
    assert loaded(tmp_path, own_name).warnings == ()
    assert loaded(tmp_path, own_name).channels["two"].platform == "west"

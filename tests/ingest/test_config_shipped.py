from __future__ import annotations

import re
from datetime import date, time, timedelta
from pathlib import Path

from ingest.calendar_files import read_calendar
from ingest.config import Config, load
from normalize.calendar import WorkCalendar
from tests.ingest.config_files import KEY, SECRET

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "XINQIAO_KEY": KEY,
    "SUNSHINE_APP_SECRET": "sunshine-secret",
    "HOTLINE_APP_SECRET": "hotline-secret",
    "MAILBOX_PASSWORD": "mailbox-password",
    "OA_WEBHOOK_SECRET": SECRET,
    "OA_TOKEN": "token-of-the-oa-itself",
    "OA_DISCIPLINE_SECRET": SECRET,
    "OA_REPORTS_SECRET": "whsec_" + "R" * 32,
    "OA_DISCIPLINE_REPORTS_SECRET": "whsec_" + "D" * 32,
    "OA_DISCIPLINE_TOKEN": "token-of-the-discipline",
}


def _shipped() -> Config:
    return load(ROOT / "config.yaml", ENVIRONMENT)


def test_the_shipped_configuration_is_usable_without_a_warning() -> None:
    config = _shipped()

    assert config.warnings == ()
    assert {name: channel.title for name, channel in config.channels.items()} == {
        "sunshine": "阳光信访",
        "hotline": "12345热线",
        "director_mailbox": "局长信箱",
        "letters": "人民来信",
    }
    assert {name: target.restricted for name, target in config.targets.items()} == {"oa": False, "discipline": "only"}
    assert config.data.folder == ROOT / "sandbox-data" / "xinqiao"


async def test_every_door_of_the_shipped_configuration_can_be_built() -> None:
    for channel in _shipped().channels.values():
        await channel.build().close()


def test_the_optional_lines_of_the_shipped_configuration_are_usable_too(tmp_path: Path) -> None:
    shipped = (ROOT / "config.yaml").read_text("utf-8")
    optional = re.sub(r"^( *)# ([a-z_]+: [^#]*?)( # .*)?$", r"\1\2", shipped, flags=re.MULTILINE)
    (tmp_path / "calendar.yaml").write_bytes((ROOT / "calendar.yaml").read_bytes())
    (tmp_path / "config.yaml").write_text(optional, "utf-8")

    config = load(
        tmp_path / "config.yaml",
        {
            **ENVIRONMENT,
            "OA_GATEWAY_KEY": "gateway-key",
            "PG_PASSWORD": "pg-password",
        },
    )

    assert config.service.public_url == "https://xinqiao.example"
    assert config.targets["oa"].success is not None
    assert config.targets["oa"].reports is not None
    assert config.rules.reminders.at == time(8, 30)
    assert config.targets["oa"].retry.longest == timedelta(hours=1)


def test_the_targets_shown_in_a_servers_first_configuration_are_usable(tmp_path: Path) -> None:
    first = (ROOT / "deploy" / "config.yaml").read_text("utf-8")
    for name, secret in (("oa", SECRET), ("oa-reports", "whsec_" + "R" * 32), ("key", KEY)):
        (tmp_path / name).write_text(secret)
    shown = re.sub(r"^# (targets:|alarms:| +\w+:.*)$", r"\1", first.replace("targets: {}\n", ""), flags=re.MULTILINE)
    (tmp_path / "calendar.yaml").write_bytes((ROOT / "calendar.yaml").read_bytes())
    (tmp_path / "config.yaml").write_text(shown.replace("/etc/xinqiao/secrets", str(tmp_path)), "utf-8")

    oa = load(tmp_path / "config.yaml", {}).targets["oa"]

    assert oa.reports is not None
    assert oa.reports.secret != oa.secret


def test_the_shipped_year_file_agrees_with_the_built_in_arrangement() -> None:
    shipped, built_in = read_calendar(ROOT / "calendar.yaml"), WorkCalendar()
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]

    assert 2026 in shipped.years
    assert [day for day in days if shipped.is_workday(day) != built_in.is_workday(day)] == []

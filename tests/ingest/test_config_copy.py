"""What of the configuration lies beside a backup: everything but what is secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.cli import main
from ingest.config import load
from ingest.config_copy import copy_without_secrets
from tests.ingest.config_files import ENGLISH, ENVIRONMENT, KEY, write

WRITTEN = """\
sealing: {key: "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="} # the key
database: postgresql+psycopg://xinqiao:hunter2@db.example/xinqiao
calendar: calendar.yaml
channels:
  hotline: &door
    kind: hotline
    base_url: http://127.0.0.1:1
    app_id: xinqiao
    app_secret: "say \\"please\\" 顾"
    timeout: 30s
  second:
    <<: *door
    title: 第二条
  box: {kind: mailbox, host: h, username: u, password: file:secret}
targets:
  oa:
    url: http://127.0.0.1:2
    secret: '${SECRET}'
    token: >-
      a long token
      in two lines
    proxy: http://us:hush@proxy.example:3128
"""


def copied(folder: Path) -> dict[str, bytes]:
    (folder / "config.yaml").write_text(WRITTEN, "utf-8")
    (folder / "calendar.yaml").write_text("{}", "utf-8")
    (folder / "secret").write_text("of a file", "utf-8")
    return copy_without_secrets(folder / "config.yaml", load(folder / "config.yaml", ENVIRONMENT))


def test_every_secret_is_blotted_and_nothing_else_is_changed(tmp_path: Path) -> None:
    text = copied(tmp_path)["config.yaml"].decode()

    assert text == (
        WRITTEN.replace('"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="', "'***'")
        .replace("hunter2", "***")
        .replace('"say \\"please\\" 顾"', "'***'")
        .replace(">-\n      a long token\n      in two lines\n", "'***'\n")
        .replace("http://us:hush@proxy.example:3128", "'***'")
    )


def test_the_calendar_it_names_goes_with_it(tmp_path: Path) -> None:
    assert copied(tmp_path)["calendar.yaml"] == b"{}"


def test_a_backup_of_nothing_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write(tmp_path, f"sealing: {{key: '{KEY}'}}\n{ENGLISH}")

    status = main(["backup", "-c", str(config), "--to", str(tmp_path / "backup")])

    assert (status, capsys.readouterr().err) == (
        1,
        f"xinqiao: {tmp_path}/data: there is no installation in it\n",
    )

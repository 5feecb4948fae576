"""What of the configuration lies beside a backup: everything but what is secret."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ingest.cli import main
from ingest.config import load
from ingest.config_copy import copy_without_secrets
from store.engine import open_store
from tests.ingest.config_files import ENGLISH, ENVIRONMENT, KEY, SEALING, write

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


SHOWN = """\
targets:
  oa:
    url: http://127.0.0.1:2
    secret: '${SECRET}'
    headers: {x-gateway-key: hushhush, content-type: application/json, x-from: xinqiao, x-id: "${SECRET}-3f"}
    holdings: {url: http://127.0.0.1:2/cases, headers: {authorization: "Bearer 0f3ac2"}}
  weaver:
    url: http://127.0.0.1:3
    login:
      calls:
        - path: /token
          headers: {cpk: silence, time: 1800, secret: "{{ rsa('a', 'b') }}"}
          params: {user: mum}
          body: {password: hush hush, deep: [{pin: "0421"}]}
          take: {token: token}
    calls:
      case.created:
        path: /flow
        body: {title: "{{ case.title }}", flow: 12, kind: petition, appid: 3f9c27aa01bd55e8c2aa}
channels:
  hotline:
    kind: feed
    base_url: http://127.0.0.1:4
    app_secret: '${SECRET}'
    auth: {kind: token, login: {path: /login, body: {grant: own, pass: quiet, secret: "{app_secret}"}}}
    listing:
      path: /list
      headers: {apikey: muffled}
      params: {page: "{page}", state: open}
      records: data
      key: [id]
      modified: at
    map: {key: [id], title: [t]}
alarms:
  sinks:
    robot:
      kind: webhook
      url: '${URL}'
      params: {access_token: whisper-1}
      headers: {x-robot: duty}
      body: {text: "{{ text }}", sign: soundless}
"""
KEYS = (
    *("hushhush", '"Bearer 0f3ac2"', "silence", "1800", "mum", "hush hush", '"0421"', "3f9c27aa01bd55e8c2aa"),
    *("own", "quiet", "muffled", "whisper-1", "soundless"),
)
WARNED = {
    "targets.weaver.login.calls.0.body.password",
    "channels.hotline.auth.login.body.pass",
    "targets.oa.headers.x-gateway-key",
    "targets.oa.holdings.headers.authorization",
    "targets.weaver.calls.case.created.body.appid",
    "channels.hotline.listing.headers.apikey",
    "alarms.sinks.robot.params.access_token",
    "alarms.sinks.robot.body.sign",
}


def test_keys_that_stand_in_headers_and_bodies_are_blotted_and_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path, f"{SEALING}{SHOWN}")
    config = load(path, {**ENVIRONMENT, "URL": "http://127.0.0.1:5"})
    expected = path.read_text("utf-8")
    for key in KEYS:
        assert expected.count(f": {key}") == 1
        expected = expected.replace(f": {key}", ": '***'")

    assert copy_without_secrets(path, config)["config.yaml"].decode() == expected
    assert {one.key for one in config.warnings if "looks like a key" in one.text} == WARNED


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


def test_a_backup_that_is_ended_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(tmp_path, f"sealing: {{key: '{KEY}'}}\n{ENGLISH}")
    settings = load(config)
    open_store(settings.database, settings.data.folder, settings.sealing.master()).close()
    monkeypatch.setattr(
        "ingest.command_backup.Progress", lambda _say: lambda _text: os.kill(os.getpid(), signal.SIGTERM)
    )

    with pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)):
        main(["backup", "-c", str(config), "--to", str(tmp_path / "backups" / "night")])

    assert list((tmp_path / "backups").iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

"""`xinqiao check`: every mistake with its place, and what is seen where the configuration leads to."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from dispatch.settings import TargetSettings
from ingest.command_check import check, probe_all
from ingest.probing import probe_target
from tests.ingest.config_files import ENVIRONMENT, MAILBOX, SECRET, TARGETS, loaded, write
from tests.ingest.config_files import SEALING as SEALED

SEALING = "service: {language: en}\n" + SEALED
SEEN = web.AppKey("seen", list[tuple[str, str, set[str]]])
USABLE = SEALING + f"channels: {{box: {MAILBOX}}}\n" + TARGETS


def _args(path: Path, *, connect: bool = False, as_json: bool = False) -> Namespace:
    return Namespace(config=str(path), connect=connect, tell=False, json=as_json)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def oa() -> AsyncIterator[TestServer]:
    """A target that knows /webhook, is in trouble at /broken and notes every request it got."""
    app = web.Application()
    app[SEEN] = seen = []

    async def options(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, {name.lower() for name in request.headers}))
        known = {"/webhook": 405, "/broken": 503, "/moved": 302, "/untaught": 501}
        return web.Response(status=known.get(request.path, 404))

    app.router.add_route("*", "/{path:.*}", options)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


def _target(url: object) -> TargetSettings:
    return TargetSettings.model_validate({"url": str(url), "secret": SECRET, "token": "t" * 16})


@pytest.mark.usefixtures("environment")
def test_a_usable_file_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, USABLE)

    assert check(_args(path)) == 0
    assert capsys.readouterr() == (f"{path}: ok, 1 channel, 1 target\n", "")


@pytest.mark.usefixtures("environment")
def test_every_error_is_a_line_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, USABLE + "log: {level: loud, zzz: 1}\n")

    assert check(_args(path)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(" ")[0] for line in err.splitlines()] == [f"{path}:5:14:", f"{path}:5:20:"]


@pytest.mark.usefixtures("environment")
def test_a_warning_is_said_and_does_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SEALING + TARGETS)

    assert check(_args(path)) == 0
    out, err = capsys.readouterr()
    assert out == f"{path}: ok, 0 channels, 1 target\n"
    assert err == f"{path}:1:1: warning: channels: no channel is configured; nothing will be fetched\n"


@pytest.mark.usefixtures("environment")
def test_a_program_gets_the_same_as_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = check(_args(write(tmp_path, USABLE), as_json=True))
    usable = json.loads(capsys.readouterr().out)
    path = write(tmp_path, SEALING + "log: {level: loud}\n")
    bad = check(_args(path, as_json=True))
    out, err = capsys.readouterr()
    unusable = json.loads(out)

    assert (good, usable["ok"], usable["channels"], usable["targets"]) == (0, True, ["box"], ["oa"])
    assert (bad, unusable["ok"], err) == (1, False, "")
    (error,) = unusable["errors"]
    assert (error["file"], error["line"], error["column"], error["key"]) == (str(path), 3, 14, "log.level")


@pytest.mark.usefixtures("environment")
def test_doors_and_targets_that_do_not_answer_fail_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scans").mkdir()
    path = write(
        tmp_path,
        SEALING
        + "channels:\n"
        + "  scans: {kind: letters, folder: scans, title: 人民来信}\n"
        + f"  box: {MAILBOX[:-1]}, port: {unused_port()}, tls: none}}\n".replace("mail.example", "127.0.0.1")
        + "  off: {kind: letters, folder: nowhere, enabled: false}\n"
        + TARGETS.replace("127.0.0.1:1/", f"127.0.0.1:{unused_port()}/"),
    )

    assert check(_args(path, connect=True)) == 1
    out, err = capsys.readouterr()
    assert [line.split(": ")[:2] for line in out.splitlines()] == [
        [str(path), "ok, 3 channels, 1 target"],
        ["database sqlite", "ok"],
        ["scans recognition", "ok"],
        ["channel scans (人民来信)", "ok"],
    ]
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        ["channel box (box)", "failed"],
        ["target oa", "failed"],
    ]
    assert "Traceback" not in err


async def test_a_target_is_knocked_at_without_signature_or_token(oa: TestServer) -> None:
    probe = await probe_target("oa", _target(oa.make_url("/webhook")))

    ((method, path, headers),) = oa.app[SEEN]
    assert (probe.ok, probe.text) == (True, "reachable, answers OPTIONS with 405")
    assert (method, path) == ("OPTIONS", "/webhook")
    assert not {"authorization", "webhook-id", "webhook-signature"} & headers


@pytest.mark.parametrize(
    ("path", "ok", "said"),
    [
        ("/broken", False, "503"),
        ("/moved", True, "write the final address"),
        ("/typo", True, "look at the path"),
        ("/untaught", True, "answers OPTIONS with 501: fine if it knows POST only"),
    ],
)
async def test_what_a_target_answers_is_explained(oa: TestServer, path: str, ok: bool, said: str) -> None:
    probe = await probe_target("oa", _target(oa.make_url(path)))

    assert probe.ok is ok
    assert said in probe.text


async def test_a_target_that_is_not_there_is_said_in_a_sentence() -> None:
    port = unused_port()

    probe = await probe_target("oa", _target(f"http://127.0.0.1:{port}/webhook"))

    assert (probe.ok, probe.text) == (False, f"cannot connect to 127.0.0.1:{port}: Connection refused")


async def test_answers_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    blocks = "".join(f"  {name}: {{kind: letters, folder: {name}}}\n" for name in ("c", "a", "b"))

    probes = await probe_all(loaded(tmp_path, SEALING + "channels:\n" + blocks))

    doors = [(probe.name, probe.ok) for probe in probes if probe.what == "channel"]
    assert doors == [("c", True), ("a", True), ("b", True)]


CHINESE = SEALED + f"channels: {{box: {MAILBOX}}}\n" + TARGETS


@pytest.mark.usefixtures("environment")
def test_a_chinese_installation_is_told_in_chinese_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, CHINESE + "log: {level: loud, levle: 1}\nlisten: {port: 0}\ncalendar: gone.yaml\n")

    assert check(_args(path)) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{path}:4:14: log.level: 是 \"loud\"，应为'debug', 'info', 'warning' 或 'error'",
        f"{path}:4:20: log.levle: 没有这个键，是否想写“level”？",
        f"{path}:5:16: listen.port: 是 0，应为不小于 1 的数",
        f"{path}:6:11: calendar: {tmp_path / 'gone.yaml'}：读不了：没有这个文件或目录",
    ]


@pytest.mark.usefixtures("environment")
def test_a_chinese_installation_is_told_in_chinese_what_was_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scans").mkdir()
    port = unused_port()
    text = CHINESE.replace("channels: {", "channels: {scans: {kind: letters, folder: scans, title: 人民来信}, ")
    path = write(tmp_path, text.replace("127.0.0.1:1/", f"127.0.0.1:{port}/").replace("mail.example", "mail.invalid"))

    assert check(_args(path, connect=True)) == 1
    out, err = capsys.readouterr()
    assert out.startswith(
        f"{path}：正常，2 个渠道，1 个目标\n数据库 sqlite：正常：{tmp_path / 'data'} 可以写入，磁盘剩余 "
    )
    assert "\n扫描识别 模型：正常：模型齐备；识别 1 行用时 " in out
    assert f"\n渠道 scans（人民来信）：正常：{tmp_path / 'scans'} 里有 0 个文件；读过的移入 " in out
    assert err.startswith("渠道 box（box）：失败：信箱服务器 mail.invalid:993：")
    assert err.endswith(f"\n目标 oa：失败：连不上 127.0.0.1:{port}：连接被拒绝\n")


@pytest.mark.parametrize(
    ("locale", "said"), [("zh_CN.UTF-8", "没有这个文件或目录"), ("C.UTF-8", "No such file or directory")]
)
def test_where_nothing_can_be_read_the_one_who_asks_is_answered_in_his_language(
    locale: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)

    assert check(_args(tmp_path / "config.yaml")) == 1
    assert capsys.readouterr().err.endswith(f"{said}\n")


@pytest.mark.usefixtures("environment")
def test_a_program_is_told_in_the_same_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(_args(write(tmp_path, SEALED), as_json=True))

    said = json.loads(capsys.readouterr().out)
    assert [one["text"] for one in said["warnings"]] == [
        "没有配置渠道；不会收取任何来件",
        "没有配置目标；信访件只存在本机，不发往任何地方",
    ]

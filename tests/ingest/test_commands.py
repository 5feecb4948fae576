"""The commands before what can go wrong: no installation, another's, a daemon that fails, stops or is slow."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import Connection, insert, select, update
from structlog.testing import capture_logs

from ingest import control, operations
from ingest.cli import main
from ingest.command_status import needs_a_person
from ingest.config import Config
from ingest.control import SOCKET, ask, serve_control
from ingest.in_force import InForce, Refusal
from ingest.office import Office, open_office
from ingest.operations import OperationRefused, perform
from normalize.read import read
from normalize.reading import Reading
from store.engine import StoreClosed
from store.ledger import enqueue
from store.schema import alarm, ledger, raw
from tests.ingest.config_files import ENGLISH, ENVIRONMENT, MAILBOX, SEALING, TARGETS, loaded, write
from tests.ingest.desk import open_desk, reading
from tests.rights import ordinary

QUOTED = "顾晓棠 13900000000"
MAIL = "From: a@b.example\r\nSubject: 建议\r\n\r\n请修好桃溪小学门口的路灯。\r\n".encode()


def text(folder: Path) -> str:
    return f"data: {{folder: {folder / 'data'}}}\n{SEALING}channels: {{box: {MAILBOX}}}\n{TARGETS}{ENGLISH}"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, text(tmp_path))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return loaded(tmp_path, text(tmp_path))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The line with which a command ends in 1."""
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1), err
    return err.removeprefix("xinqiao: ").rstrip("\n")


# --- no installation, another's ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["status", "user list", "replay --quarantine"])
def test_asking_after_an_installation_makes_none(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    said = refused(capsys, *command.split(), "-c", str(path))

    assert said.startswith(f"{tmp_path / 'data'}: nothing here yet; start `xinqiao run`")
    assert not (tmp_path / "data").exists()


def test_asking_after_an_empty_database_fills_none(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "xinqiao.db"
    for tables in (False, True):
        file.touch()
        if tables:  # as after a start that died before it had made any
            sqlite3.connect(file).execute("PRAGMA user_version = 1").connection.close()
        size = file.stat().st_size

        assert "nothing here yet" in refused(capsys, "status", "-c", str(path))
        assert file.stat().st_size == size


@pytest.mark.parametrize("command", ["run", "status", "check --connect"])
def test_no_installation_begins_where_one_is_half_restored(path: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "data" / "restoring").mkdir(parents=True)

    done = subprocess.run(
        [sys.executable, "-m", "ingest", *command.split(), "-c", str(path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "`xinqiao restore` has not finished here; give it again" in done.stdout + done.stderr
    assert not (tmp_path / "data" / "xinqiao.db").exists()


def test_the_first_account_begins_an_installation(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.command_user._password", lambda *_, **__: "long enough it is")
    made = main(["user", "add", "wang", "--role", "clerk", "-c", str(path)])
    listed = main(["user", "list", "-c", str(path)])
    said = capsys.readouterr()

    assert (made, listed) == (0, 0)
    assert said.out.splitlines()[-1].split() == ["wang", "clerk"]
    assert said.err.count(f"new installation made          place={tmp_path / 'data'}\n") == 1
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("command", ["status", "user add li --role clerk --password-stdin"])
def test_another_account_s_installation_is_a_line(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("ingest.command_user._password", lambda *_, **__: "long enough it is")
    (tmp_path / "data").mkdir(mode=0)
    with ordinary():
        said = refused(capsys, *command.split(), "-c", str(path))
    (tmp_path / "data").chmod(0o700)

    assert said.startswith(f"{tmp_path / 'data'}: may not be opened; it belongs to ")


def test_a_file_where_the_folder_should_be_is_a_line(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_bytes(b"")

    assert "nothing here yet" in refused(capsys, "status", "-c", str(path))


def test_a_database_that_is_none_is_a_line(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "xinqiao.db").write_bytes(b"not a database at all" * 100)

    said = refused(capsys, "status", "-c", str(path))

    assert said == f"{tmp_path / 'data'}: the database refuses: file is not a database"


# --- a daemon that fails, stops, is slow ------------------------------------------------------------------------------


@asynccontextmanager
async def daemon(config: Config) -> AsyncIterator[Office]:
    office = open_office(config)
    office.in_force = InForce(office.clock())
    runner = await serve_control(office)
    yield office
    await runner.cleanup()
    await office.close()


@asynccontextmanager
async def listening(config: Config, answer: Callable[[web.Request], Any]) -> AsyncIterator[None]:
    """Somebody else at the socket."""
    open_office(config).store.close()
    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(config.data.folder / SOCKET)).start()
    yield
    await runner.cleanup()


def operation(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def fail(*_: object) -> operations.Answer:
        raise error

    monkeypatch.setattr(operations, "OPERATIONS", {"status": fail})


async def test_what_fails_in_the_daemon_is_said_and_logged_without_its_words(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    operation(monkeypatch, ValueError(QUOTED))
    async with daemon(config):
        with capture_logs() as logged, pytest.raises(OperationRefused) as said:
            await ask(config, "status", {}, "wang")

    assert str(said.value) == "status: the daemon failed; its log says where"
    assert [line["event"] for line in logged] == ["request failed"]
    assert QUOTED not in f"{logged} {caplog.text}"


async def test_a_daemon_that_is_stopping_says_so(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    operation(monkeypatch, StoreClosed("closed"))
    async with daemon(config):
        with pytest.raises(OperationRefused, match="the daemon is stopping; ask again"):
            await ask(config, "status", {}, "wang")


async def test_a_socket_of_another_account_is_refused(config: Config) -> None:
    async with daemon(config):
        (config.data.folder / SOCKET).chmod(0)
        with ordinary(), pytest.raises(OperationRefused, match="give this command as that account"):
            await ask(config, "status", {}, "wang")


async def test_a_daemon_that_ends_before_it_answers_is_told(config: Config) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with listening(config, hang_up):
        with pytest.raises(OperationRefused, match="status: the daemon ended before it answered"):
            await ask(config, "status", {}, "wang")


async def test_who_waits_is_told_why_and_not_for_ever(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def think(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(control, "PROMPT", timedelta(milliseconds=20))
    monkeypatch.setattr(control, "PATIENCE", timedelta(milliseconds=300))
    async with listening(config, think):
        with pytest.raises(OperationRefused, match="status: the daemon has not answered for"):
            await ask(config, "status", {}, "wang")

    assert capsys.readouterr().err.startswith("xinqiao: status: the daemon is at it; waiting up to")


@pytest.mark.parametrize("command", ["run", "status", "backup --to x", "verify", "try box", "reconcile"])
def test_every_command_says_what_is_wrong_with_a_configuration_in_its_language(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    text_ = text(tmp_path).removesuffix(ENGLISH).replace("channels: {", "channels: {hotlin: {kind: hotlin}, ")
    path = write(tmp_path, text_.replace("restricted: true", "restricted: maybe"))

    assert main([*command.split(), "-c", str(path)]) == 1
    kinds = "'sunshine', 'hotline', 'mailbox', 'letters' 或 'feed'"
    assert capsys.readouterr().err.splitlines() == [
        f'xinqiao: {path}:3:27: channels.hotlin.kind: 是 "hotlin"，应为{kinds}',
        f"xinqiao: {path}:4:76: targets.oa.restricted: 是 \"maybe\"，应为逻辑值 true、false，或 'only' 或 'numbers'",
    ]


# --- what is asked ----------------------------------------------------------------------------------------------------


def town(folder: Path, count: int) -> list[str]:
    """So many matters, one a minute, all of them kept aside; the cases read from them before."""
    with open_desk(folder) as desk:
        found = [*desk.take_in(reading("sunshine:A1"), key="A1")]
        for number in range(1, count):
            found += desk.take_in(reading(f"sunshine:B{number}"), key=f"B{number}")
        desk.write(lambda conn: conn.execute(update(raw).values(state="quarantined")))
    return found


async def test_status_counts_all_that_is_kept_aside(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    town(config.data.folder, 23)

    answer = await ask(config, "status", {}, "wang")
    people = await asyncio.to_thread(main, ["status", "-c", str(config.data.folder.parent / "config.yaml")])

    assert (answer["quarantined"], len(answer["quarantine"]), people) == (23, 20, 1)
    assert "quarantine: 23, the newest 20\n" in capsys.readouterr().out


async def test_a_step_that_was_given_up_needs_a_person(config: Config) -> None:
    with open_desk(config.data.folder) as desk:
        desk.write(lambda conn: enqueue(conn, "fetch:box", {}, now=desk.now))
    before = await ask(config, "status", {}, "wang")
    with open_desk(config.data.folder) as desk:
        desk.write(lambda conn: conn.execute(update(ledger).values(state="dead")))
    after = await ask(config, "status", {}, "wang")

    assert (needs_a_person(before), needs_a_person(after)) == (False, True)


async def test_status_shows_lasting_alarms_and_that_the_file_as_it_stands_is_refused(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
    async with daemon(config) as office:
        row = {"key": "quarantine", "kind": "quarantine", "facts": {"count": 2}, "since": at, "told_at": at}
        await office.store.write(lambda conn: conn.execute(insert(alarm).values(row)))
        office.in_force = InForce(at, Refusal(at, ("config.yaml:2:1: sealing: missing, this block needs it",)))
        answer = await ask(config, "status", {}, "wang")
        people = await asyncio.to_thread(main, ["status", "-c", str(config.data.folder.parent / "config.yaml")])

    assert answer["configuration"]["refused"] == {
        "since": at.isoformat(),
        "problems": ["config.yaml:2:1: sealing: missing, this block needs it"],
    }
    assert answer["alarms"] == [{"kind": "quarantine", "facts": {"count": 2}, "since": at.isoformat()}]
    assert people == 1
    assert capsys.readouterr().out.splitlines()[:4] == [
        "configuration: as it stands it is refused (since 03-02 09:30); the one read at 03-02 09:30 is in force",
        "  config.yaml:2:1: sealing: missing, this block needs it",
        "alarms: 1",
        "  since 03-02 09:30: quarantine: 2 matters could not be read and wait for a person",
    ]


async def test_a_daemon_is_reached_also_while_its_file_is_bad(
    config: Config, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with daemon(config):
        write(path.parent, f"{text(path.parent)}nonsense: 1\n")
        status = await asyncio.to_thread(main, ["status", "-c", str(path)])
        reached = capsys.readouterr()
    alone = await asyncio.to_thread(main, ["status", "-c", str(path)])
    left = capsys.readouterr()

    assert (status, reached.out.splitlines()[0]) == (1, "doors")
    assert reached.err.splitlines()[0].startswith(f"xinqiao: {path}:6:1: nonsense: unknown key")
    assert reached.err.splitlines()[1:] == [
        "xinqiao: the file as it stands is refused; the daemon goes on with the one before"
    ]
    assert (alone, left.out, left.err) == (1, "", reached.err.splitlines()[0] + "\n")


def test_an_empty_quarantine_says_so(path: Path, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    with open_desk(config.data.folder):
        """An installation with nothing in it."""

    assert main(["quarantine", "list", "-c", str(path)]) == 0
    assert capsys.readouterr().out == "nothing\n"


async def test_reading_again_keeps_to_every_condition(config: Config) -> None:
    case, *_ = town(config.data.folder, 4)
    office = open_office(config)

    def taken_in(conn: Connection) -> list[datetime]:
        return list(conn.execute(select(raw.c.fetched_at).order_by(raw.c.id)).scalars())

    at = [moment.isoformat() for moment in await office.store.read(taken_in)]
    asked: list[dict[str, Any]] = [
        {"quarantine": True},
        {"quarantine": True, "case": case},
        {"quarantine": True, "since": at[1], "until": at[3]},
        {"since": at[0], "until": at[1]},
        {"case": case, "since": at[1]},
    ]
    found = [await perform(office, "replay-read", {**one, "dry_run": True}, "wang") for one in asked]
    await office.close()

    assert [one["read_again"] for one in found] == [4, 1, 2, 1, 0]


@pytest.mark.parametrize("more", [["--target", "oa"], ["--dead"]], ids=str)
def test_what_belongs_to_sending_is_wrong_usage_of_reading(
    path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main(["replay", "--quarantine", *more, "-c", str(path)]) == 2
    assert "expected --send" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["nan", "inf", "1e-320", "0", "-1"])
def test_a_rate_at_which_nothing_would_ever_be_done_is_wrong_usage(
    path: Path, capsys: pytest.CaptureFixture[str], rate: str
) -> None:
    for what in (["--send", "--dead"], ["--quarantine"]):
        assert main(["replay", *what, f"--rate={rate}", "-c", str(path)]) == 2
    assert "expected a --rate of 0.001 or more" in capsys.readouterr().err


def test_a_number_no_database_can_hold_is_wrong_usage(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["quarantine", "read", "99999999999999999999", "-c", str(path)])

    assert '"99999999999999999999" is no number that can be' in capsys.readouterr().err


@pytest.mark.parametrize("action", ["add wang --role clerk", "password wang"])
def test_a_password_that_is_not_typed_is_a_line(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    def ctrl_d(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", ctrl_d)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    assert refused(capsys, "user", *action.split(), "-c", str(path)) == "user: no password was typed"


def test_where_the_output_has_no_room_it_is_a_line() -> None:
    run = "import sys; from ingest.cli import main; sys.exit(main())"
    with Path("/dev/full").open("w") as full:
        environment = os.environ | {"LC_ALL": "C"}
        done = subprocess.run(
            [sys.executable, "-c", run, "schema"], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )

    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == ["xinqiao: the output cannot be written: No space left on device"]


@pytest.mark.parametrize(
    ("command", "act", "where"),
    [
        ("backup --to copy", "ingest.command_backup.snapshot", "copy"),
        ("restore --from backup --to copy", "ingest.command_backup.restore", "copy"),
        ("verify", "ingest.command_verify.looked_at", "data"),
        ("move --to postgresql+psycopg://x@localhost/x --blobs copy", "ingest.command_move.Source", "copy"),
    ],
)
def test_a_full_disk_is_named_by_what_was_to_be_written(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    command: str, act: str, where: str,
) -> None:  # fmt: skip
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(act, full)
    monkeypatch.chdir(tmp_path)

    said = refused(capsys, *command.split(), "-c", str(path))

    assert said.removeprefix(f"{tmp_path}/").startswith(f"{where}: No space left on device")


def test_a_configuration_that_is_named_or_lies_here_rules_the_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, text(tmp_path) + "rules: {restrict: {terms: [路灯]}}\n")
    mail = tmp_path / "elsewhere" / "a.eml"
    mail.parent.mkdir()
    mail.write_bytes(MAIL)
    said = []

    for folder, named in ((mail.parent, []), (mail.parent, ["-c", str(path)]), (tmp_path, [])):
        monkeypatch.chdir(folder)
        said.append(main(["read", "--kind", "mailbox", *named, str(mail)]))
    found = [json.loads(line)["case"]["restricted"] for line in capsys.readouterr().out.splitlines()]

    assert (said, found) == ([0, 0, 0], [False, True, True])


@pytest.mark.parametrize(
    ("locale", "said"),
    [("zh_CN.UTF-8", "邮件没有内容（零字节）"), ("C.UTF-8", "the mail has no content (zero bytes)")],
)
def test_why_a_file_cannot_be_read_is_said_in_the_readers_language(
    locale: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.eml").write_bytes(b"")

    assert main(["read", "--kind", "mailbox", str(tmp_path / "a.eml")]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == said


def test_a_reader_s_bug_costs_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:

    def fails_once(content: bytes, *more: Any) -> list[Reading]:
        if content.startswith(b"X-Bad"):
            raise ValueError(QUOTED)
        return read(content, *more)

    monkeypatch.setattr("normalize.read.read", fails_once)
    monkeypatch.chdir(tmp_path)
    for name, content in (("a.eml", b"X-Bad: 1\r\n" + MAIL), ("b.eml", MAIL)):
        (tmp_path / name).write_bytes(content)

    status = main(["read", "--kind", "mailbox", str(tmp_path / "a.eml"), str(tmp_path / "b.eml")])
    bad, good = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert status == 0
    assert (bad["disposition"], good["disposition"]) == ("quarantine", "case")
    assert bad["reason"].startswith("the reader failed: ValueError in fails_once")
    assert QUOTED not in bad["reason"]

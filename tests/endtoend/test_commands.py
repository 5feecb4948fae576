"""Every command of the manual as a person types it, on a real installation, with the daemon and without."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jsonschema
import pytest
import pytest_asyncio

from sandbox.ports import free_port
from tests.adapters.spreadsheets import sheet
from tests.endtoend.conftest import Town, a_town
from tests.endtoend.installation import Installation, Said
from tests.endtoend.letterbox import letters

pytestmark = [pytest.mark.dovecot, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

MAILS = letters(7)
PASSWORD = "柳荫里 forty two\n"
COMMANDS = (
    "run", "check", "try", "read", "status", "replay", "correct", "quarantine", "pause", "resume", "sheet", "schema",
    "user", "backup", "restore", "verify", "sandbox",
)  # fmt: skip
DOORS = ("director_mailbox", "hotline", "letters", "sunshine")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """A town at work: every test leaves it running and at rest."""
    async with a_town(tmp_path_factory.mktemp("town"), "--preload", "sunshine=4,hotline=4,letters=1") as town:
        await town.post(MAILS)
        await town.office.start()
        await town.office.at_rest()
        yield town
        assert await town.office.stop() < 10


@pytest.fixture
def office(town: Town) -> Installation:
    return town.office


def one_line(said: Said, status: int) -> str:
    """The error a command ended with: the status expected, one readable line, nothing else."""
    assert (said.status, said.out) == (status, "")
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    return said.err


# --- help and wrong usage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
async def test_each_help_has_an_example(office: Installation, name: str) -> None:
    said = await office.bare(name, "--help")

    assert (said.status, said.err) == (0, "")
    assert "xample" in said.out
    assert f"xinqiao {name}" in said.out.partition("xample")[2]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("telephone",),
        ("status", "--colour"),
        ("try",),
        ("try", "sunshine", "--limit", "0"),
        ("try", "sunshine", "--since", "last week"),
        ("read", "--kind", "fax", "a.tif"),
        ("read", "--kind", "feed", "a.json"),
        ("read", "--kind", "mailbox"),
        ("replay",),
        ("replay", "--read"),
        ("replay", "--send"),
        ("replay", "--quarantine", "--send"),
        ("replay", "--read", "--since", "monday"),
        ("run", "--stages", "poll,fly"),
        ("run", "--stages", ""),
        ("user", "promote", "wang"),
        ("correct", "2026-000001"),
        ("correct", "2026-000001", "title"),
        ("correct", "2026-000001", "title=x", "--undo", "title"),
        ("correct", "2026-000001", "content=@nowhere.txt"),
        ("quarantine", "list", "7"),
        ("quarantine", "read"),
        ("quarantine", "register", "7"),
        ("quarantine", "dismiss", "7"),
        ("quarantine", "dismiss", "7", "--reason", "boring"),
        ("pause", "door", "hotline"),
        ("pause", "window", "hotline", "--reason", "x"),
        ("sheet", "2026-000001"),
        ("user", "add"),
        ("user", "add", "wang"),
        ("user", "add", "wang", "--role", "king"),
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_status_2_and_a_line(office: Installation, arguments: tuple[str, ...]) -> None:
    said = await office.bare(*arguments)

    assert (said.status, said.out) == (2, "")
    assert said.err.splitlines()[-1].startswith("xinqiao")
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("try", "fax"), "配置里没有渠道 fax；现有 sunshine, hotline"),
        (("replay", "--read", "--case", "2026-999999"), "没有信访件 2026-999999；应为它的 case_id 或编号"),
        (("replay", "--send", "--target", "boa"), "配置里没有目标 boa；现有 oa, discipline"),
        (("user", "password", "nobody", "--password-stdin"), "nobody"),
        (("user", "role", "nobody", "--role", "clerk"), "nobody"),
        (("user", "disable", "nobody"), "nobody"),
    ],
    ids=str,
)
async def test_what_does_not_exist_is_status_1_and_a_line(
    office: Installation, arguments: tuple[str, ...], expected: str
) -> None:
    said = await office.command(*arguments, stdin="a long password\n")

    assert expected in one_line(said, 1)


# --- configuration ----------------------------------------------------------------------------------------------------


async def test_check_says_that_all_is_well_and_knocks_everywhere(office: Installation) -> None:
    quiet = await office.command("check")
    knocked = await office.command("check", "--connect", "--json")

    assert (quiet.status, quiet.out) == (0, f"{office.config}：正常，4 个渠道，2 个目标\n")
    assert knocked.status == 0
    assert {probe["name"] for probe in knocked.json["probes"] if probe["ok"]} == {
        "sqlite", "recognition", *DOORS, "oa", "discipline",
    }  # fmt: skip


async def test_check_names_the_door_that_is_shut(town: Town) -> None:
    await town.standins.fault("hotline", "down")
    said = await town.office.command("check", "--connect")
    await town.standins.fault("hotline", "none")

    assert said.status == 1
    assert [line.partition("：")[0] for line in said.err.splitlines()] == ["渠道 hotline（hotline）"]


async def test_a_mistake_in_the_file_is_told_with_its_place_by_every_command(office: Installation) -> None:
    broken = office.folder / "broken.yaml"
    broken.write_text(office.config.read_text("utf-8").replace("every: 1s", "every: often", 1), "utf-8")
    said = [await office.bare(name, "-c", str(broken)) for name in ("check", "status", "run")]

    assert [one.status for one in said] == [1, 1, 1]
    for one in said:
        assert f"{broken}:15:12: channels.sunshine.every: " in one.err
        assert "Traceback" not in one.err


async def test_no_file_is_a_line(office: Installation) -> None:
    said = await office.bare("status", "-c", str(office.folder / "nowhere.yaml"))

    assert "nowhere.yaml" in one_line(said, 1)


# --- looking before taking --------------------------------------------------------------------------------------------


async def test_try_shows_what_each_door_would_bring_and_takes_nothing(town: Town) -> None:
    before = await town.office.status()
    tried = {name: await town.office.command("try", name, "--limit", "2") for name in DOORS if name != "letters"}

    assert {name: (said.status, said.err) for name, said in tried.items()} == dict.fromkeys(tried, (0, ""))
    for name, said in tried.items():
        assert [line["disposition"] for line in said.lines] == ["case", "case"]
        assert {line["case"]["channel"] for line in said.lines} == {name}
        assert {line["case"]["case_id"] for line in said.lines} == {"unregistered"}
    assert (await town.office.status())["stages"] == before["stages"]


async def test_try_leaves_a_scan_where_it_lies(town: Town, tmp_path: Path) -> None:
    resting = tmp_path / "resting.yaml"
    scans = tmp_path / "scans"
    scans.mkdir()
    scan = archived(town).read_bytes()
    (scans / "scan.bin").write_bytes(scan)
    text = town.office.config.read_text("utf-8").replace(f"folder: {town.standins.letters}", f"folder: {scans}")
    resting.write_text(text, "utf-8")
    said = await town.office.bare("try", "letters", "-c", str(resting))

    assert (said.status, said.err) == (0, "")
    assert [line["case"]["reading"]["method"] for line in said.lines] == ["ocr"]
    assert [path.read_bytes() for path in scans.iterdir()] == [scan]


async def test_try_a_shut_door_is_a_line(town: Town) -> None:
    await town.standins.fault("sunshine", "500")
    said = await town.office.command("try", "sunshine")
    await town.standins.fault("sunshine", "none")

    assert "channel sunshine" in one_line(said, 1)


async def test_read_prints_what_the_daemon_would_make_of_a_file(town: Town, tmp_path: Path) -> None:
    mail, scan, page = tmp_path / "a.eml", archived(town), tmp_path / "page.json"
    mail.write_bytes(MAILS[0].raw)
    petitions = await town.standins.petitions()
    number, record = next(iter(petitions.items()))
    page.write_text(json.dumps(record, ensure_ascii=False), "utf-8")
    by_mail = await town.office.bare("read", "--kind", "mailbox", str(mail))
    by_letter = await town.office.bare("read", "--kind", "letter", str(scan))
    by_feed = await town.office.command("read", "--kind", "feed", "--channel", "sunshine", str(page))
    exported = tmp_path / "exported.xlsx"
    exported.write_bytes(sheet([["xfjid", "bt", "tsnr"], ["XF-1", "路灯不亮", "路灯坏了三天。"]]))
    by_sheet = await town.office.command("read", "--kind", "feed", "--channel", "sunshine", str(exported))

    for said, file in ((by_mail, mail), (by_letter, scan), (by_feed, page), (by_sheet, exported)):
        assert (said.status, said.err) == (0, "")
        assert [(line["file"], line["disposition"]) for line in said.lines] == [(str(file), "case")]
    assert by_mail.lines[0]["case"]["title"] == MAILS[0].title
    assert by_letter.lines[0]["case"]["reading"]["method"] == "ocr"
    assert by_feed.lines[0]["case"]["source_no"] == number
    assert by_sheet.lines[0]["case"]["content"] == "路灯坏了三天。"


async def test_a_file_without_records_is_told_with_its_reason_and_the_others_are_read(
    town: Town, tmp_path: Path
) -> None:
    bomb, record = tmp_path / "bomb.xml", tmp_path / "a.xml"
    bomb.write_text('<!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>')
    record.write_text("<xfj><xfjid>XF-2</xfjid><bt>操场扬尘</bt><tsnr>操场扬尘大。</tsnr></xfj>", "utf-8")

    said = await town.office.command("read", "--kind", "feed", "--channel", "sunshine", str(bomb), str(record))

    assert (said.status, said.err) == (0, "")
    assert [(one["file"], one["disposition"]) for one in said.lines] == [
        (str(bomb), "quarantine"),
        (str(record), "case"),
    ]
    assert "DTD" in said.lines[0]["reason"]


async def test_read_goes_on_after_a_file_it_cannot_open(office: Installation, tmp_path: Path) -> None:
    mail, junk = tmp_path / "a.eml", tmp_path / "junk.eml"
    mail.write_bytes(MAILS[1].raw)
    junk.write_bytes(b"\0\1\2 no mail at all")
    said = await office.bare("read", "--kind", "mailbox", str(tmp_path / "none.eml"), str(junk), str(mail))

    assert said.status == 1
    assert said.err == f"xinqiao: {tmp_path / 'none.eml'}: No such file or directory\n"
    assert [line["disposition"] for line in said.lines] == ["quarantine", "case"]
    assert said.lines[0]["reason"]


# --- a running installation -------------------------------------------------------------------------------------------


async def test_status_is_told_to_people_and_to_scripts(office: Installation) -> None:
    people, scripts = await office.command("status"), await office.command("status", "--json")

    assert (people.status, people.err, scripts.status, scripts.json["running"]) == (0, "", 0, True)
    assert "信访件：16" in people.out
    doors = people.out.partition("渠道\n")[2].splitlines()[: len(DOORS)]
    assert [line.split()[:2] for line in doors] == [[door, "畅通"] for door in DOORS]
    assert scripts.json["stages"]["cases"] == 16


async def test_every_delivered_body_keeps_to_the_printed_schema(town: Town) -> None:
    said = await town.office.bare("schema")
    assert (said.status, said.err) == (0, "")
    assert said.json["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(said.json)
    validator = jsonschema.Draft202012Validator(said.json, format_checker=jsonschema.FormatChecker())

    assert len(town.recorder.attempts) >= 16
    for attempt in town.recorder.attempts:
        validator.validate(json.loads(attempt.body))


async def test_reading_again_tells_the_oa_nothing_when_nothing_changed(town: Town) -> None:
    attempts, case = len(town.recorder.attempts), (await town.standins.oa_cases())[0]["case"]
    dry = await town.office.command("replay", "--read", "--since", "2026-01-01", "--dry-run")
    one = await town.office.command("replay", "--read", "--case", case["case_no"])
    await town.office.at_rest()
    everything = await town.office.command("replay", "--read", "--since", "2026-01-01", "--json")
    await town.office.at_rest()

    assert [said.status for said in (dry, one, everything)] == [0, 0, 0]
    assert (dry.out, one.out) == ("将重新读取 16 件\n", "重新读取 1 件\n")
    assert everything.json["read_again"] == 16
    assert len(town.recorder.attempts) == attempts


async def test_sent_again_an_event_has_its_id_and_its_bytes(town: Town) -> None:
    case = (await town.standins.oa_cases())[0]["case"]
    first = [one for one in town.recorder.attempts if case["case_id"].encode() in one.body]
    before = len(town.recorder.attempts)
    dry = await town.office.command("replay", "--send", "--case", case["case_id"], "--dry-run")
    said = await town.office.command("replay", "--send", "--case", case["case_id"])
    await town.office.at_rest()

    assert (dry.out, said.out) == (f"将重发 {len(first)} 个事件\n", f"重发 {len(first)} 个事件\n")
    assert {(one.event_id, one.body) for one in town.recorder.attempts[before:]} == {
        (one.event_id, one.body) for one in first
    }
    assert (await town.standins.get("oa", "/api/stats"))["altered"] == 0


async def test_what_an_oa_rejects_waits_for_a_person_who_sends_it_again(town: Town) -> None:
    town.recorder.refuse = 400
    await town.standins.arrive("hotline", 1)
    await town.office.until(lambda: town.office.said("event laid aside; its case's later events wait") > 0, "rejection")
    status = await town.office.command("status")
    town.recorder.refuse = None
    said = await town.office.command("replay", "--send", "--dead", "--target", "oa")
    restricted = await town.office.command("replay", "--send", "--dead", "--target", "discipline")
    after = await town.office.at_rest()

    assert status.status == 1
    assert "被拒绝 1" in status.out
    assert sorted([said.out, restricted.out]) == ["重发 0 个事件\n", "重发 1 个事件\n"]
    assert [target["rejected"] for target in after["targets"]] == [0, 0]


async def test_a_target_that_says_it_is_gone_is_paused_until_a_person_resumes_it(town: Town) -> None:
    town.recorder.refuse = 410
    case = (await town.standins.oa_cases())[0]["case_id"]
    await town.office.command("replay", "--send", "--case", case)
    paused = "target says it is gone (410) and is paused until resumed"
    await town.office.until(lambda: town.office.said(paused, target="oa") == 1, "the target is paused")
    status = await town.office.command("status", "--json")
    town.recorder.refuse = None
    said = await town.office.command("replay", "--send", "--target", "oa")
    after = await town.office.at_rest()

    assert status.status == 1
    assert {target["name"]: target["state"] for target in status.json["targets"]}["oa"] == "paused"
    assert said.out.endswith("目标已恢复\n")
    assert {target["state"] for target in after["targets"]} == {"open"}


async def test_accounts_are_made_and_changed_while_the_daemon_runs(office: Installation) -> None:
    added = await office.command("user", "add", "wang", "--role", "clerk", "--password-stdin", stdin=PASSWORD)
    again = await office.command("user", "add", "wang", "--role", "clerk", "--password-stdin", stdin=PASSWORD)
    weak = await office.command("user", "add", "li", "--role", "clerk", "--password-stdin", stdin="short\n")
    changes = [
        await office.command("user", "role", "wang", "--role", "auditor"),
        await office.command("user", "password", "wang", "--password-stdin", stdin="another long password\n"),
        await office.command("user", "disable", "wang"),
    ]
    listed = await office.command("user", "list")
    enabled = await office.command("user", "enable", "wang", "--json")

    assert (added.status, added.out) == (0, "账号 wang：已办好\n")
    assert "wang" in one_line(again, 1)
    assert "应为 10 至 256 个" in one_line(weak, 1)
    assert [(said.status, said.out) for said in changes] == [(0, "账号 wang：已办好\n")] * 3
    assert listed.out.split() == ["wang", "审计", "已停用"]
    assert enabled.json == {"name": "wang", "enabled": True}


async def test_a_second_daemon_on_the_same_folder_is_refused_in_a_line(office: Installation) -> None:
    said = await office.command("run")

    assert one_line(said, 1) == f"xinqiao: {office.data}：另有 xinqiao 进程正在用这个数据文件夹\n"


# --- without a daemon -------------------------------------------------------------------------------------------------


async def test_what_could_not_be_read_is_read_again_after_the_fix(town: Town, tmp_path: Path) -> None:
    """Stage by stage, with every command at rest: taken in, kept aside for want of its channel, read, delivered."""
    office = beside(town, tmp_path)
    await office.start("--stages", "poll")
    await office.until(lambda: office.said("matters taken in", channel="sunshine") > 0, "petitions are taken in")
    await office.stop()
    whole = office.config.read_text("utf-8")
    office.config.write_text(whole.replace("  sunshine:\n", "  another_name:\n"), "utf-8")
    await office.start("--stages", "read")
    await office.until(lambda: office.said("kept aside") == 4, "all are kept aside")
    await office.stop()
    office.config.write_text(whole, "utf-8")
    status = await office.command("status")
    dry = await office.command("replay", "--quarantine", "--dry-run")
    said = await office.command("replay", "--quarantine")
    await office.start()
    after = await office.at_rest()
    await office.stop()

    assert status.status == 1
    assert status.out.startswith("守护进程没有在运行；")
    assert "隔离区：4 件" in status.out
    assert "配置里已没有渠道 sunshine" in status.out
    assert (dry.out, said.out) == ("将重新读取 4 件\n", "重新读取 4 件\n")
    assert after["quarantine"] == []
    assert after["stages"]["cases"] == 4


async def test_a_process_without_the_console_answers_monitors_and_nobody_else(town: Town, tmp_path: Path) -> None:
    office = beside(town, tmp_path)
    port = re.search(r"\n  port: (\d+)", office.config.read_text("utf-8"))
    assert port is not None
    await office.start("--stages", "poll,probes")
    await office.until(lambda: office.said("matters taken in", channel="sunshine") > 0, "petitions are taken in")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port[1]}") as monitor:
        answers = {path: await monitor.get(path) for path in ("/healthz", "/readyz", "/metrics", "/", "/api/v1/cases")}
        numbers = await answers["/metrics"].text()
    await office.stop()

    assert [answer.status for answer in answers.values()] == [200, answers["/readyz"].status, 200, 404, 404]
    assert answers["/readyz"].status in {200, 503}  # by how far the doors have come
    assert 'xinqiao_matters_taken_in_total{channel="sunshine"}' in numbers
    assert {answer.headers["Server"] for answer in answers.values()} == {"xinqiao"}


NOTHING_HERE = "这里还什么都没有；请运行 `xinqiao run`（若它仍在另一个文件夹上工作，请重启）"


async def test_commands_work_on_an_installation_at_rest(town: Town, tmp_path: Path) -> None:
    office = beside(town, tmp_path)
    before = await office.command("status")
    added = await office.command("user", "add", "wang", "--role", "operator", "--password-stdin", stdin=PASSWORD)
    listed = await office.command("user", "list", "--json")
    await office.start()
    await office.at_rest()
    await office.stop()
    sent = await office.command("replay", "--send", "--since", "2026-01-01")
    waiting = await office.status()

    assert one_line(before, 1) == f"xinqiao: {office.data}：{NOTHING_HERE}\n"
    assert added.status == 0
    assert [(one["name"], one["role"]) for one in listed.json] == [("wang", "operator")]
    assert sent.status == 0
    assert sum(lane.get("ready", 0) for lane in waiting["stages"]["ledger"].values()) > 3


async def test_a_data_folder_of_a_later_version_or_another_key_is_left_alone_in_a_line(
    town: Town, tmp_path: Path
) -> None:
    office = beside(town, tmp_path)
    await office.command("user", "add", "wang", "--role", "operator", "--password-stdin", stdin=PASSWORD)
    other = Installation(
        office.folder, office.config.read_text("utf-8"), {**secrets(town), "XINQIAO_KEY": "A" * 43 + "="}
    )
    wrong_key = [await other.command("status"), await other.command("run")]
    with sqlite3.connect(office.data / "xinqiao.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    newer = [await office.command("status"), await office.command("run")]

    assert all("出自更新的版本" in one_line(said, 1) for said in newer)
    assert all("主密钥" in one_line(said, 1) for said in wrong_key)


async def test_a_port_in_use_is_a_line(town: Town, tmp_path: Path) -> None:
    office = beside(town, tmp_path)
    port = int(town.standins.places["oa"].rpartition(":")[2])
    office.config.write_text(listening_on(port, office.config.read_text("utf-8")), "utf-8")
    said = await office.command("run")

    assert said.status == 1
    assert said.err.splitlines()[-1] == f"xinqiao: listen：不能使用 127.0.0.1:{port}：地址已被占用"
    assert "Traceback" not in said.err


def beside(town: Town, folder: Path) -> Installation:
    """Another installation on the same platform; no other door."""
    text = town.office.config.read_text("utf-8").replace(str(town.office.folder), str(folder))
    begin, end = text.index("  hotline:\n"), text.index("targets:\n")
    return Installation(folder, listening_on(free_port(), text[:begin] + text[end:]), secrets(town))


def listening_on(port: int, config: str) -> str:
    return re.sub(r"\n  port: \d+", f"\n  port: {port}", config, count=1)


def secrets(town: Town) -> dict[str, str]:
    return dict(town.standins.keys)


def archived(town: Town) -> Path:
    return next((town.office.folder / "archive").rglob("*.*"))


# --- verify -----------------------------------------------------------------------------------------------------------


async def test_an_installation_at_work_is_proved_and_its_anchor_holds(office: Installation) -> None:
    said = await office.command("verify", "--json")
    assert (said.status, said.json["findings"]) == (0, []), said.out
    assert min(said.json["looked_at"].values()) > 0
    anchor = said.json["anchor"]

    held = await office.command("verify", "--no-originals", "--anchor", anchor)
    assert (held.status, held.out.splitlines()[-1]) == (0, "全部无误")
    other = await office.command(
        "verify", "--no-originals", "--anchor", f"{anchor[:-1]}{'0' if anchor[-1] != '0' else '1'}"
    )
    assert other.status == 1
    assert other.out.startswith("办理记录：缺失：")
    assert "--anchor" in one_line(await office.command("verify", "--anchor", "yesterday"), 2)


async def test_where_there_is_nothing_to_prove_it_says_so(office: Installation, tmp_path: Path) -> None:
    config = office.config.read_text("utf-8").replace(f"folder: {office.data}", f"folder: {tmp_path}/nothing")
    empty = Installation(tmp_path / "elsewhere", config, office.secrets)

    assert "其中没有安装" in one_line(await empty.command("verify"), 1)
    assert not (tmp_path / "nothing").exists()

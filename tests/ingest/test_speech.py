"""Commands speak to people in the installation's language; to scripts they say the same in any."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Formatter

import pytest

from ingest import inbox
from ingest.catalogue import LANGUAGES, Language, load_words
from ingest.cli import main
from ingest.sayings.commands import FOLDER
from ingest.sayings.speech import Speech, padded
from ingest.verifying import sealed
from tests.ingest.config_files import ENVIRONMENT, MAILBOX, SEALING, TARGETS, write
from tests.ingest.desk import open_desk, reading
from tests.ingest.test_rewording import ENGLISH

CODES = {"raw_state", "item_state", "pause_state", "finding", "proved"}
"""Groups of codes: in English they stand for themselves."""
REASON = "the scan cannot be read: 图片文件头无法读取，文件损坏或不完整"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """Its folder: a case, one arrival kept aside."""
    with open_desk(tmp_path / "data") as desk:
        desk.take_in(reading("box:A1"), key="A1")
        aside = desk.arrive(key="A2")
        desk.write(lambda conn: inbox.mark(conn, [inbox.End(aside, "quarantined", REASON)], desk.now))
    return tmp_path


def config(folder: Path, language: Language) -> str:
    text = f"data: {{folder: {folder / 'data'}}}\n{SEALING}channels: {{box: {MAILBOX}}}\n{TARGETS}"
    return str(write(folder, f"{text}service: {{language: {language}}}\n"))


def said(folder: Path, language: Language, command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """How a command ends, and what it says on both ways."""
    status = main([*command.split(), "-c", config(folder, language)])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


@pytest.mark.parametrize(
    ("command", "chinese"),
    [
        ("status", "隔离区：1 件\n"),
        ("status", "  收件：隔离中 1，已读取 1\n"),
        ("quarantine list", "扫描件无法读取：图片文件头无法读取，文件损坏或不完整\n"),
        ("quarantine read 2", "2：待读取\n"),
        ("quarantine dismiss 2 --reason test", "2：已排除\n"),
        ("pause target oa --reason 升级", "目标 oa：已暂停\n"),
        ("resume target oa", "xinqiao: 目标 oa 没有暂停\n"),
        ("correct 2026-000001 title=课后服务收费", "2026-000001：第 2 版，更正了 标题\n"),
        (
            "correct 2026-000009 title=课后服务收费",
            "xinqiao: 没有信访件 2026-000009；应为它的 case_id 或编号，如 2026-000123\n",
        ),
        ("correct 2026-000001 colour=red", "xinqiao: 没有字段 colour；现有 "),
        ("correct 2026-000001 petition_date=x", "xinqiao: petition_date：应为日期，如 2026-03-01\n"),
        ("correct 2026-000001 --undo title", "xinqiao: 信访件 2026-000001：title 没有可撤销的更正\n"),
        ("replay --quarantine --dry-run", "将重新读取 1 件\n"),
        ("replay --quarantine --rate 0", "xinqiao: replay：--rate 应不小于 0.001，为每秒的件数\n"),
        ("replay --send", "xinqiao: replay --send：应写 --case、--since、--dead、--unknown 或 --target\n"),
        ("replay --send --dead --target ob", "xinqiao: 配置里没有目标 ob；现有 oa\n"),
        ("reconcile", "xinqiao: 没有目标写明如何询问它已有哪些件；应在目标里写 holdings\n"),
        ("sheet 2026-000001 --to /dev/null", "2026-000001：/dev/null\n"),
        ("user list", ""),
        ("user role nobody --role clerk", "xinqiao: 没有账号 nobody\n"),
        ("verify", "全部无误\n"),
        (
            "verify --anchor 9:ab",
            "办理记录：缺失：给出锚点时的记录 9，或其后的内容\n  → 请与备份和日志对照；谁能写数据库？\n",
        ),
        ("backup --to /proc/nothing", "xinqiao: "),
        ("restore --from /nowhere --to /proc", "xinqiao: "),
        ("move --to nowhere", "xinqiao: --to：应为 postgresql+psycopg://user:${PG_PASSWORD}@host/name 或配置文件\n"),
    ],
)
def test_a_command_speaks_the_installation_s_language(
    installation: Path, capsys: pytest.CaptureFixture[str], command: str, chinese: str
) -> None:
    _, heard = said(installation, "zh", command, capsys)

    assert chinese in heard
    assert not ENGLISH.search(heard)


@pytest.mark.parametrize("command", ["replay --quarantine --dry-run", "verify", "user list"])
def test_scripts_are_told_the_same_in_every_language(
    installation: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    chinese, english = (said(installation, one, f"{command} --json", capsys) for one in LANGUAGES)

    assert chinese[0] == english[0]
    assert json.loads(chinese[1].splitlines()[-1]) == json.loads(english[1].splitlines()[-1])


def test_both_languages_have_the_same_lines_with_the_same_places() -> None:
    chinese, english = (
        {
            key: {name for _, name, _, _ in Formatter().parse(line) if name}
            for key, line in load_words(FOLDER, language).entries.items()
            if key.partition(".")[0] not in CODES
        }
        for language in LANGUAGES
    )

    assert chinese == english


def test_whatever_verify_counts_has_a_name_in_chinese() -> None:
    source = "".join(path.read_text("utf-8") for path in Path(sealed.__file__).parent.glob("*.py"))
    counted = set(re.findall(r'proof\.counted\("([^"]*)"', source)) | {f"rows of {one.name}" for one in sealed._TABLES}

    assert {what for what in counted if Speech("zh").code("proved", what) == what} == set()


def test_columns_stand_one_below_the_other_in_either_script() -> None:
    assert (padded("open", 8), padded("畅通", 8)) == ("open    ", "畅通    ")

"""What the texts promise: links, commands, samples, codes."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from dispatch.payload import Numbers, Payload
from dispatch.webhook import sign
from ingest.cli import build_parser
from ingest.config import load
from ingest.metrics import Metrics
from tests.ingest.desk import open_desk

ROOT = Path(__file__).parents[1]
TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
MANUALS = [ROOT / "docs" / "manual.md", ROOT / "docs" / "manual.zh-CN.md"]
FOR_THE_OA = [ROOT / "docs" / "oa.md", ROOT / "docs" / "oa.zh-CN.md"]
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
COMMAND = re.compile(r"(?:\$ |\S*bin/|ExecStart=\S*/)?(?:xinqiao|\$X) ([a-z]+)\b([^#|>]*)")
BODY = '{"type": "case.created", "data": {"case": {"title": "天宁区"}}}'.encode()


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", path.read_text("utf-8"))


def code(path: Path) -> list[str]:
    """The lines of fenced and indented blocks, and what stands between backquotes."""
    text = path.read_text("utf-8")
    fenced = [line for block in re.findall(r"(?ms)^```\w*\n(.*?)^```$", text) for line in block.splitlines()]
    return [*fenced, *re.findall(r"(?m)^ {4}(\S.*)$", text), *re.findall(r"`([^`\n]+)`", text)]


def anchors(path: Path) -> set[str]:
    """The headings as GitHub names them."""
    headings = re.findall(r"(?m)^#+ (.+)$", path.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("text", TEXTS, ids=named)
def test_every_relative_link_leads_somewhere(text: Path) -> None:
    links = [one for one in re.findall(r"\]\(([^)\s]+)\)", text.read_text("utf-8")) if "://" not in one]

    for link in links:
        file, _, anchor = link.partition("#")
        target = (text.parent / file).resolve() if file else text
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("text", TEXTS, ids=named)
def test_every_table_has_its_head(text: Path) -> None:
    """A blank line within a table ends it: what follows is shown as bars and words."""
    lines = re.sub(r"(?ms)^```.*?^```$", "", text.read_text("utf-8")).splitlines()
    begins = [n for n, line in enumerate(lines) if line.startswith("|") and not lines[n - 1].startswith("|")]

    assert [lines[n] for n in begins if not re.fullmatch(r"\|[ :|-]+\|", lines[n + 1])] == []


@pytest.mark.parametrize("text", TEXTS, ids=named)
def test_every_make_target_exists(text: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text("utf-8")))

    said = set(re.findall(r"(?m)(?:`|^)make ([a-z]+)", text.read_text("utf-8")))

    assert said <= targets


def commands() -> dict[str, str]:
    """Each subcommand with its help."""
    (subparsers,) = (action for action in build_parser()._actions if action.dest == "==SUPPRESS==" or action.choices)
    assert isinstance(subparsers.choices, Mapping)
    return {name: parser.format_help() for name, parser in subparsers.choices.items()}


@pytest.mark.parametrize("text", TEXTS, ids=named)
def test_every_command_and_its_options_exist(text: Path) -> None:
    known = commands()

    said = [found.groups() for line in code(text) if (found := COMMAND.match(line))]

    for command, rest in said:
        assert command in known, command
        for option in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest):
            assert option in known[command], f"{command} {option}"


@pytest.mark.parametrize("readme", READMES, ids=named)
def test_the_sample_configuration_can_be_used(readme: Path, tmp_path: Path) -> None:
    (sample,) = blocks(readme, "yaml")
    (tmp_path / "config.yaml").write_text(sample, "utf-8")
    secrets = {
        "XINQIAO_KEY": base64.b64encode(b"k" * 32).decode(),
        "HOTLINE_APP_SECRET": "the hotline's secret",
        "OA_WEBHOOK_SECRET": SECRET,
        "OA_DISCIPLINE_SECRET": SECRET,
    }

    config = load(tmp_path / "config.yaml", secrets)

    assert config.warnings == ()
    assert set(config.channels) == {"hotline", "letters"}
    assert config.targets["discipline"].restricted == "only"


@pytest.mark.parametrize("readme", READMES, ids=named)
def test_the_sample_case_is_a_payload(readme: Path) -> None:
    (sample,) = blocks(readme, "json")

    whole = Payload.model_validate_json(sample).model_dump(mode="json")

    assert list(Draft202012Validator(Payload.json_schema()).iter_errors(whole)) == []
    assert whole["data"]["case"]["channel"] == json.loads(sample)["data"]["case"]["channel"]


def test_both_readmes_show_the_same_samples() -> None:
    assert blocks(READMES[0], "json") == blocks(READMES[1], "json")
    assert [_bare(one) for one in blocks(READMES[0], "yaml")] == [_bare(one) for one in blocks(READMES[1], "yaml")]


def _bare(yaml: str) -> str:
    return re.sub(r" *#.*", "", yaml)


def snippet(text: Path, number: int, name: str) -> Callable[[str, Mapping[str, str], bytes], Any]:
    space: dict[str, Any] = {}
    exec(compile(blocks(text, "python")[number], named(text), "exec"), space)
    found: Callable[[str, Mapping[str, str], bytes], Any] = space[name]
    return found


@pytest.mark.parametrize("text", FOR_THE_OA, ids=named)
def test_the_integrators_verification_takes_ours_and_nothing_else(text: Path) -> None:
    verify = snippet(text, 0, "verify")
    secrets = [SecretStr("whsec_" + base64.b64encode(b"n" * 32).decode()), SecretStr(SECRET)]
    headers = sign(secrets, "evt_1", datetime.now(UTC), BODY)
    old = sign(secrets, "evt_1", datetime.fromtimestamp(time.time() - 301, UTC), BODY)

    assert verify(SECRET, headers, BODY) == "evt_1"
    with pytest.raises(ValueError, match=r"."):
        verify(SECRET, headers, BODY + b" ")
    with pytest.raises(ValueError, match=r"."):
        verify(SECRET, old, BODY)
    for name in headers:
        with pytest.raises(ValueError, match=r"."):
            verify(SECRET, {other: value for other, value in headers.items() if other != name}, BODY)


@pytest.mark.parametrize("text", FOR_THE_OA, ids=named)
def test_the_example_to_try_a_verification_by_is_signed_as_we_sign(text: Path) -> None:
    told = dict(re.findall(r"(?m)^ {4}(secret|webhook-\w+|body) {2,}(.*)$", text.read_text("utf-8")))
    body = told["body"].encode()
    at = datetime.fromtimestamp(int(told["webhook-timestamp"]), UTC)
    headers = sign([SecretStr(told["secret"])], told["webhook-id"], at, body)

    assert headers["webhook-signature"] == told["webhook-signature"]
    assert re.search(rf"\b{len(body)} (?:bytes|字节)", text.read_text("utf-8"))
    assert json.loads(body)["type"] == "case.created"


@pytest.mark.parametrize("text", FOR_THE_OA, ids=named)
def test_the_case_taken_back_is_one_as_we_send_it(text: Path) -> None:
    (shown,) = re.findall(r'(?ms)^ {4}(\{"type": "case.withdrawn".*?)\n\n', text.read_text("utf-8"))

    assert isinstance(Payload.model_validate_json(shown).data.case, Numbers)


def test_every_field_of_the_webhook_is_described_in_both_languages() -> None:
    command = [sys.executable, "scripts/case_reference.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("text", FOR_THE_OA, ids=named)
def test_the_library_takes_ours_too(text: Path) -> None:
    verify = snippet(text, 1, "verify_with_library")

    event = verify(SECRET, sign([SecretStr(SECRET)], "evt_1", datetime.now(UTC), BODY), BODY)

    assert event["type"] == "case.created"


def warning_codes() -> set[str]:
    """Every code the source gives a warning, in whichever of the four ways it is written."""
    ways = (
        r'Warning_\(\s*code="(\w+)"',
        r'\.warn\(\s*"(\w+)"',
        r'_unusable\([^,]+,\s*"(\w+)"',
        r'(?:notes|doubts)\["(\w+)"\]',
    )
    sources = [path.read_text("utf-8") for folder in ("normalize", "ingest") for path in (ROOT / folder).rglob("*.py")]
    return {code for source in sources for way in ways for code in re.findall(way, source)}


@pytest.mark.parametrize("manual", MANUALS, ids=named)
def test_the_manual_explains_every_warning_and_no_other(manual: Path) -> None:
    (table,) = re.findall(r"(?s)<!-- warnings -->(.*?)\n## ", manual.read_text("utf-8"))

    assert set(re.findall(r"(?m)^\| `(\w+)` \|", table)) == warning_codes()


@pytest.mark.parametrize("manual", MANUALS, ids=named)
def test_the_manual_names_every_metric(manual: Path, tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        metrics = Metrics()
        metrics.watch(desk.store, lambda: desk.now)
        there = {one.name + ("_total" if one.type == "counter" else "") for one in metrics.registry.collect()}

    rows = re.findall(r"(?m)^\| (`xinqiao_\w+`[^|]*) \|", manual.read_text("utf-8"))
    assert set(re.findall(r"xinqiao_\w+", " ".join(rows))) == there


def test_the_list_of_dependencies_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/dependencies.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_every_picture_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").glob("*.png")}

    assert sizes
    assert max(sizes.values()) <= 200_000

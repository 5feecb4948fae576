"""The catalogues: both languages say the same things, and pages ask for nothing else."""

from __future__ import annotations

import re
from enum import Enum
from importlib.resources import files
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from dispatch.holdings import lane_of as push_lane
from ingest.accounts import Role
from ingest.alarms.watch import tell_lane
from ingest.attachments import VET_LANE, fetch_lane
from ingest.catalogue import LANGUAGES, load_words
from ingest.console.context import HERE
from ingest.inbox import LETTER_LANE, READ_LANE, settle_lane
from normalize import case
from normalize.case import AttachmentRole, AttachmentState, ChannelKind, DeadlineKind

TEMPLATES = sorted((HERE / "templates").glob("*.html"))
CODES: dict[str, type[Enum]] = {
    "role": Role,
    "channel_kind": ChannelKind,
    "request_type": case.RequestTypeCode,
    "purpose": case.PurposeCode,
    "urgency": case.Urgency,
    "triage": case.Triage,
    "flag": case.Flag,
    "deadline_kind": DeadlineKind,
    "relation": case.Relation,
    "attachment_role": AttachmentRole,
    "attachment_state": AttachmentState,
    "reading_method": case.ReadingMethod,
}


LANES = [
    READ_LANE, LETTER_LANE, VET_LANE,
    *(lane("x").partition(":")[0] for lane in (push_lane, settle_lane, fetch_lane, tell_lane)),
]  # fmt: skip


@pytest.mark.parametrize("lane", LANES)
def test_every_step_that_may_wait_has_a_name(lane: str) -> None:
    assert [f"lane.{lane}" in load_words(HERE / "words", language).entries for language in LANGUAGES] == [True, True]


def test_both_languages_have_the_same_keys_with_the_same_places() -> None:
    chinese, english = (load_words(HERE / "words", language).entries for language in LANGUAGES)

    assert set(chinese) == set(english)
    for key, sentence in chinese.items():
        assert sentence.strip()
        assert english[key].strip()
        missing = set(re.findall(r"{(\w+)}", english[key])) - set(re.findall(r"{(\w+)}", sentence))
        assert missing <= {"count"}, key  # English counts in more places than Chinese


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_key_a_page_asks_for_exists(template: Path) -> None:
    words, text = load_words(HERE / "words", "zh"), template.read_text()
    keys = re.findall(r"""\bt\(\s*'([^']+)'""", text) + re.findall(r"'(nav\.\w+)'", text)

    assert [key for key in keys if key not in words.entries] == []
    assert re.findall(r"\bt\((?!')", text.replace("t(key)", "")) == []
    for group in re.findall(r"""\b(?:label|badge)\(\s*'([^']+)'""", text):
        assert any(key.startswith(f"{group}.") for key in words.entries), group


def test_every_key_the_code_asks_for_exists() -> None:
    words = load_words(HERE / "words", "zh").entries
    for module in HERE.glob("*.py"):
        for key in re.findall(r"""\bwords\(\s*f?["']([^"']+)["']""", module.read_text()):
            pattern = re.sub(r"{[^}]*}", r"\\w+", re.escape(key).replace(r"\{", "{").replace(r"\}", "}"))
            assert any(re.fullmatch(pattern, known) for known in words), (module.name, key)


@pytest.mark.parametrize(("group", "codes"), CODES.items(), ids=CODES)
def test_every_code_of_the_case_has_a_name(group: str, codes: type[Enum]) -> None:
    for language in LANGUAGES:
        words = load_words(HERE / "words", language).entries
        assert [code.value for code in codes if f"{group}.{code.value}" not in words] == []


@pytest.mark.parametrize("preset", ["sunshine", "hotline"])
def test_every_form_our_platforms_name_has_a_word(preset: str) -> None:
    words = load_words(HERE / "words", "zh").entries
    document = YAML(typ="safe").load(files("adapters").joinpath(f"{preset}.yaml").read_text("utf-8"))
    forms = document["map"]["form"]["codes"].values()

    assert [form for form in forms if f"petition_form.{form}" not in words] == []


def test_a_citys_own_code_stands_for_itself() -> None:
    assert load_words(HERE / "words", "zh").label("channel_kind", "carrier pigeon") == "carrier pigeon"


def test_no_template_speaks_chinese_by_itself() -> None:
    for template in TEMPLATES:
        words = set(re.findall(r"[\u4e00-\u9fff]+", template.read_text()))
        assert words == set(), template.name

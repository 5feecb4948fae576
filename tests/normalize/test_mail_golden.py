"""Whole mails against golden files: NAME.eml and what it is read as, NAME.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from normalize.reading import Reading
from tests.normalize.mails import read

MAILS = sorted((Path(__file__).parent.parent / "golden" / "mail").glob("*.eml"))


@pytest.mark.parametrize("mail", MAILS, ids=lambda path: path.stem)
def test_the_mail_reads_as_its_golden_file_says(mail: Path, write_golden: bool) -> None:
    seen = _as_json(read(mail.read_bytes()))
    golden = mail.with_suffix(".json")
    if write_golden:
        golden.write_text(seen, encoding="utf-8")

    assert seen == golden.read_text(encoding="utf-8")


def _as_json(reading: Reading) -> str:
    assert reading.draft is not None
    shown = {
        "disposition": reading.disposition.value,
        "identity": reading.identity,
        "reason": reading.reason,
        "follows": reading.follows,
        "draft": reading.draft.model_dump(mode="json", exclude_defaults=True),
        "parts": [[part.name, part.role, part.state, part.media_type, part.size, part.ref] for part in reading.parts],
    }
    return json.dumps(shown, ensure_ascii=False, indent=1) + "\n"

"""Scans and what they become: NAME.raw and NAME.json; `python -m tests.normalize.test_letter_golden --write`."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.base import RawKind
from normalize.case import ChannelKind
from normalize.letter import LetterRules, read_letter
from normalize.reading import Source
from normalize.scan import Scan

GOLDEN = Path(__file__).parents[1] / "golden" / "letter"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.raw"))


def readings(name: str) -> Any:
    source = Source(
        channel="letters",
        channel_kind=ChannelKind.LETTER,
        kind=RawKind.LETTER,
        locator=f"{name}.tif",
        received_at=datetime.fromisoformat("2026-03-09T08:30:00+08:00"),
        fetched_at=datetime.fromisoformat("2026-03-10T12:00:00+08:00"),
        meta={"sha256": "0f" * 32, "file_name": f"{name}.tif", "batch": None},
    )
    scan = Scan.from_json(json.loads((GOLDEN / f"{name}.raw").read_text(encoding="utf-8")))
    plain = [
        {
            "disposition": read.disposition,
            "identity": read.identity,
            "parts": [dataclasses.asdict(part) for part in read.parts],
            "draft": read.draft.model_dump(mode="json") if read.draft else None,
        }
        for read in read_letter(scan, source, LetterRules())
    ]
    return json.loads(json.dumps(plain))


@pytest.mark.parametrize("name", NAMES)
def test_the_scan_becomes_what_was_agreed(name: str) -> None:
    assert readings(name) == json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def _write() -> None:
    for name in NAMES:
        text = json.dumps(readings(name), ensure_ascii=False, indent=1)
        (GOLDEN / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__" and "--write" in sys.argv:
    _write()

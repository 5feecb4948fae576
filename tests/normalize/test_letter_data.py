"""A few pages of the measuring data, where it is at hand: `$XINQIAO_DATA`, else a folder beside the project."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pytest

from normalize.ocr import read_scan

DATA = Path(os.environ.get("XINQIAO_DATA", Path(__file__).parents[3] / "shared" / "data")) / "letters"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the measuring data is not at {DATA}")


def counted(text: str) -> list[str]:
    return [c for c in unicodedata.normalize("NFKC", text) if c.isalnum()]


def errors(one: list[str], other: list[str]) -> int:
    before = list(range(len(other) + 1))
    for row, a in enumerate(one, 1):
        now = [row]
        for column, b in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (a != b)))
        before = now
    return before[-1]


def error_rate(condition: str, kind: str) -> float:
    """Over the first page of its kind and condition, marks and blanks aside."""
    rows = map(json.loads, (DATA / "pages.jsonl").read_text(encoding="utf-8").splitlines())
    row = next(each for each in rows if (each["condition"], each["kind"]) == (condition, kind))
    (page,) = read_scan((DATA / row["image"]).read_bytes()).pages
    truth = counted((DATA / row["truth"]).read_text(encoding="utf-8"))
    return errors(truth, counted("".join(line.text for line in page.lines))) / len(truth)


@pytest.mark.parametrize("condition", ["clean", "two_columns", "orient90", "redrules", "show_through"])
def test_print_is_read_almost_without_error(condition: str) -> None:
    assert error_rate(condition, "printed") <= 0.005


@pytest.mark.parametrize(("condition", "most"), [("vertical", 0.01), ("grid", 0.02), ("hard_elastic_thin", 0.08)])
def test_rendered_handwriting_is_read_with_few_errors(condition: str, most: float) -> None:
    assert error_rate(condition, "handwriting") <= most

"""Documents that are written from the code: renewed, or only checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def renew(documents: Mapping[Path, str], script: str, arguments: Sequence[str]) -> int:
    """Write each that is not as it should be; with `--check` change nothing. 1: with that, one is out of date."""
    stale = {path: text for path, text in documents.items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is out of date: run python scripts/{script}", file=sys.stderr)
        else:
            path.write_text(text, "utf-8")
            print(f"renewed {path.relative_to(ROOT)}")
    return 1 if stale and "--check" in arguments else 0

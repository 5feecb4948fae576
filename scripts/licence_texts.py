"""Gathers the licence texts of wheels, as their authors ask of whoever hands copies on."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TEXT = re.compile(r"(?i)(?:^|/)(?:licen[cs]es?|copying|notice|authors)[^/]*(?:/[^/]+)*$")
_CODE = (".py", ".pyi", ".pyc", ".so")
ELSEWHERE = {
    "chinesecalendar": ROOT / "deploy" / "licences" / "chinesecalendar.txt",  # in its source, not in its wheel
    "obstore": ROOT / "deploy" / "licences" / "obstore.txt",  # likewise
    "flatbuffers": ROOT / "LICENSE",  # Apache-2.0, as its metadata says
}
"""Of packages whose wheel holds none."""


class NoLicenceText(Exception):
    """A wheel may not be handed on without it."""


def gather(wheels: Path, to: Path) -> None:
    """A folder of texts for each package and version. Raises NoLicenceText."""
    for path in sorted(wheels.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        texts = dict(_texts(path))
        if not texts and name in ELSEWHERE:
            texts = {"LICENSE": ELSEWHERE[name].read_bytes()}
        if not texts:
            raise NoLicenceText(f"{path.name} holds no licence text; put it into deploy/licences and name it here")
        for place, held in texts.items():
            target = to / f"{name}-{version}" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(held)


def is_text(name: str) -> bool:
    """Whether a wheel's file is a licence by its name."""
    return bool(_TEXT.search(name)) and not name.endswith(("/", *_CODE))


def _texts(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as packed:
        for name in packed.namelist():
            if is_text(name):
                yield re.sub(r"^[^/]+\.dist-info/(?:licen[cs]es/)?", "", name), packed.read(name)

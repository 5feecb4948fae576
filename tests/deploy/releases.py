"""Bundles for the tests: of this commit, of an older one, and one that does not work."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from scripts.bundle import TARGETS, bundle, digest, files_of

OLDER = "3b55209"
"""Before targets waited as a whole: its tables are of migration 0005, and it told no service manager anything."""
HERE = TARGETS[0]


def unpacked(commit: str, to: Path, name: str) -> Path:
    """A bundle's folder, made of a commit for this machine's Python alone."""
    archive = bundle(commit, [HERE], to)
    shutil.unpack_archive(archive, to)
    archive.unlink()
    return (to / archive.stem).rename(to / name)


def older(to: Path) -> Path:
    """With the unit it would have had: it does not say when it is ready."""
    found = unpacked(OLDER, to, "older")
    unit = found / "share" / "xinqiao.service"
    text = unit.read_text("utf-8").replace("Type=notify", "Type=exec")
    unit.write_text(re.sub(r"(?m)^(NotifyAccess|WatchdogSec)=.*\n", "", text), "utf-8")
    return sealed(found)


def broken(bundle: Path, name: str) -> Path:
    """A release of that name that brings the tables up to date and then dies."""

    def dies(source: str) -> str:
        first = "        await self._take_back_leases()\n"
        assert source.count(first) == 1
        return source.replace(first, f'        raise RuntimeError("a bug of this release")\n{first}')

    return changed(bundle, name, "ingest/app.py", dies)


def changed(bundle: Path, name: str, module: str, edit: Callable[[str], str]) -> Path:
    """A copy under another name, one of its modules edited."""
    copy = bundle.with_name(name)
    shutil.copytree(bundle, copy)
    (copy / "RELEASE").write_text(f"{name}\n", "utf-8")
    (wheel,) = (copy / "wheels").glob("xinqiao-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        held = {one: packed.read(one) for one in packed.namelist()}
    held[module] = edit(held[module].decode()).encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as packed:
        for one, content in held.items():
            packed.writestr(one, content)
    return sealed(copy)


def sealed(bundle: Path) -> Path:
    """With the checksums of what is in it now."""
    sums = bundle / "SHA256SUMS"
    sums.unlink(missing_ok=True)
    sums.write_text("".join(f"{digest(path)}  {path.relative_to(bundle)}\n" for path in files_of(bundle)), "utf-8")
    return bundle

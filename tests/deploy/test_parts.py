"""What the bundle is put together from: packages for each target, licences, the list of parts, units, the installer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import files
from pathlib import Path

import psycopg
import pytest

from ingest.config import load
from scripts import bundle, licence_texts, sbom
from scripts.bundle import TARGETS, packages, pinned
from scripts.dependencies import LOCKS, ROOT
from tests.ingest.config_files import ENVIRONMENT, SEALING, write
from tests.missing import missing
from tests.postgres import Server

DEPLOY = ROOT / "deploy"
BY_NAME = {target.name: target for target in TARGETS}
METADATA = "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}\n"


def wheel(folder: Path, name: str, version: str = "1.0", tag: str = "py3-none-any", **files: str) -> Path:
    """A small wheel; `files` by path, __ for /, or the metadata's further lines as `needs`."""
    needs = files.pop("needs", "")
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{name}-{version}.dist-info/METADATA", METADATA.format(name=name, version=version, more=needs))
        for place, content in files.items():
            packed.writestr(place.replace("__", "/").replace("_dot_", "."), content)
    return path


def test_each_target_gets_the_version_that_is_for_it() -> None:
    numpy = [one for one in packages(LOCKS) if one.name == "numpy"]

    wanted = {name: [one.version for one in numpy if one.wanted(target)] for name, target in BY_NAME.items()}

    assert {name: len(versions) for name, versions in wanted.items()} == dict.fromkeys(BY_NAME, 1)
    assert wanted["x86_64-cp311"] != wanted["x86_64-cp312"]
    assert not any("; python" in one.bare for one in numpy)


def test_what_is_never_installed_is_in_no_bundle() -> None:
    names = {one.name for one in packages(LOCKS) for target in TARGETS if one.wanted(target)}

    assert {"rapidocr", "onnxruntime", "psycopg-binary", "pymap"} <= names
    assert not {"opencv-python", "colorama", "pytest", "mypy"} & names


def test_every_package_of_the_lock_is_read_with_its_hashes() -> None:
    text = (LOCKS / "run.lock").read_text("utf-8")

    found = pinned(text)

    assert "".join(one.block for one in found) == text
    assert all("--hash=sha256:" in one.block for one in found)


def test_licence_texts_are_gathered_wherever_a_wheel_keeps_them(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "one", **{"one-1.0.dist-info/licenses/LICENSE": "first", "one/code.py": "licence = 1"})
    wheel(wheels, "two", **{"two/vendored/COPYING.txt": "second", "two-1.0.dist-info/NOTICE": "third"})

    licence_texts.gather(wheels, tmp_path / "licences")

    found = {
        str(one.relative_to(tmp_path / "licences")): one.read_text() for one in bundle.files_of(tmp_path / "licences")
    }
    assert found == {
        "one-1.0/LICENSE": "first",
        "two-1.0/two/vendored/COPYING.txt": "second",
        "two-1.0/NOTICE": "third",
    }


def test_every_package_that_is_handed_on_has_its_licence_text_with_it() -> None:
    names = {one.name for one in packages(LOCKS) if one.wanted(BY_NAME["x86_64-cp311"])}

    silent = {one for one in names if not any(licence_texts.is_text(str(file)) for file in files(one) or [])}

    assert silent == set(licence_texts.ELSEWHERE)


def test_a_wheel_without_any_licence_text_is_not_handed_on(tmp_path: Path) -> None:
    wheel(tmp_path, "silent")

    with pytest.raises(licence_texts.NoLicenceText, match="silent"):
        licence_texts.gather(tmp_path, tmp_path / "licences")


def test_the_list_of_parts_is_cyclonedx_with_hashes_licences_models_and_who_needs_whom(tmp_path: Path) -> None:
    needs = "Requires-Dist: structlog>=1\nRequires-Dist: pytest; extra == 'test'\n"
    wheel(tmp_path, "xinqiao", "0.1.0+20260302.abc", needs=needs)
    says = "License-Expression: MIT OR Apache-2.0\n"
    wheel(tmp_path, "structlog", "26.1.0", needs=says, **{"structlog/models/eye.onnx": "seen"})

    sbom.write(tmp_path, "0.1.0+20260302.abc", 1_772_400_000, {"structlog": ("eye.onnx",)}, tmp_path / "sbom.json")

    held = json.loads((tmp_path / "sbom.json").read_text("utf-8"))
    library, model = held["components"]
    assert held["metadata"]["component"]["purl"] == "pkg:pypi/xinqiao@0.1.0%2B20260302.abc"
    assert library["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert library["components"][0]["hashes"][0]["content"] == bundle.digest(
        tmp_path / library["components"][0]["name"]
    )
    assert (model["type"], model["name"]) == ("machine-learning-model", "eye.onnx")
    assert held["dependencies"][1] == {
        "ref": "pkg:pypi/xinqiao@0.1.0%2B20260302.abc",
        "dependsOn": ["pkg:pypi/structlog@26.1.0"],
    }


def test_a_wheel_that_names_no_licence_makes_no_list(tmp_path: Path) -> None:
    wheel(tmp_path, "xinqiao")
    wheel(tmp_path, "silent")

    with pytest.raises(sbom.NotAnSbom, match="silent names no licence"):
        sbom.write(tmp_path, "1.0", 1_772_400_000, {}, tmp_path / "sbom.json")


def test_a_wheel_that_lost_its_models_makes_no_bundle(tmp_path: Path) -> None:
    wheel(tmp_path, "xinqiao")
    wheel(tmp_path, "structlog", needs="License-Expression: MIT\n")

    with pytest.raises(sbom.NotAnSbom, match=r"eye\.onnx"):
        sbom.write(tmp_path, "1.0", 0, {"structlog": ("eye.onnx",)}, tmp_path / "sbom.json")


def test_no_text_of_ours_may_name_a_registry(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("ask pypi" + ".org")

    with pytest.raises(bundle.CannotBundle, match=r"README\.txt names"):
        bundle._no_registry_in(tmp_path)


def test_the_configuration_an_installation_begins_with_can_be_used(tmp_path: Path) -> None:
    text = (DEPLOY / "config.yaml").read_text("utf-8")
    (tmp_path / "key").write_text("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=\n")
    (tmp_path / "key").chmod(0o600)
    shutil.copy(ROOT / "calendar.yaml", tmp_path)
    (tmp_path / "config.yaml").write_text(text.replace("/etc/xinqiao/secrets/key", f"{tmp_path}/key"), "utf-8")

    config = load(tmp_path / "config.yaml", {})

    assert config.data.folder == Path("/var/lib/xinqiao")
    assert {warning.key for warning in config.warnings} == {"channels", "targets"}


@pytest.mark.parametrize("unit", bundle.UNITS)
def test_systemd_understands_the_units(unit: str, tmp_path: Path) -> None:
    """Also a mistake it would only leave out; the program stands where it is not on this machine."""
    _require_systemd()

    def verified() -> tuple[int, list[str]]:
        command = ["systemd-analyze", "verify", str(tmp_path / unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, [line for line in done.stderr.splitlines() if "xinqiao" in line]

    for each in bundle.UNITS:
        text = (DEPLOY / each).read_text("utf-8")
        (tmp_path / each).write_text(text.replace("/opt/xinqiao/current/bin/xinqiao", sys.executable), "utf-8")
    assert verified() == (0, [])

    with (tmp_path / unit).open("a") as file:
        file.write("[Unit]\nDescribtion=with a mistake\n")
    (said,) = verified()[1]
    assert "Describtion" in said


def test_the_service_is_confined() -> None:
    _require_systemd()
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(DEPLOY / "xinqiao.service")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout.splitlines()[-1:]


def _require_systemd() -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze")


@pytest.fixture
def unpacked() -> Iterator[Path]:
    """Where everybody may look."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        shutil.copy(DEPLOY / "install.sh", place)
        (Path(place) / "RELEASE").write_text("1.0\n")
        yield Path(place)


def installer(unpacked: Path, *arguments: str, user: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*user, "sh", str(unpacked / "install.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--nonsense", 2)])
def test_the_installer_says_what_it_takes(unpacked: Path, argument: str, status: int) -> None:
    done = installer(unpacked, argument)

    assert done.returncode == status
    assert {"--check", "--upgrade", "--rollback"} <= set((done.stdout if status == 0 else done.stderr).split())


def test_the_installer_does_nothing_but_as_root(unpacked: Path) -> None:
    somebody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []

    done = installer(unpacked, user=somebody)

    assert (done.returncode, done.stderr) == (1, "xinqiao: must be root, since it makes an account and a service\n")


@pytest.mark.postgres
def test_the_installer_sees_how_old_the_tables_of_a_shared_database_are(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (DEPLOY / "install.sh").read_text("utf-8").partition("<<'END'\nimport ")[2].partition("\nEND\n")[0]
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def told(address: str) -> str:
        config = write(tmp_path, f"database: {address}\ndata: {{folder: {tmp_path / 'data'}}}\n{SEALING}")
        command = [sys.executable, "-", str(config)]
        asked = f"import {program}"
        done = subprocess.run(command, input=asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    empty, filled = postgres.database(), postgres.migrated()
    seen = [told(empty), told(filled)]
    for migration in ("0012", "9999"):
        with psycopg.connect(filled.replace("+psycopg", "")) as conn:
            conn.execute("UPDATE alembic_version SET version_num = %s", (migration,))
        seen.append(told(filled))
    postgres.drop(empty)
    postgres.drop(filled)

    assert seen == ["none", "current", "older", "newer"]

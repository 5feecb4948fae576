"""Writes what a bundle is made of as CycloneDX 1.6 (ECMA-424), from the wheels in it, and proves it by the schema."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.dependencies import licence_of

Models = Mapping[str, Sequence[str]]


class NotAnSbom(Exception):
    """What was written is not what the schema asks for, or a model is missing."""


def write(wheels: Path, release: str, moment: int, models: Models, to: Path) -> None:
    """Raises NotAnSbom."""
    text = json.dumps(document(wheels, release, moment, models), indent=1, ensure_ascii=False)
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise NotAnSbom(f"sbom: {str(problem).splitlines()[0]}")
    to.write_text(text + "\n", "utf-8")


def document(wheels: Path, release: str, moment: int, models: Models) -> dict[str, Any]:
    groups: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(wheels.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        groups.setdefault((canonicalize_name(name), version), []).append(path)
    about = {key: metadata_of(paths[0]) for key, paths in groups.items()}
    ours = ("xinqiao", release)
    others = [key for key in groups if key != ours]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'xinqiao:{release}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z"),
            "component": {
                **_component(ours, groups[ours], "application"),
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": [
            *({**_component(key, groups[key], "library"), "licenses": _licences(key, about[key])} for key in others),
            *(model for key in others for model in _models(key, groups[key][0], models.get(key[0], ()))),
        ],
        "dependencies": [
            {"ref": _ref(key), "dependsOn": sorted(_needed(about[key], groups))} for key in sorted(groups)
        ],
    }


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (one for one in packed.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", one))
        return BytesParser().parsebytes(packed.read(name))


def _ref(key: tuple[str, str]) -> str:
    name, version = key
    return f"pkg:pypi/{name}@{version.replace('+', '%2B')}"


def _component(key: tuple[str, str], wheels: list[Path], kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "bom-ref": _ref(key),
        "name": key[0],
        "version": key[1],
        "purl": _ref(key),
        "components": [
            {"type": "file", "name": path.name, "hashes": [_hash(path.read_bytes())]} for path in wheels
        ],
    }  # fmt: skip


def _licences(key: tuple[str, str], about: Message) -> list[dict[str, Any]]:
    """Raises NotAnSbom: none is known."""
    licence = licence_of(key[0], about)
    if not licence:
        raise NotAnSbom(f"sbom: {key[0]} names no licence; read it, and say so in scripts/dependencies.py")
    return [{"expression": licence}]


def _models(key: tuple[str, str], wheel: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What a wheel carries to read scans with. Raises NotAnSbom: it does not."""
    with zipfile.ZipFile(wheel) as packed:
        inside = {name.rpartition("/")[2]: name for name in packed.namelist()}
        for name in names:
            if name not in inside:
                raise NotAnSbom(f"{wheel.name} does not hold the model {name}")
            yield {
                "type": "machine-learning-model",
                "bom-ref": f"{_ref(key)}#{inside[name]}",
                "name": name,
                "version": key[1],
                "hashes": [_hash(packed.read(inside[name]))],
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }


def _hash(held: bytes) -> dict[str, str]:
    return {"alg": "SHA-256", "content": hashlib.sha256(held).hexdigest()}


def _needed(about: Message, groups: Mapping[tuple[str, str], object]) -> set[str]:
    """Those of its requirements that are here, extras aside; on some targets it may be another version of one."""
    found = set()
    for line in about.get_all("Requires-Dist") or []:
        needed = Requirement(line)
        if "extra" not in str(needed.marker or ""):
            found |= {_ref(key) for key in groups if key[0] == canonicalize_name(needed.name)}
    return found

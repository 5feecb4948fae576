"""A shipped dialect under an operator's own words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import JsonValue
from ruamel.yaml import YAML


def over_preset(preset: Path, operator: object) -> object:
    """The preset with the operator's keys over it, mapping by mapping; a list or a text replaces the preset's.

    An `auth` of another kind replaces the preset's whole. What is no mapping is handed back for validation to refuse.
    """
    return _merged(_shipped(preset), operator) if isinstance(operator, Mapping) else operator


def _merged(below: JsonValue, above: object) -> object:
    if not isinstance(below, dict) or not isinstance(above, Mapping):
        return above
    if "kind" in below and above.get("kind", below["kind"]) != below["kind"]:
        return dict(above)
    return {
        **below,
        **{key: _merged(below[key], value) if key in below else value for key, value in above.items()},
    }


@cache
def _shipped(preset: Path) -> JsonValue:
    read: JsonValue = YAML(typ="safe", pure=True).load(preset.read_text(encoding="utf-8"))
    return read

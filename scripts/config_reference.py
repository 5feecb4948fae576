"""Writes the tables of keys in docs/configuration.md and its Chinese twin from the settings classes.

    python scripts/config_reference.py           renew both files between their markers
    python scripts/config_reference.py --check   change nothing; exit 1 if a file is out of date

Either way a key without Chinese words, or words without a key, in docs/configuration.zh-CN.yaml is an error.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ingest.config import Config  # noqa: E402
from ingest.config_channels import KINDS, ChannelSettings, adapter_model  # noqa: E402
from ingest.config_fields import known_keys  # noqa: E402
from scripts.renewal import renew  # noqa: E402

ENGLISH = ROOT / "docs" / "configuration.md"
CHINESE = ROOT / "docs" / "configuration.zh-CN.md"
WORDS = ROOT / "docs" / "configuration.zh-CN.yaml"
PRESETS = ("sunshine", "hotline")
"""Kinds that have the keys of `feed` with other defaults: no tables of their own."""
LONGEST = 60
KIND_NAMES = {str: "text", int: "number", float: "number", bool: "true/false", timedelta: "duration", Path: "path"}
OTHER_KIND_NAMES = {"SecretStr": "secret", "date": "date", "AwareDatetime": "time"}
CHINESE_WORDS = {
    "text": "文本", "number": "数字", "true/false": "true/false", "duration": "时长", "path": "路径", "secret": "密钥",
    "date": "日期", "time": "时刻", "block": "键组", "any": "任意", "**required**": "**必填**", "see below": "见下",
    "shipped": "内置",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    key: str
    kind: str
    default: str
    text: str


def tables() -> dict[str, list[Row]]:
    """Rows by the name of their marker: a top-level block, `plain`, `channels`, or a kind of channel."""
    found: dict[str, list[Row]] = {"plain": []}
    for key, field in known_keys(Config).items():
        if key == "channels":
            found[key] = list(_rows(ChannelSettings))
            for kind in (kind for kind in KINDS if kind not in PRESETS):
                common = known_keys(ChannelSettings)
                found[kind] = [row for row in _rows(adapter_model(kind)) if row.key not in common]
        elif models := list(_models(field.annotation)):
            found[key] = [row for model, _ in models for row in _rows(model)]
        else:
            found["plain"].append(_row(key, field))
    return {name: _once(rows) for name, rows in found.items()}


def _rows(model: type[BaseModel], before: str = "") -> Iterator[Row]:
    for key, field in known_keys(model).items():
        inner = list(_models(field.annotation))
        if field.description or not inner:
            yield _row(before + key, field)
        for nested, step in inner:
            yield from _rows(nested, f"{before}{key}{step}.")


def _once(rows: list[Row]) -> list[Row]:
    """A key that several arms of a union have (the `kind` that tells them apart) is one row."""
    merged: dict[str, Row] = {}
    for row in rows:
        before = merged.get(row.key)
        kind = row.kind if before is None or before.kind == row.kind else f"{before.kind} / {row.kind}"
        merged[row.key] = replace(row, kind=kind, default=before.default) if before else row
    return list(merged.values())


def _row(key: str, field: FieldInfo) -> Row:
    return Row(key, _kind(field.annotation), _default(field), field.description or "which of these it is")


def _models(kind: object, step: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """The settings classes within a type, with what stands between the key and theirs."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind, step
    elif origin is Annotated:
        yield from _models(arguments[0], step)
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from _models(argument, step)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _models(arguments[1], f"{step}.NAME")
    elif origin in (list, tuple):
        yield from _models(arguments[0], f"{step}[]")


def _kind(kind: object) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        named = [OTHER_KIND_NAMES.get(type(note).__name__) for note in arguments[1:]]
        return next((name for name in named if name), None) or _kind(arguments[0])
    if origin is Literal:
        return " / ".join(f"`{word}`" for word in arguments)
    if origin in (Union, types.UnionType):
        return " / ".join(dict.fromkeys(_kind(one) for one in arguments if one is not type(None)))
    if origin in (list, tuple, set, frozenset):
        return f"list of {_kind(arguments[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "block"
    return _plain_kind(kind)


def _plain_kind(kind: object) -> str:
    if kind is Any or not isinstance(kind, type):
        return "any"
    if issubclass(kind, BaseModel):
        return "block"
    if issubclass(kind, Enum):
        return " / ".join(f"`{one.value}`" for one in kind)
    return KIND_NAMES.get(kind) or OTHER_KIND_NAMES.get(kind.__name__, "text")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ((), "", {}, frozenset()):
        return "–"
    if isinstance(value, BaseModel):
        return "see below"
    shown = _shown(value)
    return f"`{shown}`" if len(shown) <= LONGEST else "shipped"


def _shown(value: object) -> str:
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list, frozenset)):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    return str(value.value if isinstance(value, Enum) else value)


def _duration(value: timedelta) -> str:
    seconds = value.total_seconds()
    for unit, size, least in (("d", 86400, 86400), ("h", 3600, 3600), ("m", 60, 120)):
        if seconds >= least and not seconds % size:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def english(rows: list[Row]) -> str:
    lines = [f"| `{row.key}` | {row.kind} | {_cell(row.default)} | {_cell(row.text)} |" for row in rows]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *lines])


def chinese(rows: list[Row], words: Mapping[str, str]) -> str:
    lines = [
        f"| `{row.key}` | {_in_chinese(row.kind)} | {_cell(_in_chinese(row.default))} | {_cell(words[row.key])} |"
        for row in rows
    ]
    return "\n".join(["| 键 | 取值 | 默认 | 含义 |", "|---|---|---|---|", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _in_chinese(text: str) -> str:
    if text.startswith("list of "):
        return f"{_in_chinese(text.removeprefix('list of '))} 的列表"
    return " / ".join(CHINESE_WORDS.get(part, part) for part in text.split(" / "))


def renewed(text: str, written: Mapping[str, str]) -> str:
    """The document with each table between `<!-- keys: NAME -->` and `<!-- end -->` as it should be."""

    def put(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{written[found[2]]}\n\n<!-- end -->"

    document, count = re.subn(r"(<!-- keys: (\w+) -->).*?<!-- end -->", put, text, flags=re.DOTALL)
    if count != len(written):
        raise SystemExit(f"{count} tables are marked, expected {len(written)}: {', '.join(written)}")
    return document


def chinese_words(found: Mapping[str, list[Row]]) -> dict[str, dict[str, str]]:
    """The Chinese words of every key by table; exits naming what is missing or left over."""
    words: dict[str, dict[str, str]] = YAML(typ="safe", pure=True).load(WORDS.read_text("utf-8"))
    wanted = {(name, row.key) for name, rows in found.items() for row in rows}
    there = {(name, key) for name, keys in words.items() for key in keys}
    wrong = [f"{name}: {key}: no Chinese words" for name, key in sorted(wanted - there)]
    wrong += [f"{name}: {key}: there is no such key" for name, key in sorted(there - wanted)]
    if wrong:
        raise SystemExit("\n".join([f"{WORDS.relative_to(ROOT)}:", *wrong]))
    return words


def documents() -> dict[Path, str]:
    """Both documents as they should be."""
    found = tables()
    words = chinese_words(found)
    return {
        ENGLISH: renewed(ENGLISH.read_text("utf-8"), {name: english(rows) for name, rows in found.items()}),
        CHINESE: renewed(
            CHINESE.read_text("utf-8"), {name: chinese(rows, words[name]) for name, rows in found.items()}
        ),
    }


if __name__ == "__main__":
    sys.exit(renew(documents(), "config_reference.py", sys.argv[1:]))

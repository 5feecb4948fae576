"""Writes docs/case.md and its Chinese twin, the field dictionary of what the webhook carries, from the schema.

    python scripts/case_reference.py           renew both files
    python scripts/case_reference.py --check   change nothing; exit 1 if a file is out of date

A field without a description, or without Chinese words in docs/case.zh-CN.yaml, is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dispatch.payload import Payload  # noqa: E402
from ingest.catalogue import PAGES, Language, load_words  # noqa: E402
from scripts.renewal import renew  # noqa: E402

WORDS = ROOT / "docs" / "case.zh-CN.yaml"
PARTS = (
    "Payload", "Data", "Case", "Petitioner", "RequestType", "Purpose", "Category", "Form", "SourceStatus", "Region",
    "Unit", "Attachment", "Deadline", "Due", "Receipt", "ReadingNote", "Warning_", "Related", "Change", "Numbers",
)  # fmt: skip
"""In the order of the page."""
CODES = {
    "EventType": "event_type", "ChannelKind": "channel_kind", "RequestTypeCode": "request_type",
    "PurposeCode": "purpose", "form.code": "petition_form", "topics": "topic", "Urgency": "urgency",
    "Triage": "triage", "Flag": "flag", "DeadlineKind": "deadline_kind", "Stage": "stage",
    "AttachmentRole": "attachment_role", "AttachmentState": "attachment_state", "ReadingMethod": "reading_method",
    "Relation": "relation",
}  # fmt: skip
"""Where the pages' words for the codes of a type, or of a field that takes others as well, stand."""
HEADS: Mapping[Language, str] = {
    "en": """# The case, field by field

What a webhook carries ([oa.md](oa.md)), as `xinqiao schema` prints it. 中文：[case.zh-CN.md](case.zh-CN.md).
Unknown is null. Fields and codes are only ever added: keep those you do not know. Times are ISO 8601 with their offset,
with or without fractions of a second.""",
    "zh": """# 信访件字段说明

webhook 的内容（见 [OA 对接说明](oa.zh-CN.md)），与 `xinqiao schema` 的输出一致。English: [case.md](case.md)。
未知为 null；字段和代码只增不减，遇到不认识的请保留。时刻为 ISO 8601 格式，带时区，秒的小数可有可无。""",
}
Schema = Mapping[str, Any]
PLAIN = {
    "string": "text", "integer": "number", "number": "number", "boolean": "true/false", "object": "object",
    "date-time": "time", "date": "date",
}  # fmt: skip
CHINESE = {
    "text": "文本", "number": "数字", "true/false": "true/false", "object": "对象", "time": "时刻", "date": "日期",
    "any": "任意", "list of": "列表：", "null": "null",
}  # fmt: skip


def page(language: Language) -> str:
    schema = Payload.json_schema()
    parts = {"Payload": schema, **schema["$defs"]}
    words = YAML(typ="safe", pure=True).load(WORDS.read_text("utf-8")) if language == "zh" else {}
    tables = [_table(name, parts[name], language, words) for name in PARTS]
    return "\n\n".join([HEADS[language], *tables, *_codes(parts, language)]) + "\n"


def _table(name: str, part: Schema, language: Language, words: Mapping[str, Any]) -> str:
    english = language == "en"
    said = part["description"] if english else words[name][""]
    head = "| field | type | meaning |" if english else "| 字段 | 类型 | 含义 |"
    if not english and set(words[name]) != {"", *part["properties"]}:
        raise SystemExit(f"{WORDS.name}: {name}: {sorted(set(words[name]) ^ {'', *part['properties']})}")
    rows = [
        f"| `{field}` | {_type(one, english=english)} | {_told(one) if english else words[name][field]} |"
        for field, one in part["properties"].items()
    ]
    return "\n".join(
        [f"## {name.rstrip('_')}", "", said.split("\n\n")[0].replace("\n", " "), "", head, "|---|---|---|", *rows]
    )


def _told(field: Schema) -> str:
    """An object without words of its own is told by its type's."""
    return str(field.get("description", "see its type"))


def _type(field: Schema, *, english: bool) -> str:
    kinds = list(dict.fromkeys(_kinds(field)))
    return " / ".join(
        kinds if english else [" ".join(CHINESE.get(each, each) for each in _words(one)) for one in kinds]
    )


def _words(kind: str) -> list[str]:
    rest = kind.removeprefix("list of ")
    return [rest] if rest == kind else ["list of", rest]


def _kinds(field: Schema) -> Iterator[str]:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        yield f"[{name.rstrip('_')}](#{name.rstrip('_').lower()})"
    elif "anyOf" in field or "allOf" in field:
        for one in field.get("anyOf", field.get("allOf", ())):
            yield from _kinds(one)
    elif field.get("type") == "array":
        for one in _kinds(field.get("items", {})):
            yield f"list of {one}"
    elif field.get("type") == "null":
        yield "null"
    else:
        yield PLAIN.get(field.get("format", field.get("type", "")), PLAIN.get(field.get("type", ""), "any"))


def _codes(parts: Mapping[str, Schema], language: Language) -> Iterator[str]:
    """The words the pages have for each code."""
    chinese, own = load_words(PAGES, "zh").entries, load_words(PAGES, "en").entries
    head = "| code | | 中文 |" if language == "en" else "| 代码 | 含义 | English |"
    for name, group in CODES.items():
        codes = (
            parts[name]["enum"]
            if name in parts
            else [key.partition(".")[2] for key in chinese if key.startswith(f"{group}.")]
        )
        pairs = [(own.get(f"{group}.{code}", ""), chinese.get(f"{group}.{code}", "")) for code in codes]
        rows = [
            f"| `{code}` | {a} | {b} |"
            for code, (a, b) in zip(codes, pairs if language == "en" else [(b, a) for a, b in pairs], strict=True)
        ]
        yield "\n".join([f"## {name}", "", head, "|---|---|---|", *rows])


def documents() -> dict[Path, str]:
    return {ROOT / "docs" / "case.md": page("en"), ROOT / "docs" / "case.zh-CN.md": page("zh")}


if __name__ == "__main__":
    sys.exit(renew(documents(), "case_reference.py", sys.argv[1:]))

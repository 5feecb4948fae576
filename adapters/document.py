"""JSON documents of foreign systems: from bytes to values, and to the value a pointer or a path names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import cast

from adapters.base import Json

MOST_VALUES = 1_000_000
"""A value of three bytes takes two hundred in memory: so many are some 200 MB, whatever they are."""
DEEPEST = 100
"""Levels; whoever walks a document within may do so by recursion."""


_UNFIT = re.compile("[\x00\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class NotJson(ValueError):
    """The bytes are no JSON document, or one nobody writes; the message quotes nothing of them."""


def parse(data: bytes) -> Json:
    """Read a JSON document in UTF-8 (with or without mark), else GB18030. Raises NotJson.

    Neither more than MOST_VALUES values nor nesting beyond DEEPEST is read, so that time and memory are bounded by the
    size of the bytes alone, not by what they spell.
    """
    if sum(data.count(sign) for sign in (b",", b"[", b"{")) > MOST_VALUES:
        raise NotJson(f"{len(data)} bytes with more than {MOST_VALUES} values; expected a smaller page")
    try:
        document = cast("Json", json.loads(decoded(data)))
    except (ValueError, RecursionError) as error:
        where = f" and breaks at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise NotJson(f"{len(data)} bytes that {_shape(data)}{where}") from error
    if _is_deeper(document, DEEPEST):
        raise NotJson(f"{len(data)} bytes of JSON nested deeper than {DEEPEST} levels")
    return document


def _is_deeper(document: Json, levels: int) -> bool:
    level = [document]
    for _ in range(levels):
        level = [one for value in level for one in _children(value) if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _children(value: Json) -> Iterable[Json]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")


def looks_like_html(data: bytes) -> bool:
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script"))


def _shape(data: bytes) -> str:
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if looks_like_html(data):
        return "are a web page (a login page?)"
    if start == b"":
        return "are empty"
    if start == b"<":
        return "look like XML"
    return "start like JSON" if start in (b"{", b"[") else "do not start like JSON"


def canonical(value: Json) -> bytes:
    """The same bytes for the same value, whatever the order of keys and the spacing were."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def content_hash(value: Json) -> str:
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def fit(text: str) -> str:
    """The same without what no database and no JSON receiver takes (NUL, halves of surrogate pairs), nor what turns the
    direction of reading: a name is read as it is written.
    """
    return _UNFIT.sub("", text)


def pointer_to(steps: Sequence[str | int]) -> str:
    """The RFC 6901 pointer of these steps."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def at_pointer(document: Json, pointer: str) -> Json:
    """The value an RFC 6901 pointer names. Raises LookupError when there is none."""
    value = document
    for step in pointer.split("/")[1:]:
        value = _child(value, step.replace("~1", "/").replace("~0", "~"))
    return value


def at_path(document: Json, path: str) -> Json:
    """The value at a dotted path such as `data.rows` (`""`: the document itself); None where there is none.

    A name that itself contains dots is found whole first.
    """
    if path == "":
        return document
    if isinstance(document, dict) and path in document:
        return document[path]
    head, _, rest = path.partition(".")
    try:
        return at_path(_child(document, head), rest) if rest else _child(document, head)
    except LookupError:
        return None


def _child(value: Json, step: str) -> Json:
    if isinstance(value, dict):
        return value[step]
    if isinstance(value, list) and step.isascii() and step.isdigit():
        return value[int(step)]
    raise LookupError(step)

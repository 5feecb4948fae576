"""Reads a YAML file into plain data and remembers where each key and value stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from ingest.config_errors import ConfigErrors, Problem

At: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys and list places from the root."""
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
_MERGE = "tag:yaml.org,2002:merge"
_NO_COLON = "could not find expected ':'"
_WIDE = re.compile(r"(?:\s*[\w-]+\s*|[ \t]*)([\uff1a\u3000\u00a0])")
"""What an input method puts in the place of what YAML knows, behind a key or before it."""
_SAID = {
    "\uff1a": "the line has a full-width colon (\uff1a), write : and a space",
    "\u3000": "the line has a full-width space, write plain ones",
    "\u00a0": "the line has a no-break space, write plain ones",
}


@dataclass(frozen=True)
class Place:
    line: int
    column: int


@dataclass
class Document:
    """The file's data, with keys as written (text, also when they look like numbers) and dates left as text."""

    file: str
    data: dict[str, Plain] = field(default_factory=dict)
    keys: dict[At, Place] = field(default_factory=dict)
    values: dict[At, Place] = field(default_factory=dict)
    written: dict[At, str] = field(default_factory=dict)
    """A scalar's own spelling, for text that YAML takes for a number."""
    problems: list[Problem] = field(default_factory=list)

    def problem(self, at: At, text: str, *, on_key: bool = False) -> Problem:
        """A problem with the scalar at `at`, else with its key; where there is neither, with the block around it."""
        on_key = on_key or not self.written.get(at)
        place = (on_key and self.keys.get(at)) or self.values.get(at)
        around = at
        while place is None and around:
            around = around[:-1]
            place = self.keys.get(around) or self.values.get(around)
        place = place or Place(1, 1)
        return Problem(place.line, place.column, ".".join(map(str, at)), text, self.file)


def read(path: Path) -> Document:
    """Read one file of UTF-8 YAML 1.2 whose root is a block of keys.

    Duplicate keys are noted in the document's problems.

    Raises:
        ConfigErrors: the file cannot be read, or is not such YAML.
    """
    document = Document(str(path))
    root = _compose(path, document.file)
    if root is None:
        return document
    try:
        data = _plain(root, (), document)
    except RecursionError as error:
        raise ConfigErrors([Problem(1, 1, "", "an anchor (&name) contains itself", document.file)]) from error
    if not isinstance(data, dict):
        raise ConfigErrors([Problem(1, 1, "", "expected a block of keys (key: value)", document.file)])
    document.data = data
    return document


def blotted(text: str, secret: Callable[[Place], bool]) -> str:
    """The text of a document with *** for every scalar that begins where a secret does."""
    root = YAML().compose(text)
    found = sorted({(one.start_mark.index, one.end_mark.index) for one in _scalars(root) if secret(_place(one))})
    for start, end in reversed(found):
        text = text[:start] + "'***'" + ("\n" if text[start:end].endswith("\n") else "") + text[end:]
    return text


def _scalars(node: Node | None) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _scalars(key)
            yield from _scalars(value)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif node is not None:
        yield node


def _compose(path: Path, file: str) -> Node | None:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        root: Node | None = YAML().compose(text)
    except OSError as error:
        raise ConfigErrors([Problem(0, 0, "", f"cannot be read: {error.strerror}", file)]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigErrors([Problem(line, 1, "", "not UTF-8 text; save the file as UTF-8", file)]) from error
    except MarkedYAMLError as error:
        raise ConfigErrors([_syntax(error, text, file)]) from error
    except YAMLError as error:
        raise ConfigErrors([Problem(1, 1, "", f"not YAML: {error}", file)]) from error
    return root


def _syntax(error: MarkedYAMLError, text: str, file: str) -> Problem:
    mark: StringMark | None = error.problem_mark or error.context_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if "'\\t'" in said:
        said += "; indent with spaces, not tabs"
    if error.problem == _NO_COLON:  # noticed where the next key begins
        mark = error.context_mark or mark
        said = 'expected "key: value", with a colon and a space'
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    for number in (line, line - 1):  # a key without its colon is noticed behind the next one
        wide = _WIDE.match(lines[number - 1]) if 0 < number <= len(lines) else None
        if wide:
            return Problem(number, wide.end(), "", f"not YAML: {said}; {_SAID[wide[1]]}", file)
    return Problem(line, column, "", f"not YAML: {said}", file)


def _plain(node: Node, at: At, document: Document) -> Plain:
    document.values[at] = _place(node)
    if isinstance(node, MappingNode):
        return _block(node, at, document)
    if isinstance(node, SequenceNode):
        return [_plain(item, (*at, number), document) for number, item in enumerate(node.value)]
    document.written[at] = node.value
    return _scalar(node)


def _block(node: MappingNode, at: At, document: Document) -> dict[str, Plain]:
    block: dict[str, Plain] = {}
    for key_node, value_node, merged in _pairs(node):
        key = str(key_node.value)
        here = (*at, key)
        if key[:1] in _SAID:  # an indent that YAML takes for a part of the key
            place = _place(key_node)
            document.problems.append(Problem(place.line, place.column, "", _SAID[key[0]], document.file))
        elif key not in block:
            document.keys[here] = _place(key_node)
            block[key] = _plain(value_node, here, document)
        elif not merged:
            document.problems.append(_twice(here, document.keys[here], _place(key_node), document.file))
    return block


def _twice(at: At, first: Place, second: Place, file: str) -> Problem:
    text = f"given twice, first in line {first.line}; keep one"
    return Problem(second.line, second.column, ".".join(map(str, at)), text, file)


def _pairs(node: MappingNode) -> Iterator[tuple[Node, Node, bool]]:
    """Yield key, value and whether it came by a merge (`<<: *anchor`); what the block says itself comes first."""
    merges = [value for key, value in node.value if key.tag == _MERGE]
    yield from ((key, value, False) for key, value in node.value if key.tag != _MERGE)
    for merge in merges:
        for block in merge.value if isinstance(merge, SequenceNode) else [merge]:
            yield from ((key, value, True) for key, value, _ in _pairs(block))


def _scalar(node: Node) -> Plain:
    text = str(node.value)
    match str(node.tag).rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if _number(text):
            return int(text)
        case "float" if "." in text or "e" in text.lower():
            return float(text.replace("_", ""))
    return text


def _number(text: str) -> bool:
    """Whether it is plainly a number: 007, 0x1F and 1_000 stay the text they may have been meant as."""
    digits = text.lstrip("+-")
    return digits.isdecimal() and (digits == "0" or not digits.startswith("0"))


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)

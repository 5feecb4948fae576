"""Text set in lines: where Chinese and Latin words may be broken, and what fits where."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice

from ingest.sheets.fonts import font_of, width

NEVER_FIRST = "，。、；：？！）》〉」』】〕”’…—·％,.;:?!)]}%"
NEVER_LAST = "（《〈「『【〔“‘([{￥$"
_WORD = re.compile(r"[!-~À-ɏ]+|.", re.DOTALL)
_UNSEEN = ("Cc", "Cf")
INDENT = "　　"


def printable(text: str) -> str:
    """Without what is no character to print: controls, and marks that join, hide or turn around what follows."""
    return "".join(one for one in text.replace("\t", " ") if one == "\n" or unicodedata.category(one) not in _UNSEEN)


def spelled(text: str) -> str:
    """A name whose every character is printed or, if no font has it, told by its number: it must not be lost."""
    clean = printable(text).replace("\n", " ")
    return "".join(one if font_of(one) else f"〔U+{ord(one):04X}〕" for one in clean)


def lines(text: str, measure: float, size: float) -> Iterator[str]:
    """The text in lines no wider than `measure` points, lazily; a line break in it is one."""
    for paragraph in text.split("\n"):
        line = ""
        for word in _words(paragraph):
            if line and width(line + word.rstrip(), size) > measure:
                yield line.rstrip()
                line = ""
            line = line + word if line or word.strip() or word == "　" else ""
            while width(line, size) > measure:
                fits = _longest(line, measure, size)
                yield line[:fits]
                line = line[fits:]
        yield line.rstrip()


def cut(text: str, measure: float, size: float, most: int, end: str) -> list[str]:
    """At most so many lines; what is left out is told by `end` in the last."""
    found = list(islice(lines(text, measure, size), most + 1))
    if len(found) <= most:
        return found
    found = found[:most]
    last = found[-1].rstrip(NEVER_FIRST)
    while last and width(last + end, size) > measure:
        last = last[:-1]
    return [*found[:-1], last + end]


def letter(text: str) -> str:
    """A letter's own words as they are set: paragraphs indented, empty lines left out."""
    paragraphs = (line.strip() for line in text.split("\n"))
    return "\n".join(INDENT + one for one in paragraphs if one)


def _words(paragraph: str) -> Sequence[str]:
    """What is not broken: a Latin word, a character, each with the marks that may not stand without it."""
    found: list[str] = []
    for piece in _WORD.findall(paragraph):
        glued = found and (piece[0] in NEVER_FIRST or found[-1][-1] in NEVER_LAST)
        if glued:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _longest(line: str, measure: float, size: float) -> int:
    """How many characters of an over-long word fit, at least one."""
    room, count = measure, 0
    for one in line:
        room -= width(one, size)
        if room < 0:
            break
        count += 1
    return max(count, 1)

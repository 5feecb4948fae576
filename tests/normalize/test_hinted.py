"""Expressions that are tried only where they can begin find what they would find anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from re import _constants as sre  # type: ignore[attr-defined]  # nothing public tells how an expression can begin
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalize.hinted import ALL, Hinted

for module in ("normalize.read", "normalize.rules"):
    import_module(module)  # which makes them all
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_SAMPLES = {sre.CATEGORY_DIGIT: "0९", sre.CATEGORY_SPACE: " \t\n\u3000"}
LETTERS = (
    "我本人家长投诉举报学校小学第三中身份证电话手机号码住址地址在是叫:： \n0123456789Xx-+()（）"
    "等户联名签字业主代表要求，。"
)


def beginnings(parsed: Iterable[tuple[Any, Any]]) -> tuple[set[str], bool]:
    """The characters an expression can begin with, and whether it can match nothing."""
    found: set[str] = set()
    for kind, what in parsed:
        if kind in (sre.ASSERT, sre.ASSERT_NOT, sre.AT):
            continue
        begun, empty = _first(kind, what)
        found |= begun
        if not empty:
            return found, False
    return found, True


def _first(kind: Any, what: Any) -> tuple[set[str], bool]:
    if kind is sre.LITERAL:
        return {chr(what)}, False
    if kind is sre.IN:
        return {character for member in what for character in _members(*member)}, False
    if kind is sre.BRANCH:
        each = [beginnings(branch) for branch in what[1]]
        return set().union(*(begun for begun, _ in each)), any(empty for _, empty in each)
    if kind is sre.SUBPATTERN:
        return beginnings(what[3])
    if kind in _REPEATS:
        begun, empty = beginnings(what[2])
        return begun, empty or what[0] == 0
    raise AssertionError(f"an expression that begins with {kind} cannot be hinted")


def _members(kind: Any, what: Any) -> Iterable[str]:
    if kind is sre.LITERAL:
        return chr(what)
    if kind is sre.RANGE:
        return map(chr, range(what[0], what[1] + 1))
    if kind is sre.CATEGORY:
        return _SAMPLES[what]
    raise AssertionError(f"a class with {kind} cannot be hinted")


@pytest.mark.parametrize("hinted", ALL, ids=lambda hinted: hinted.first.pattern)
def test_the_hint_names_every_character_the_expression_can_begin_with(hinted: Hinted) -> None:
    begun, empty = beginnings(_parser.parse(hinted.pattern.pattern, hinted.pattern.flags))

    assert not empty
    assert [character for character in sorted(begun) if not hinted.first.match(character)] == []


@given(st.text(alphabet=LETTERS, max_size=80))
def test_all_of_them_find_what_they_would_find_unhinted(text: str) -> None:
    for hinted in ALL:
        plain = [found.span() for found in hinted.pattern.finditer(text)]
        first = hinted.search(text)

        assert [found.span() for found in hinted.finditer(text)] == plain
        assert (first and first.span()) == (plain[0] if plain else None)

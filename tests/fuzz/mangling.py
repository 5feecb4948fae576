"""Inputs that almost make sense: seeds cut, doubled, crossed and mistyped by a recipe that Hypothesis draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from hypothesis import strategies as st

NUMBERS = (b"0", b"-1", b"65536", b"2147483648", b"99999999999999999999", b"1e400", b"NaN")
ODD = (b"\0", b"\xff\xfe", b"\xed\xa0\x80", "\u202e".encode(), "\u2028".encode(), b"%s%n", b"../../../etc/passwd")
LONGEST = 64 * 1024
"""Bytes of the longest input: what grows faster than its input shows at this size."""
HEAD, STEP, MISHAPS = 2, 8, 8
"""A recipe: which seed, how many mishaps, eight bytes for each. Of one length: else Hypothesis draws short ones."""


def mangled(seeds: Sequence[bytes], tokens: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds after up to MISHAPS mishaps; `tokens` are the format's own words, which land anywhere.

    The recipe is one draw: drawing each choice by itself takes Hypothesis longer than most readers take to read.
    """
    recipe = st.binary(min_size=HEAD + MISHAPS * STEP, max_size=HEAD + MISHAPS * STEP)
    return recipe.map(partial(_cooked, tuple(seeds), (*tokens, *NUMBERS, *ODD)))


def _cooked(seeds: Sequence[bytes], words: Sequence[bytes], recipe: bytes) -> bytes:
    data = seeds[recipe[0] % len(seeds)]
    for step in _steps(recipe[HEAD:], recipe[1] % (MISHAPS + 1)):
        data = _mishap(data, seeds, words, step)[:LONGEST]
    return data


def _steps(recipe: bytes, count: int) -> Iterator[bytes]:
    return (recipe[number * STEP : (number + 1) * STEP] for number in range(count))


def _mishap(data: bytes, seeds: Sequence[bytes], words: Sequence[bytes], step: bytes) -> bytes:
    at, length = int.from_bytes(step[1:3], "big") * (len(data) + 1) >> 16, step[3] & 63
    word = words[step[4] % len(words)]
    match step[0] % 7:
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[at + length :]
        case 2:
            return data[:at] + data[at : at + length] * (2 + step[5]) + data[at + length :]
        case 3:
            return data[:at] + word + data[at:]
        case 4:
            return data[:at] + word + data[at + len(word) :]
        case 5:
            return data[:at] + step[5:] + data[at + 1 :]
        case _:
            return data[:at] + seeds[step[5] % len(seeds)][at:]

"""JSON of foreign systems: what it takes to read it is bounded by its bytes, not by what they spell."""

from __future__ import annotations

import json

import pytest

from adapters.document import DEEPEST, MOST_VALUES, NotJson, canonical, parse


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[" + b"[]," * MOST_VALUES + b"[]]", "more than 1000000 values"),
        (b"[" + b"{}," * (MOST_VALUES // 2) + b"{}]", "more than 1000000 values"),
        (b"[" * 100_000 + b"]" * 100_000, "start like JSON"),
        (b"[" * 101 + b"]" * 101, "deeper than 100 levels"),
        (b'{"a":' * 500 + b"0" + b"}" * 500, "deeper than 100 levels"),
        (b"[" + b"9" * 5000 + b"]", "start like JSON"),
        (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>", "look like XML"),
        (b'{"bt": "\xcc\xe2', "breaks at character"),
        (b"", "are empty"),
    ],
)
def test_what_nobody_writes_is_not_read_and_says_why(data: bytes, why: str) -> None:
    with pytest.raises(NotJson, match=why):
        parse(data)


def test_what_is_read_can_be_walked_and_written() -> None:
    deepest = parse(b"[" * DEEPEST + b"]" * DEEPEST)

    assert parse(canonical(deepest)) == deepest
    assert len(json.dumps(parse(b"[" + b"0," * (MOST_VALUES - 2) + b"0]"))) > MOST_VALUES

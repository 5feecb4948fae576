"""Which texts of a configuration may be keys although no field of theirs says so: what is shown to platforms, OAs and
robots beside the cases.
"""

from __future__ import annotations

import re

from dispatch.blotting import SHORTEST, TOKEN, is_key, names_a_key
from ingest.config_yaml import At
from ingest.secrets import references

_SHOWN = {"headers", "params", "body"}
_BEGINS = {"targets": 2, "channels": 2, "alarms": 3}
"""Behind how many steps a block's own keys begin."""
_FILLED = re.compile(r"\{\{.*?\}\}|\{[^{}]*\}")
"""Templates and placeholders: what stands in their place is not in the file."""
_SCHEME = re.compile(r"(?i)\s*(?:basic|bearer|token)\s+")
_PLAIN = {"accept", "accept-language", "content-type", "user-agent"}


def may_be_key(at: At, value: object) -> bool:
    """Whether it must not lie beside a backup: what a login says, and what looks like a key elsewhere."""
    if not _is_shown(at) or isinstance(value, bool) or not isinstance(value, str | int) or references(str(value)):
        return False
    return _is_said_at_login(at, str(value)) or (isinstance(value, str) and any(_keys(at, value)))


def looks_like_key(at: At, value: object) -> bool:
    """Whether a person is told of it; a word that only might be one is not worth it."""
    if not may_be_key(at, value):
        return False
    named, text = names_a_key(_name(at)), str(value)
    if named and _is_said_at_login(at, text):
        return True
    return any(len(key) >= (SHORTEST if named else TOKEN) for key in _keys(at, text))


def _is_shown(at: At) -> bool:
    begin = _BEGINS.get(str(at[0]))
    return begin is not None and not _SHOWN.isdisjoint(at[begin:-1]) and _name(at).lower() not in _PLAIN


def _is_said_at_login(at: At, text: str) -> bool:
    return "login" in at[2:] and not _FILLED.search(text)


def _keys(at: At, text: str) -> list[str]:
    return [part for part in _SCHEME.sub(" ", _FILLED.sub(" ", text)).split() if is_key(_name(at), part)]


def _name(at: At) -> str:
    return next(step for step in reversed(at) if isinstance(step, str))

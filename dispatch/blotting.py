"""Keeps secrets out of what is kept of a receiver's words: some receivers repeat what they were shown."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from yarl import URL

from dispatch.settings import Call, TargetSettings

SHORTEST = 6
"""What is shorter stands in answers by chance."""
TOKEN = 16
"""So long is a step of an address that is a key, as in `/hook/3f9c…`."""
REMEMBERED = 16
"""So much of what logins gave: an answer may still be about the login before."""
BLOT = b"***"
CHARSETS = ("utf-8", "gb18030")
"""In which receivers write."""
_TEMPLATE = re.compile(r"\{\{.*?\}\}")
_ONE_WORD = re.compile(r"[!-z|~]+")
"""What a key may look like, and no text for readers and no template does."""
_SECRET = re.compile("key|secret|token|sign|pass|pwd|auth", re.IGNORECASE)


class Blotter:
    """Knows the secrets of one target: those written in its block, and what logging in gave."""

    def __init__(self, settings: TargetSettings) -> None:
        self._own = _spellings(_secrets_of(settings))
        self._given: deque[frozenset[bytes]] = deque(maxlen=REMEMBERED)

    def add(self, secrets: Iterable[str]) -> None:
        self._given.append(_spellings(secrets))

    def blot(self, content: bytes) -> bytes:
        """The content without any of them, however it spells them."""
        for secret in sorted(self._own.union(*self._given), key=len, reverse=True):  # the whole before its parts
            content = content.replace(secret, BLOT)
        return content


def _spellings(secrets: Iterable[str]) -> frozenset[bytes]:
    """As they are, as JSON may write them, and as addresses do; of `Bearer abc` also what follows."""
    parts = {part for secret in secrets for part in (secret, *secret.split()) if len(part) >= SHORTEST}
    return frozenset(
        spelling.encode(charset, "backslashreplace")
        for charset in CHARSETS
        for part in parts
        for spelling in (part, json.dumps(part)[1:-1], part.replace("/", "\\/"), quote(part, safe="", errors="replace"))
    )


def _secrets_of(settings: TargetSettings) -> Iterator[str]:
    """What is secret, and what may be: whatever is shown besides the case."""
    yield from (one.get_secret_value() for one in settings.secret)
    yield from (one.get_secret_value() for one in settings.token)
    if settings.proxy is not None:
        yield from _password_of(URL(settings.proxy.get_secret_value()))
    yield from settings.headers.values()
    yield from _in_address(URL(settings.url))
    logins: tuple[Call, ...] = settings.login.calls if settings.login else ()
    lookups: tuple[Call, ...] = (settings.lookup,) if settings.lookup else ()
    for call in (*settings.calls.values(), *lookups, *logins):
        yield from call.headers.values()
        yield from call.params.values()
        path = _TEMPLATE.sub("", call.path).lstrip("/")
        yield from _in_address(URL(f"{settings.url.rstrip('/')}/{path}"))
        yield from (text for name, text in _texts(call.body) if call in logins or is_key(name, text))


def _in_address(url: URL) -> Iterator[str]:
    """Keys that stand in an address: its user's password, what is asked with it, and steps that look like no word."""
    yield from _password_of(url)
    written = (part.partition("=")[::2] for part in url.raw_query_string.split("&"))
    yield from (text for name, text in (*url.query.items(), *written) if is_key(name, text))
    steps = (*url.parts, *url.raw_parts)
    yield from (step for step in steps if len(step) >= TOKEN and any(map(str.isdigit, step)))


def _password_of(url: URL) -> Iterator[str]:
    """As it is, and as the address writes it: not every sign that could be escaped is."""
    yield from filter(None, (url.password, url.raw_password))


def is_key(name: str, text: str) -> bool:
    """Whether it looks like one, and like no word or number that answers use."""
    return _ONE_WORD.fullmatch(text) is not None and (names_a_key(name) or not (text.isdecimal() or text.isalpha()))


def names_a_key(name: str) -> bool:
    """Whether a field of this name holds a key, whatever that looks like."""
    return _SECRET.search(name) is not None


def _texts(tree: Any, name: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Every text with the name it stands under."""
    if isinstance(tree, str):
        yield name, tree
    elif isinstance(tree, dict):
        for key, item in tree.items():
            yield from _texts(item, key)
    elif isinstance(tree, list):
        for item in tree:
            yield from _texts(item, name)

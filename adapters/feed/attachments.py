"""Where the attachments a record names may be fetched from, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import unquote

from yarl import URL

from adapters.base import Unobtainable

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")


def address(ref: str, base_url: str, hosts: tuple[str, ...], channel: str) -> URL:
    """The address a reference means, on base_url's host or one of `hosts`. Raises Unobtainable for any other."""
    ref = ref.strip()
    url = _resolved(ref, base_url)
    if url is None or url.scheme not in {"http", "https"} or not url.host or url.user is not None:
        raise Unobtainable(f"{channel}: an attachment's reference is not an address; expected a path or http(s)://…")
    if url.origin() != URL(base_url).origin() and not _is_allowed(url, hosts):
        raise Unobtainable(
            f"{channel}: an attachment lies on {url.host}:{url.port}; "
            f"expected {URL(base_url).host} or one of attachments.hosts"
        )
    return url


def _resolved(ref: str, base_url: str) -> URL | None:
    if not ref or _UNPRINTABLE.search(ref):
        return None
    try:
        if ref.startswith("//"):
            return URL(f"{URL(base_url).scheme}:{ref}")
        if _SCHEME.match(ref):
            return URL(ref)
        return URL(f"{base_url}/{ref.lstrip('/').replace('#', '%23')}")
    except ValueError:
        return None


def _is_allowed(url: URL, hosts: tuple[str, ...]) -> bool:
    """A host named without port is allowed at its usual ones only: other ports are other services."""
    usual = url.is_default_port() and url.host in hosts
    return usual or f"{url.host}:{url.port}" in hosts


def name_of(url: URL, headers: Mapping[str, str]) -> str | None:
    """What the platform calls the file: by its header, else by the address."""
    message = Message()
    message["Content-Disposition"] = _as_text(headers.get("Content-Disposition", ""))
    told = message.get_param("filename", header="Content-Disposition")
    name = unquote(collapse_rfc2231_value(told)) if told else url.name
    return name.replace("\\", "/").rsplit("/", 1)[-1].strip() or None


def _as_text(header: str) -> str:
    """Many platforms write Chinese names raw into a header, in UTF-8 or GBK."""
    try:
        return header.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError:
        return header.encode("utf-8", "surrogateescape").decode("gb18030", "replace")

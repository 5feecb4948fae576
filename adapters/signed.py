"""Addresses of files that are signed anew whenever they are listed: what stays the same of them."""

from __future__ import annotations

import re

from adapters.base import Json

_QUERY = re.compile(r"""\?((?:[^\s,;|"'<>?]|;(?=\d{10}(?:&|$)))+)""")
"""Of each address in a text that may list several; the one semicolon within an address stands between two times."""
_SIGNED: tuple[tuple[frozenset[str], re.Pattern[str]], ...] = (
    (frozenset({"x-amz-signature"}), re.compile("x-amz-.+")),  # S3, MinIO
    (frozenset({"x-goog-signature"}), re.compile("x-goog-.+")),
    (frozenset({"x-oss-signature"}), re.compile("x-oss-(?!process).+")),  # Alibaba
    (
        frozenset({"signature", "expires"}),  # Alibaba, Huawei, S3 as it was
        re.compile(r"signature|expires|(?:aws|oss)?accesskeyid|googleaccessid|(?:x-\w+-)?security-token"),
    ),
    (frozenset({"q-signature"}), re.compile("q-.+|x-cos-security-token")),  # Tencent
    (frozenset({"sig", "se", "sv"}), re.compile("sig|s[eprstv]|srt|spr|sip|sk[a-z]+")),  # Azure
    (frozenset({"e", "token"}), re.compile("e|token")),  # Qiniu
    (frozenset({"auth_key"}), re.compile("auth_key")),  # delivery networks
)
"""The parameters by which a signed query is known, and those that only sign."""


def unsigned(value: Json) -> Json:
    """The value with every address in it as it was before somebody signed it."""
    match value:
        case str():
            return _QUERY.sub(lambda found: _without_signature(found[0], found[1]), value) if "?" in value else value
        case dict():
            return {key: unsigned(one) for key, one in value.items()}
        case list():
            return [unsigned(one) for one in value]
    return value


def _without_signature(whole: str, query: str) -> str:
    parameters = [(one.partition("=")[0].lower(), one) for one in query.split("&")]
    names = {name for name, _ in parameters}
    for told, signing in _SIGNED:
        if told <= names:
            return "?" + "&".join(one for name, one in parameters if not signing.fullmatch(name))
    return whole

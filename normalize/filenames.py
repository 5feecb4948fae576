"""File names as strangers send them, made harmless."""

from __future__ import annotations

import re
import unicodedata

# Unicode's invisible and direction-turning characters: an .exe can look like a .doc with them.
_INVISIBLE = re.compile("[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"(?i)^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)")
_PATH = re.compile(r"\\|^(?:[A-Za-z]:|[./~])|(?:^|/)\.{1,2}(?:/|$)")
_LONGEST = 120


def clean_name(name: str, fallback: str) -> str:
    """A file name of at most 120 characters: no path, nothing invisible or direction-turning; else `fallback`."""
    name = _SURROGATE.sub("\ufffd", unicodedata.normalize("NFC", name))
    name = _INVISIBLE.sub("", re.sub(r"[\t\r\n]+", " ", name))
    if _PATH.search(name):
        name = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    # 2025/2026学年.doc is no path
    name = _FORBIDDEN.sub("_", name.replace("/", "_")).strip().rstrip(". ")
    name = _DEVICE.sub(lambda match: f"_{match[0]}", name)
    if not name.strip("._ "):
        return fallback
    return name if len(name) <= _LONGEST else _shortened(name)


def clean_text(text: str) -> str:
    """Text without control, zero-width and direction characters and lone surrogates; line ends are line feeds."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", text)).replace("\u00a0", " ")


_CONTROL = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def _shortened(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 10:
        return name[:_LONGEST]
    return f"{stem[: _LONGEST - len(extension) - 1]}.{extension}"

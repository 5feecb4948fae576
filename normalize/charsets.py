"""Bytes to text, whatever the sender says they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_BIG5 = frozenset({"big5", "big5-hkscs", "big5hkscs", "cp950", "chinesebig5", "cn-big5", "x-big5"})
# A declaration of these says nothing once there are bytes above 127: mailers write them by habit.
_VAGUE = frozenset(
    """
    us-ascii ascii ansi_x3.4-1968 iso-8859-1 iso8859-1 latin1 latin-1 windows-1252 cp1252
    x-unknown unknown unknown-8bit default default_charset binary 8bit
    """.split()  # noqa: SIM905  a list of this length is read as words
)
_ALIASES = {
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "iso-8859-8-i": "iso-8859-8",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "iso-2022-jp": "iso-2022-jp-ext",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "hz-gb-2312": "hz",
    "x-mac-roman": "mac_roman",
}
_SIBLING = {"gb18030": "big5hkscs", "big5hkscs": "gb18030"}
_EVERYDAY = re.compile(
    "[的一是了我不人在他有上大地子中你生年着就那和要她出也得自以家可下而天去能小多然心之都好看起成用主行方又如前所本但些学校"
    "这个们来到时为说国里后会过对学于还发没开无现动请问师這個們來時為說國裡後會過對學於還發沒開無現動請問師與]"
)
"""A fifth to a third of any Chinese text, and hardly a character of one read in the wrong charset."""
# Codecs of Python that are no mail's charset, or can be made to eat time.
_NO_CHARSET = frozenset(
    {"unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "mbcs", "oem", "charmap"}
)
# Sevenbit encodings hide their characters in ASCII bytes.
_SEVENBIT = frozenset(
    {"hz", "utf-7", "iso-2022-jp-ext", "iso-2022-kr", "iso-2022-cn", "utf-16", "utf-16le", "utf-16be", "utf-32"}
)

_HIGH = re.compile(rb"[\x80-\xff]+")
_GB_COMMON = re.compile(rb"[\xb0-\xd7][\xa1-\xfe]")  # the everyday half of GB2312
_GB_ANY = re.compile(rb"[\xa1-\xa9\xb0-\xf7][\xa1-\xfe]")
_BIG5_COMMON = re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]")


@dataclass(frozen=True)
class Decoded:
    """Text, the charset it was read in, and whether characters were lost on the way."""

    text: str
    charset: str
    lossy: bool = False


def decode(data: bytes, declared: str | None = None, hint: str | None = None) -> Decoded:
    """Read bytes as text; never raises.

    All that calls itself GB is read as GB18030. A declaration that does not fit the bytes, or says nothing, gives way
    to what fits: UTF-8, the `hint` (a charset declared nearby), GB18030 if it looks like Chinese, Latin; and GB and
    Big5 to each other, since most bytes are characters in both.
    """
    name = _likelier(data, canonical(declared))
    if data.startswith(b"\xef\xbb\xbf"):
        data, name = data[3:], "utf-8"
    if data.isascii() and name not in _SEVENBIT:
        return Decoded(data.decode("ascii"), "us-ascii")
    for guess in _guesses(data, name, canonical(hint)):
        if (text := _strict(data, guess)) is not None:
            return Decoded(text, guess)
    best = name if _says_something(name) and _known(name) else "gb18030" if looks_chinese(data) else "utf-8"
    return _least_loss(data, best)


def _likelier(data: bytes, name: str) -> str:
    """The one of GB and Big5 in which the bytes are Chinese, where the other was declared and they are none in it."""
    other = _SIBLING.get(name)
    first = _HIGH.search(data)
    if other is None or first is None or _strict(data, "utf-8") is not None:
        return name
    sample = data[first.start() : first.start() + 2000]
    declared, sibling = (len(_EVERYDAY.findall(sample.decode(each, "replace"))) for each in (name, other))
    return other if sibling >= 3 and sibling > 4 * declared else name


@lru_cache(maxsize=256)
def canonical(declared: str | None) -> str:
    """The name by which we read a declared charset; empty: none was declared."""
    name = re.sub(r"[\"'\s]", "", (declared or "").split(";")[0]).lower().strip("=.,<>")
    name = name.removeprefix("charset=").removeprefix("x-x-")
    if re.match(r"(?:x-|cs|ms-?)?(?:gb[_-]?(?:2312|k$|18030)|cp?-?936|936|euc-?cn)", name):
        return "gb18030"
    if name in _BIG5:
        return "big5hkscs"
    return _ALIASES.get(name, name)


def looks_chinese(data: bytes) -> bool:
    """Whether most bytes above 127 stand in pairs of everyday GB2312."""
    high = sum(len(run) for run in _HIGH.findall(data[:20_000]))
    common = 2 * len(_GB_COMMON.findall(data[:20_000]))
    return common * 2 > high and 2 * len(_GB_ANY.findall(data[:20_000])) > high * 0.85


def _guesses(data: bytes, name: str, hint: str) -> Iterator[str]:
    if name == "gb18030" and _surely_utf8(data):
        yield "utf-8"
    if _says_something(name):
        yield name
    if data.isascii():
        yield "us-ascii"
    yield "utf-8"
    if _says_something(hint):
        yield hint
    if "iso-2022-jp-ext" in {name, hint}:
        yield "cp932"
    if looks_chinese(data):
        yield "gb18030"
    if vague := next((each for each in (name, hint) if each in _VAGUE), None):
        yield "cp1252" if vague in {"windows-1252", "cp1252"} else "iso-8859-1"
    elif not name and 2 * len(_BIG5_COMMON.findall(data)) > sum(map(len, _HIGH.findall(data))) * 0.9:
        yield "big5hkscs"
    yield "gb18030"


def _says_something(name: str) -> bool:
    return bool(name) and name not in _VAGUE


def _surely_utf8(data: bytes) -> bool:
    """UTF-8 that was declared as GB: valid, and every character beyond ASCII is East Asian."""
    text = _strict(data, "utf-8")
    return text is not None and all(char < "\x80" or char >= "\u2000" for char in text)


def _known(name: str) -> bool:
    try:
        "".encode(name)
    except (LookupError, ValueError, UnicodeError):
        return False
    return name not in _NO_CHARSET


def _strict(data: bytes, name: str) -> str | None:
    if name.replace("-", "_") in _NO_CHARSET:
        return None
    try:
        return data.decode(name)
    except (LookupError, ValueError):  # UnicodeError is a ValueError
        return None


def _least_loss(data: bytes, name: str) -> Decoded:
    """Decode with replacement characters, in whichever of the likely charsets needs the fewest."""
    tries = [
        Decoded(data.decode(each, "replace"), each, lossy=True) for each in dict.fromkeys([name, "utf-8", "gb18030"])
    ]
    return min(tries, key=lambda each: each.text.count("\ufffd"))

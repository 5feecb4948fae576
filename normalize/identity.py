"""Resident identity numbers in running text and in identity fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from normalize.hinted import Hinted
from normalize.phones import narrowed

_LOOKALIKE = str.maketrans("OoＯ〇○Il|ｌＩqSB×✕╳хХⅩｘＸx", "00000" + "11111" + "958" + "XXXXXXXXX")

_ID18 = Hinted("0-9OoIlＯ〇○", r"(?<![0-9A-Za-z])(?:[0-9OoIlＯ〇○][ \-]?){17}[0-9OoIlXxхХ×✕╳Ⅹ〇○](?![0-9A-Za-z])")
_ID15 = Hinted("1-8", r"(?<![0-9A-Za-z.-])[1-8]\d{14}(?![0-9A-Za-z.-])")
# A quick look whether there can be a number at all.
_ANY = Hinted(r"\dOoIlＯ〇○", r"[\dOoIlＯ〇○][\dOoIl|qSBＯ〇○ -]{6}")
_LABEL = re.compile(r"(?:身份证?|证件)(?:号码?|证号码?)?[^\d，。,;；\n]{0,6}$")
_LABELLED = re.compile(
    r"(?:身份证|证件|公民身份)(?:号码?)?[ \t]*[:是为]?[ \t]*"
    r"(?P<value>[0-9OoIl|qSB][0-9OoIl|qSB]{10,18}[0-9OoIl|qSBXxхХ×✕╳Ⅹ])(?![0-9A-Za-z])"
)
_PROVINCES = re.compile("1[1-5]|2[123]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[123]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True)
class IdentityNumber:
    """A resident identity number (GB 11643) found in a text.

    `number` is what is written, lookalike letters corrected; `canonical` its eighteen-digit form, the one to look a
    person up by. `valid`: province, birthday and check digit (eighteen digits only) fit.
    """

    number: str
    canonical: str
    valid: bool
    birth: date | None
    gender: str | None


@dataclass(frozen=True)
class FoundIdentity:
    """An identity number and where it is written."""

    start: int
    end: int
    identity: IdentityNumber


def identity_numbers(text: str, *, field: bool = False) -> tuple[IdentityNumber, ...]:
    """The identity numbers in a text, each once.

    One that does not check out counts where 身份证 stands before it, or with `field` (an identity field) everywhere.
    Letters read or typed for digits (O, I, l, ×) are corrected, spaces dropped, full-width digits read.
    """
    return tuple({each.identity.canonical: each.identity for each in found_identities(text, field=field)}.values())


def found_identities(text: str, *, field: bool = False) -> list[FoundIdentity]:
    """As `identity_numbers`, with the places: each number as often as it is written."""
    if not _ANY.search(text):
        return []
    words = narrowed(text)
    found = {each.start: each for each in _found(words) if field or each.identity.valid or _labelled(words, each.start)}
    return [found[start] for start in sorted(found)]


def identity_number(written: str) -> IdentityNumber:
    """Judge one identity number as written."""
    number = re.sub(r"[\s-]", "", narrowed(written)).translate(_LOOKALIKE).upper()
    canonical = _upgraded(number) if len(number) == 15 and number.isdecimal() else number
    well_formed = re.fullmatch(r"\d{17}[\dX]", canonical) is not None
    birth = _birth(canonical) if well_formed else None
    valid = birth is not None and bool(_PROVINCES.match(canonical)) and _check_digit(canonical[:17]) == canonical[17]
    gender = (("女", "男")[int(canonical[16]) % 2]) if valid else None
    return IdentityNumber(number, canonical, valid, birth, gender)


def _found(words: str) -> Iterator[FoundIdentity]:
    for match in _LABELLED.finditer(words):
        yield FoundIdentity(match.start("value"), match.end(), identity_number(match["value"]))
    for pattern in (_ID15, _ID18):
        for match in pattern.finditer(words):
            yield FoundIdentity(match.start(), match.end(), identity_number(match[0]))


def _labelled(words: str, start: int) -> bool:
    return _LABEL.search(words, max(0, start - 16), start) is not None


def _upgraded(number: str) -> str:
    body = f"{number[:6]}19{number[6:]}"
    return body + _check_digit(body)


def _check_digit(body: str) -> str:
    return "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]


def _birth(number: str) -> date | None:
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    return born if 1880 <= born.year <= 2100 else None

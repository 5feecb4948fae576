"""The writers of a letter: names under it, and the numbers and addresses they give to be reached."""

from __future__ import annotations

import re
from dataclasses import dataclass

from normalize import labels
from normalize.case import Petitioner
from normalize.labels import LabelRules
from normalize.people import (
    IdentityNumber,
    addresses,
    asks_anonymity,
    identity_number,
    identity_numbers,
    names,
    phones,
    signatures,
)
from normalize.surnames import is_person_name

_SIGNED = re.compile(r"(?:人|代表|家长|教师|老师|业主|村民|职工|学生)\s*[：:]\s*([\u4e00-\u9fff·、，, ]{2,40})")
_CLOSING_LINES = 10


@dataclass(frozen=True)
class Writers:
    """The people who sign, the first one the one to answer to."""

    petitioners: tuple[Petitioner, ...]
    anonymous: bool
    doubtful_id: bool
    """An identity number was read whose check digit does not fit."""


def writers(content: str, rules: LabelRules) -> Writers:
    """Who writes: by label (联系人：…), by signature, or by naming himself; anonymous when nobody does."""
    closing = "\n".join(content.splitlines()[-_CLOSING_LINES:])
    told = {field: value.splitlines()[0].rstrip(" 。") for field, value in labels.read(closing, rules).items()}
    people = _names(content, closing, told.get("name", ""))
    number, doubtful = _id(content, told.get("id_no", ""))
    reached = (
        phones(told.get("phone", ""), field=True) or phones(closing) or phones(content),
        told.get("email"),
        _address(content, told.get("address")),
    )
    anonymous = not people or asks_anonymity(content)
    if not (people or number or any(reached)):
        return Writers((), anonymous, doubtful)
    first = Petitioner(
        primary=True,
        name=people[0] if people else None,
        phones=reached[0],
        email=reached[1],
        id_type="resident_id" if number else None,
        id_no=number.number if number else None,
        address=reached[2],
        gender=number.gender if number else None,
        workplace=told.get("workplace"),
        postcode=_postcode(told.get("postcode")),
    )
    return Writers((first, *(Petitioner(name=name) for name in people[1:])), anonymous, doubtful)


def _names(content: str, closing: str, labelled: str) -> tuple[str, ...]:
    named = _listed(labelled)
    for found in _SIGNED.finditer(closing):
        named += _listed(found[1])
    return tuple(dict.fromkeys([*named, *signatures(content)])) or names(content)


def _listed(text: str) -> list[str]:
    """The names a list begins with: 张三、李四等15人."""
    found = []
    for piece in re.split(r"[、，,；;\s]+", text):
        name = re.sub(r"(?:等|（|\().*$", "", piece)
        if not is_person_name(name):
            break
        found.append(name)
    return found


def _id(content: str, labelled: str) -> tuple[IdentityNumber | None, bool]:
    """The identity number given, and whether it (or another read) is wrong in itself."""
    if re.fullmatch(r"[\dX]{12,20}", (own := identity_number(labelled)).number):
        return own, not own.valid
    # Eighteen digits are a number of this kind if a birthday could stand in them; work orders have as many.
    every = [each for each in identity_numbers(content, field=True) if each.valid or each.number[6:8] in ("19", "20")]
    best = next((each for each in every if each.valid), every[0] if every else None)
    return best, any(not each.valid for each in every)


def _address(content: str, labelled: str | None) -> str | None:
    found = labelled or next(iter(addresses(content)), None)
    return found.rstrip("。，, ") if found else None


def _postcode(text: str | None) -> str | None:
    found = re.search(r"(?<!\d)\d{6}(?!\d)", text or "")
    return found[0] if found else None

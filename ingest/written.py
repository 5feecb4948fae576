"""How a person writes a field's value, and what is read of it: forms and commands alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from ingest.fields import Field, Kind
from normalize.people import identity_number, phones
from normalize.places import PlaceRules, region

Written: TypeAlias = str | Sequence[str]
"""What a person wrote into a field, or chose: several of several."""
MOST_PHONES = 10
_EXPECTED = {
    "empty": "expected something, not nothing",
    "long": "expected at most {longest} characters",
    "code": "expected one of {codes}",
    "truth": "expected yes, no or nothing",
    "day": "expected a date such as 2026-03-01",
    "moment": "expected a time such as 2026-03-01T09:00",
    "phone": "expected telephone numbers, each on a line or after a comma",
    "identity": "the check digit of this resident identity number does not fit: a digit is mistyped",
    "count": "expected a number of 1 or more",
    "reason": "expected yes, since a reason is given; or no reason",
    "unseen": "expected characters that can be seen",
}


class FieldRefused(Exception):
    """What is written does not fit; `code` says why to a page that has words of its own."""

    def __init__(self, field: Field, code: str) -> None:
        super().__init__(f"{field.name}: {_EXPECTED[code].format(longest=field.longest, codes=', '.join(field.codes))}")
        self.field = field
        self.code = code


@dataclass(frozen=True)
class Pen:
    """Writes and reads by this office's clock and places."""

    zone: ZoneInfo
    places: PlaceRules

    def shown(self, field: Field, value: Any) -> Written:  # noqa: ANN401 - a JSON value
        """A value as a form shows it and a person would write it."""
        match field.kind:
            case Kind.CODES:
                return tuple(value or ())
            case Kind.PHONES:
                return "\n".join(value or ())
            case Kind.REGION:
                return str((value or {}).get("name") or (value or {}).get("raw") or "")
            case Kind.TRUTH:
                return "" if value is None else ("yes" if value else "no")
            case Kind.MOMENT:
                return "" if value is None else f"{_moment(str(value), self.zone):%Y-%m-%dT%H:%M}"
        return "" if value is None else str(value)

    def read(self, field: Field, written: Written, before: Any) -> Any:  # noqa: ANN401 - JSON values
        """The value of what is written, in place of `before`; nothing is null. Raises FieldRefused."""
        if field.kind is Kind.CODES:
            return _codes(field, written, before)
        text = _clean(field, written if isinstance(written, str) else "\n".join(written))
        if not text:
            if field.required:
                raise FieldRefused(field, "empty")
            return _NOTHING.get(field.kind)
        if len(text) > field.longest:
            raise FieldRefused(field, "long")
        if field.kind is Kind.MOMENT:
            return self._moment(field, text)
        if field.kind is Kind.REGION:
            return self._region(text, before)
        return _READERS.get(field.kind, _as_is)(field, text)

    def _moment(self, field: Field, text: str) -> str:
        try:
            return _moment(text, self.zone).isoformat()
        except ValueError as error:
            raise FieldRefused(field, "moment") from error

    def _region(self, text: str, before: Any) -> dict[str, Any]:  # noqa: ANN401
        """With the division's code, if it is a known one; what the source said stays."""
        found = region(text, self.places)
        known = text in (found.name, found.raw)
        raw = (before or {}).get("raw")
        return {"code": found.code if known else None, "name": found.name if known else text, "raw": raw}


def is_same(field: Field, written: Written, shown: Written) -> bool:
    """Whether a person wrote what was shown to him; of boxes that are ticked the order says nothing."""
    if field.kind is Kind.CODES:
        chosen = _chosen(written)
        return list(chosen) == list(shown) if isinstance(written, str) else set(chosen) == set(shown)
    return _plain(written) == _plain(shown)


def _plain(written: Written) -> str:
    text = written if isinstance(written, str) else "\n".join(written)
    return text.replace("\r\n", "\n").strip()


def _clean(field: Field, written: str) -> str:
    """As it is kept: line breaks as one character, no spaces around; in a line nothing that cannot be seen."""
    text = written.replace("\r\n", "\n").replace("\r", "\n").strip()
    if field.kind in (Kind.TEXT, Kind.PHONES):
        return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) != "Cc")
    if not text.replace("　", " ").isprintable():
        raise FieldRefused(field, "unseen")
    return text


def _codes(field: Field, written: Written, before: Sequence[str] | None) -> list[str]:
    """In the order they are typed; boxes that are ticked have none: what stays keeps its place, the main one first."""
    wanted = list(dict.fromkeys(_chosen(written)))
    if any(one not in field.codes for one in wanted):
        raise FieldRefused(field, "code")
    if isinstance(written, str):
        return wanted
    stays = [one for one in before or () if one in wanted]
    return [*stays, *(one for one in wanted if one not in stays)]


def _chosen(written: Written) -> Sequence[str]:
    return [one for one in (re.split(r"[,\s]+", written) if isinstance(written, str) else written) if one]


def _as_is(_field: Field, text: str) -> str:
    return text


def _code(field: Field, text: str) -> str:
    if text not in field.codes:
        raise FieldRefused(field, "code")
    return text


def _truth(field: Field, text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false", "是", "否"):
        raise FieldRefused(field, "truth")
    return text.lower() in ("yes", "true", "是")


def _day(field: Field, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise FieldRefused(field, "day") from error


def _moment(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _phones(field: Field, text: str) -> list[str]:
    """Each as the readers would write it; one that they cannot read is kept if it can be a number at all."""
    found: list[str] = []
    for one in filter(None, (part.strip() for part in re.split(r"[,，、;；\n]+", text))):
        numbers = phones(one, field=True)
        if not numbers and not re.fullmatch(r"\+?[\d() -]{5,24}", one):
            raise FieldRefused(field, "phone")
        found += numbers or (one,)
    if len(found) > MOST_PHONES:
        raise FieldRefused(field, "phone")
    return list(dict.fromkeys(found))


def _identity(field: Field, text: str) -> str:
    """A resident identity number must check out; a passport's or pass's is taken as it is."""
    judged = identity_number(text)
    if re.fullmatch(r"\d{17}[\dX]", judged.number) and not judged.valid:
        raise FieldRefused(field, "identity")
    return judged.number if judged.valid else text


def _count(field: Field, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 10_000_000):
        raise FieldRefused(field, "count")
    return int(text)


_NOTHING: Mapping[Kind, Any] = {Kind.PHONES: [], Kind.REGION: {"code": None, "name": None, "raw": None}}
_READERS: Mapping[Kind, Callable[[Field, str], Any]] = {
    Kind.CODE: _code,
    Kind.TRUTH: _truth,
    Kind.DAY: _day,
    Kind.PHONES: _phones,
    Kind.IDENTITY: _identity,
    Kind.COUNT: _count,
}

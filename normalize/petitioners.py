"""Who petitions, as a record tells it."""

from __future__ import annotations

import re

from adapters.fieldmap import PetitionersEntry
from normalize.case import Petitioner
from normalize.identity import identity_number
from normalize.phones import phones
from normalize.records import Record

_NAMELESS = frozenset({"匿名", "匿名用户", "匿名人", "无名氏", "不愿透露", "不愿透露姓名"})
_EMAIL = re.compile(r"[^@\s,;，；]+@[^@\s,;，；]+\.[^@\s,;，；]+")


def petitioners(record: Record, entry: PetitionersEntry) -> tuple[tuple[Petitioner, ...], bool]:
    """The petitioners, the main one first, and whether one calls himself anonymous. Empty entries are left out."""
    told = record.items(entry.list) if entry.list else [record]
    found: list[Petitioner] = []
    anonymous = False
    for item in told:
        one, nameless = _petitioner(item, entry)
        anonymous = anonymous or nameless
        if one != Petitioner(primary=one.primary):
            found.append(one)
    return _main_first(found, record), anonymous


def _main_first(found: list[Petitioner], record: Record) -> tuple[Petitioner, ...]:
    named = [one for one in found if one.primary]
    if len(named) > 1:
        record.warn("several_primary", f"有 {len(named)} 人被标为主访人，取第一人")
    main = next(iter(named or found), None)
    if main is None:
        return ()
    rest = [one.model_copy(update={"primary": False}) for one in found if one is not main]
    return (main.model_copy(update={"primary": True}), *rest)


def _petitioner(item: Record, entry: PetitionersEntry) -> tuple[Petitioner, bool]:
    name = item.text(*entry.name)
    id_type, id_no = _identity(item, entry)
    one = Petitioner(
        primary=bool(item.flag(entry.primary)),
        name=None if name in _NAMELESS else name,
        phones=_phones(item, entry.phones),
        email=_email(item, entry.email),
        id_type=id_type,
        id_no=id_no,
        address=item.text(*entry.address),
        gender=item.text(*entry.gender),
        workplace=item.text(*entry.workplace),
        postcode=item.text(*entry.postcode),
    )
    return one, name in _NAMELESS


def _phones(item: Record, paths: tuple[str, ...]) -> tuple[str, ...]:
    numbers: list[str] = []
    for path in paths:
        written = item.text(path)
        found = phones(written, field=True) if written else ()
        if written and not found:
            item.put_back(path)
            item.warn("phone_unreadable", f"{path}：不是电话号码")
        numbers.extend(found)
    return tuple(dict.fromkeys(numbers))


def _email(item: Record, paths: tuple[str, ...]) -> str | None:
    path, _ = item.value(*paths)
    written = item.text(*paths)
    if path is None or written is None:
        return None
    if found := _EMAIL.search(written):
        return found[0]
    item.put_back(path)
    item.warn("email_unreadable", f"{path}：不是电子邮箱")
    return None


def _identity(item: Record, entry: PetitionersEntry) -> tuple[str | None, str | None]:
    kind = item.code(entry.id_type.path, entry.id_type.codes, keep=True)
    written = item.text(*entry.id_no)
    if written is None:
        return None, None
    number = identity_number(written)
    if kind is None and number.valid:
        kind = "resident_id"
    if kind != "resident_id":
        return kind, written
    if not number.valid:
        item.warn("identity_number_doubtful", "身份证号码校验不符，按原样保留，请核对")
        return kind, written
    return kind, number.number

"""Who writes a mail or a letter: his name, his numbers, where he lives, who signs with him."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from normalize.addresses import free_address, home, said_addresses
from normalize.case import Petitioner, Warning_
from normalize.identity import IdentityNumber, found_identities, identity_number, identity_numbers
from normalize.owners import Speaking
from normalize.person_words import TITLE_END, closed_up
from normalize.phones import found_phones, is_doubtful, phones
from normalize.self_naming import Introduction, introductions
from normalize.signatures import Signer, signers
from normalize.surnames import is_person_name

_CLOSING_LINES, _CLOSING_WIDTH, _LONGEST_ADDRESS = 10, 44, 40
_MOST = 60
"""So many numbers of a text are looked at; more are a list of something."""

DOUBTFUL_ID = Warning_(code="identity_number_doubtful", text="身份证号码校验不符，请核对原件")
DOUBTFUL_PHONE = Warning_(code="phone_doubtful", text="电话号码辨认不清，请核对原件")


@dataclass(frozen=True)
class Written:
    """The people who write, the one to answer to first; empty where nothing tells of them."""

    petitioners: tuple[Petitioner, ...]
    doubts: tuple[Warning_, ...] = ()


def writers(text: str, labelled: Mapping[str, str], shown: str | None = None, email: str | None = None) -> Written:
    """The writers of a text, by label (`labelled` values of its closing), by naming themselves or by signature.

    `shown` is the name a mail's header shows, `email` its address, which counts before a labelled one. A number belongs
    to the person named before it.
    """
    signed = signers(text)
    introduced = introductions(text)
    names = _names(labelled, signed, introduced) or ((shown,) if shown and is_person_name(shown) else ())
    speaking = Speaking(text, names, introduced, closing_of(text))
    reached = _phones(speaking, labelled, signed)
    misread = is_doubtful(labelled.get("phone", ""))
    doubts: tuple[Warning_, ...] = (DOUBTFUL_PHONE,) if misread else ()
    identity = _identity(speaking, labelled)
    if identity is not None and not identity.valid:
        doubts += (DOUBTFUL_ID,)
    first = Petitioner(
        primary=True,
        name=names[0] if names else None,
        # where a label gives one that cannot be read, no other number is taken for it
        phones=() if misread else tuple(dict.fromkeys(reached[names[0] if names else None])),
        email=email or labelled_email(labelled),
        id_type="resident_id" if identity else None,
        id_no=identity.number if identity else None,
        address=_address(speaking, labelled),
        gender=identity.gender if identity else None,
        workplace=labelled.get("workplace"),
        postcode=postcode(labelled.get("postcode")),
    )
    if first == Petitioner(primary=True):
        return Written((), doubts)
    return Written(
        (first, *(Petitioner(name=name, phones=tuple(dict.fromkeys(reached[name]))) for name in names[1:])), doubts
    )


def identifies(petitioners: Iterable[Petitioner]) -> bool:
    """Whether anything tells who one of them is."""
    return any(each.name or each.phones or each.address or each.email or each.id_no for each in petitioners)


def anonymous(petitioners: tuple[Petitioner, ...], *, asked: bool) -> bool | None:
    """Anonymous is who asks for it or gives nothing of himself; whose name is merely missing: not known."""
    if asked or not identifies(petitioners):
        return True
    return False if any(each.name for each in petitioners) else None


def is_nameless(name: str) -> bool:
    """Whether 匿名 stands where a name should."""
    return name.strip().startswith("匿名")


def listed(text: str) -> tuple[str, ...]:
    """The names a list begins with: 张三、李四等15人."""
    found: list[str] = []
    for piece in re.split(r"[、，,；;/]+|\s+", closed_up(text) if is_person_name(closed_up(text)) else text):
        name = TITLE_END.sub("", re.sub(r"(?:等|（|\().*$", "", piece))
        if not is_person_name(name):
            break
        found.append(name)
    return tuple(found)


def postcode(text: str | None) -> str | None:
    found = re.search(r"(?<!\d)\d{6}(?!\d)", text or "")
    return found[0] if found else None


def labelled_email(labelled: Mapping[str, str]) -> str | None:
    found = re.search(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,250}\.[A-Za-z]{2,}", labelled.get("email", ""))
    return found[0] if found else None


def closing_of(text: str) -> int:
    """Where the signature block begins: the short lines at the end that are no sentences."""
    lines = text.rstrip().split("\n")
    place = len(text.rstrip())
    for number, line in enumerate(reversed(lines[1:][-_CLOSING_LINES:])):
        if len(line.strip()) > _CLOSING_WIDTH or re.search(r"[。！？!?；;]|[，,]\s*$", line):
            return place if number else len(text)
        place -= len(line) + 1
    return max(place + 1, 0) if len(lines) > 1 else len(text)


def _names(labelled: Mapping[str, str], signed: list[Signer], introduced: list[Introduction]) -> tuple[str, ...]:
    """Signed together: all of them; otherwise by label, by 我叫…, by signature, by 本人…"""
    candidates = (
        tuple(each.name for each in signed) if len(signed) > 1 else (),
        tuple(each.name for each in introduced if each.jointly),
        listed(labelled.get("name", "")),
        tuple(each.name for each in introduced if each.called)[:1],
        tuple(each.name for each in signed),
        tuple(each.name for each in introduced)[:1],
    )
    return tuple(dict.fromkeys(next((names for names in candidates if names), ())))


def _phones(speaking: Speaking, labelled: Mapping[str, str], signed: list[Signer]) -> dict[str | None, list[str]]:
    """The writers' numbers by their names; what nobody is named for is the first one's."""
    first = speaking.names[0] if speaking.names else None
    told = phones(labelled.get("phone", ""), field=True)
    reached: dict[str | None, list[str]] = {name: [] for name in (first, *speaking.names)}
    for one in signed:
        reached.setdefault(one.name, []).extend(one.phones)
    reached[first] += told
    # what a label gives counts before numbers somewhere in the text
    found = [each for each in found_phones(speaking.text) if each.start >= (speaking.closing if told else 0)]
    for each in found if len(found) <= _MOST else (*found[: _MOST // 2], *found[-_MOST // 2 :]):
        beside = any(one.start <= each.start < one.end for one in signed)
        if not beside and speaking.is_writers(each.start, each.end, labelled=each.labelled):
            reached[speaking.nearest_name(each.start) or first].append(each.number)
    others = {number for name in speaking.names[1:] for number in reached[name]}
    reached[first] = [number for number in reached[first] if number not in others]
    return reached


def _identity(speaking: Speaking, labelled: Mapping[str, str]) -> IdentityNumber | None:
    if told := labelled.get("id_no"):
        own = next(iter(identity_numbers(told, field=True)), identity_number(told))
        if re.fullmatch(r"[\dX]{12,20}", own.number):
            return own
    found = found_identities(speaking.text)[:_MOST]
    mine = [each.identity for each in found if speaking.is_writers(each.start, each.end, labelled=True, childs=True)]
    return next((each for each in mine if each.valid), mine[0] if mine else None)


def labelled_address(labelled: Mapping[str, str]) -> str | None:
    """The address behind its label, without what else stands on the line."""
    told = re.split(r"[。；;！？]|[，,](?=邮编|电话|手机|联系|身份证)", labelled.get("address", ""))[0].strip(" ，,")
    return (told if len(told) <= _LONGEST_ADDRESS else home(told)) or None


def _address(speaking: Speaking, labelled: Mapping[str, str]) -> str | None:
    if told := labelled_address(labelled):
        return told
    for place, address in said_addresses(speaking.text):
        anybodys = speaking.text.startswith("地址", place)
        if speaking.is_writers(place, place + len(address), labelled=True, said=anybodys):
            return address
    return free_address(speaking.text[speaking.closing :])

"""Names of schools, institutions and authorities in running text, and which of them a matter is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from normalize.party_words import AFTER_LESSER, BLANKED, GENERIC, KIND, OF_AUTHORITY, PARTY, PLACE, cuts

_LONGEST_RUN = 24
_RUN = re.compile(rf"[\u4e00-\u9fffA-Za-z0-9（）()·]{{0,{_LONGEST_RUN}}}\Z")
_ENOUGH = 60
_PART_OF_NAME = re.compile(rf"{PLACE}|.*(?:[镇乡村州道]\Z|{KIND}|附[中小]|集团)")

_PLACE_WITHIN = re.compile(r"[A-Z]\d{0,2}[省市区县州]|[\u4e00-\u9fff]{2}[省市县]")
_PLACES = re.compile(rf"^{PLACE}{{1,4}}")


@dataclass
class _Party:
    name: str
    score: float
    first: int
    times: int = 0


def most_likely_party(
    title: str, text: str, known: frozenset[str] = frozenset(), districts: frozenset[str] = frozenset()
) -> str | None:
    """The one of the named parties the matter is about.

    `known` names are believed wherever they stand; names of `districts` are not cut in two.
    """
    parties: dict[str, _Party] = {}
    for weight, words in ((3.0, title), (1.0, text)):
        for place, name in party_names(words, known, districts):
            if len(parties) >= _ENOUGH and name not in parties:
                continue
            party = parties.setdefault(name, _Party(name, 0, place if weight > 1 else place + 1000))
            party.score += weight * (0.6 if OF_AUTHORITY.search(name) else 1.0)
            party.times += 1
    told = {party.name: party.score for party in parties.values()}
    for party in parties.values():
        party.score += sum(told[name] for name in told if name != party.name and _is_short_for(name, party.name))
    if not parties:
        return None
    return _own_name(min(parties.values(), key=lambda party: (-party.score, party.first)), parties)


def _is_short_for(short: str, name: str) -> bool:
    """Whether a short name counts for a long one: 松河中学 for 某县松河湖中学."""
    if short in name:
        return True
    own, whole = _PLACES.sub("", short), _PLACES.sub("", name)
    if len(own) >= len(whole) or own[:2] != whole[:2] or own[-1] != whole[-1]:
        return False
    rest = iter(whole)
    return all(character in rest for character in own)


def _own_name(best: _Party, parties: dict[str, _Party]) -> str:
    """The name without what stands before it once (秋季星河小学) where it is otherwise written as 星河小学."""
    for other in sorted(parties.values(), key=lambda party: len(party.name)):
        before = best.name.removesuffix(other.name)
        if before not in {"", best.name} and other.times > best.times and not _PART_OF_NAME.match(before):
            return other.name
    return best.name


def party_names(
    text: str, known: frozenset[str] = frozenset(), districts: frozenset[str] = frozenset()
) -> Iterator[tuple[int, str]]:
    """Where and which parties are named in a text."""
    end, position = 0, 0
    while found := PARTY.search(text, position):
        run = _RUN.search(text, max(end, found.start() - _LONGEST_RUN), found.start())
        before = run[0] if run else ""
        kind = _whole_kind(found, districts)
        position = end = found.start() + len(kind)
        if name := max((each for each in known if each in before + kind), key=len, default=None):
            yield found.start(), name
            continue
        own = _own(before, kind, districts)
        if len(own) == _LONGEST_RUN:  # it goes on to the left, and no name is as long
            own = own[place.start() :] if (place := _PLACE_WITHIN.search(own)) else ""
        name = _from_place(own + kind)
        if len(name) >= 3 and not GENERIC.fullmatch(name):
            yield found.start(), name


def _whole_kind(found: re.Match[str], districts: frozenset[str]) -> str:
    """What names the kind, with a branch of it (…大学附属中学) unless other words stand between them."""
    kind, branch = found["kind"], found["branch"] or ""
    twice = branch and kind.endswith(branch)
    return kind if twice or any(each["cut"] for each in cuts(districts).finditer(branch)) else kind + branch


def _own(run: str, kind: str, districts: frozenset[str]) -> str:
    """What of the words before a kind belongs to the name: what follows the last word that does not."""
    own = 0
    for each in cuts(districts).finditer(run + kind, 0, len(run) + len(kind)):
        if each.start() >= len(run):
            break
        if each["cut"]:
            own = min(each.end(), len(run))
    return run[own:]


def _from_place(name: str) -> str:
    """The name from its own beginning: its province, a blanked place, behind a parenthesis opened elsewhere."""
    if start := AFTER_LESSER.search(name) or BLANKED.search(name):
        name = name[start.start() :]
    for opening, closing in ("（）", "()"):
        if opening in name and closing not in name:
            name = name.rpartition(opening)[2]
        elif closing in name and opening not in name:
            name = name.rpartition(closing)[2]
    return name.lstrip("（）()·丶0123456789年月日")

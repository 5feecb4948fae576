"""Where a matter lies (district) and whom it is about (school, institution)."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from normalize.case import Region
from normalize.divisions import CHANGZHOU, District, School
from normalize.parties import most_likely_party


class PlaceRules(BaseModel):
    """The places and schools known by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    districts: tuple[District, ...] = Field(
        default=CHANGZHOU, description="divisions with code, name and aliases, the city itself last"
    )
    schools: tuple[School, ...] = Field(default=(), description="schools and institutions known by name")


def region(text: str, rules: PlaceRules) -> Region:
    """The division a text speaks of most, a district before the city; `raw` is the name as written.

    A known school counts as its district. Nothing known: a Region of nulls.
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for code, name in _mentions(text, rules):
        counts[code] += 1
        first.setdefault(code, name)
    if not counts:
        return Region()
    city = rules.districts[-1].code if len(rules.districts) > 1 else None
    order = list(first)
    best = min(order, key=lambda code: (code == city, -counts[code], order.index(code)))
    official = next((district.name for district in rules.districts if district.code == best), None)
    return Region(code=best, name=official, raw=first[best])


def _mentions(text: str, rules: PlaceRules) -> list[tuple[str, str]]:
    pattern, codes = _compiled(rules)
    return [(codes[found[0]], found[0]) for found in pattern.finditer(text)] if pattern else []


@lru_cache(maxsize=16)
def _compiled(rules: PlaceRules) -> tuple[re.Pattern[str] | None, dict[str, str]]:
    codes = {name: district.code for district in rules.districts for name in (district.name, *district.aliases)}
    for school in rules.schools:
        codes |= {name: school.district for name in (school.name, *school.aliases) if school.district}
    # the longest name wins at a place: 常州钟楼 before 常州
    names = "|".join(re.escape(name) for name in sorted(codes, key=len, reverse=True))
    return (re.compile(names) if names else None), codes


def subject_party(text: str, rules: PlaceRules, title: str = "") -> str | None:
    """The school or institution a matter is about: its longest name as written, or None.

    What the title names weighs most, then what is named often and early; a school weighs more than an authority.
    """
    return most_likely_party(title, text, *_names(rules))


@lru_cache(maxsize=16)
def _names(rules: PlaceRules) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the known schools, and of the districts."""
    schools = frozenset(name for school in rules.schools for name in (school.name, *school.aliases))
    return schools, frozenset(name for district in rules.districts for name in (district.name, *district.aliases))

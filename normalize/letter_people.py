"""The writers of a letter: names under it, and the numbers and addresses they give to be reached."""

from __future__ import annotations

from dataclasses import dataclass

from normalize import labels
from normalize.case import Petitioner, Warning_
from normalize.joint import Together, together
from normalize.labels import LabelRules
from normalize.people import asks_anonymity
from normalize.writers import anonymous, is_nameless
from normalize.writers import writers as written_by


@dataclass(frozen=True)
class Writers:
    """The people who sign, the first one the one to answer to."""

    petitioners: tuple[Petitioner, ...]
    anonymous: bool | None
    together: Together
    doubts: tuple[Warning_, ...]
    """Numbers that were read but cannot be right: a person should look."""


def writers(content: str, rules: LabelRules, title: str = "") -> Writers:
    """Who writes: by label (联系人：…), by signature, or by naming himself; anonymous when nothing tells of him."""
    told = {name: value.rstrip(" 。") for name, value in labels.closing(content, rules).items()}
    written = written_by(content, told)
    known = written.petitioners
    return Writers(
        known,
        anonymous(known, asked=is_nameless(told.get("name", "")) or asks_anonymity(content)),
        together(title, content, len(known)),
        written.doubts,
    )

"""Fault switches: what a stand-in does wrong on demand, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    NONE = "none"
    SLOW = "slow"
    """Answers, but late."""
    DOWN = "down"
    """Nobody listens; connections that exist are cut."""
    INTERNAL = "500"
    BUSY = "429"
    ERROR = "error"
    """HTTP 200 with the platform's own "system busy" in the body."""
    CUT = "cut"
    """The connection ends in the middle of the answer."""
    LOST = "lost"
    """Does what was asked, and the connection ends without an answer."""
    DONE = "500-done"
    """Does what was asked, and answers HTTP 500."""
    EXPIRED = "expired"
    """The login has run out, however young."""
    DUPLICATE = "duplicate"
    """Records of the previous page, or the same mail or scan, come again."""
    TRUNCATED = "truncated"
    """A complete HTTP answer whose body is half a JSON document; a scan that ends half way."""


ANSWERS = frozenset(Fault) - {Fault.NONE, Fault.DUPLICATE, Fault.EXPIRED}
"""What any stand-in can do wrong that answers HTTP."""


class UnknownFault(ValueError):
    """A stand-in or a fault was named that does not exist; the message lists those that do."""


@dataclass
class Switch:
    """One stand-in's fault, drawn anew for every request with the probability `share`."""

    name: str
    knows: frozenset[Fault]
    fault: Fault = Fault.NONE
    share: float = 1.0
    times: int | None = None
    """So often more, then never again; None: no end."""
    delay: timedelta = timedelta(seconds=20)
    random: Random = field(default_factory=Random)
    watchers: list[Callable[[], None]] = field(default_factory=list)
    hits: int = 0
    """How often the fault struck since it was set."""

    def set(self, fault: str, share: float = 1.0, *, times: int | None = None) -> None:
        """Raises UnknownFault for a fault this stand-in cannot show, or a share outside (0, 1]."""
        if fault not in self.knows and fault != Fault.NONE:
            raise UnknownFault(f"{self.name}: fault {fault!r} is not known, expected one of {self._known()}")
        if not 0 < share <= 1:
            raise UnknownFault(f"{self.name}: share {share} is not between 0 and 1")
        self.fault, self.share, self.times, self.hits = Fault(fault), share, times, 0
        for watcher in self.watchers:
            watcher()

    def draw(self) -> Fault:
        if self.fault is Fault.NONE or self.hits == self.times or self.random.random() >= self.share:
            return Fault.NONE
        self.hits += 1
        return self.fault

    @property
    def silent(self) -> bool:
        """Wholly down: not even listening."""
        return self.fault is Fault.DOWN and self.share == 1

    def _known(self) -> str:
        return ", ".join(sorted({*self.knows, Fault.NONE}))


class Switchboard:
    """All switches, by the stand-in's name."""

    def __init__(self, switches: Iterable[Switch]) -> None:
        self.switches = {switch.name: switch for switch in switches}

    def set(self, name: str, fault: str, share: float = 1.0) -> None:
        if name not in self.switches:
            raise UnknownFault(f"stand-in {name!r} is not known, expected one of {', '.join(self.switches)}")
        self.switches[name].set(fault, share)

    def state(self) -> dict[str, dict[str, str | float | int]]:
        return {
            name: {"fault": switch.fault.value, "share": switch.share, "hits": switch.hits}
            for name, switch in self.switches.items()
        }


def parse_faults(text: str) -> list[tuple[str, str, float]]:
    """`sunshine=500@0.3,oa=slow` as (stand-in, fault, share) triples; ValueError says what is wrong."""
    triples = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, separator, fault = part.partition("=")
        if not separator:
            raise ValueError(f"fault {part!r}: expected STANDIN=FAULT or STANDIN=FAULT@SHARE")
        fault, _, share = fault.partition("@")
        triples.append((name, fault, float(share or 1)))
    return triples

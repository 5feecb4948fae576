"""How often someone may try to log in: after a few failures each further one costs twice the wait of the last."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

FORGET = timedelta(hours=1)
KEPT = 10_000


@dataclass(frozen=True)
class Rule:
    """So many tries are free; then one second, two, four, up to the longest wait."""

    free: int
    longest: timedelta


ACCOUNT = Rule(free=5, longest=timedelta(minutes=1))
"""Short at its longest: whoever knows a name must not be able to keep its owner out."""
ADDRESS = Rule(free=20, longest=timedelta(minutes=15))


@dataclass
class _Record:
    failures: int
    last: datetime


@dataclass
class Throttle:
    """Failures by account and by address, in memory: a restart forgives."""

    _records: dict[tuple[str, str], _Record] = field(default_factory=dict)

    def wait(self, account: str, address: str, now: datetime) -> timedelta:
        """How long to wait before the next try; zero: go on."""
        waits = (self._wait(key, rule, now) for key, rule in _keys(account, address))
        return max(*waits, timedelta())

    def charge(self, account: str, address: str, now: datetime) -> None:
        """Count a try as failed, before its outcome is known: parallel tries count too."""
        if len(self._records) > KEPT:
            self._records = {key: each for key, each in self._records.items() if now - each.last < FORGET}
        for key, _ in _keys(account, address):
            record = self._records.setdefault(key, _Record(0, now))
            record.failures = record.failures + 1 if now - record.last < FORGET else 1
            record.last = now

    def forgive(self, account: str, address: str) -> None:
        """The try was good: the account starts anew, the address gets back what this try cost."""
        (account_key, _), (address_key, _) = _keys(account, address)
        self._records.pop(account_key, None)
        if (record := self._records.get(address_key)) is not None:
            record.failures -= 1

    def _wait(self, key: tuple[str, str], rule: Rule, now: datetime) -> timedelta:
        record = self._records.get(key)
        if record is None or record.failures < rule.free or now - record.last >= FORGET:
            return timedelta()
        penalty = min(timedelta(seconds=2 ** min(record.failures - rule.free, 20)), rule.longest)
        return max(record.last + penalty - now, timedelta())


def _keys(account: str, address: str) -> tuple[tuple[tuple[str, str], Rule], tuple[tuple[str, str], Rule]]:
    return (("account", account), ACCOUNT), (("address", address), ADDRESS)

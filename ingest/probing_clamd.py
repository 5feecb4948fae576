"""Asks the virus scanner whether it is there, and how old its signatures are."""

from __future__ import annotations

from datetime import datetime, timedelta

from ingest.clamd import Clamd, ClamdUnavailable
from ingest.probing import PATIENCE, Probe

OLD = timedelta(days=7)
"""ClamAV's own signatures come every day."""


async def probe_clamd(address: str, now: datetime, patience: timedelta = PATIENCE) -> Probe:
    """Greet clamd and have it say its version; it is shown nothing."""
    clamd = Clamd(address, patience)
    try:
        await clamd.greet()
        text, doubts = seen(address, await clamd.version(), now)
    except ClamdUnavailable as error:
        return Probe("clamd", address, ok=False, text=str(error))
    return Probe("clamd", address, ok=True, text=text, doubts=doubts)


def seen(address: str, version: str, now: datetime) -> tuple[str, tuple[str, ...]]:
    """What a version such as `ClamAV 1.4.3/27700/Tue Jul  1 08:36:00 2025` tells, and what a person should look at."""
    program, _, signatures = version.partition("/")
    number, _, written = signatures.partition("/")
    if not program.startswith("ClamAV"):  # it may be forbidden to say
        return f"clamd at {address} answers, but does not say its version", ()
    try:
        made = datetime.strptime(written, "%a %b %d %H:%M:%S %Y")  # noqa: DTZ007 - of its own time zone: days count
    except ValueError:
        return f"clamd at {address} answers; {program}", ("it has none of ClamAV's own signatures; look at freshclam",)
    age = now.replace(tzinfo=None) - made
    doubts = (f"its signatures are {age.days} days old; look at freshclam",) if age > OLD else ()
    return f"clamd at {address} answers; {program}, signatures {number} of {made:%Y-%m-%d}", doubts

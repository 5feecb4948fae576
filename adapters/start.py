"""From when on a channel is read must have come: who reads from the future reads nothing, and says so to nobody.

Nor may that be decided by a clock that is years behind: all that came since would be new.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.base import ChannelUnavailable

STEERED = timedelta(minutes=1)
"""What lies so far ahead is asked for soon: a clock was put right by a little."""


MADE = datetime(2026, 1, 1, tzinfo=UTC)
"""The program is younger: a clock that shows less is wrong."""


def check_clock(channel: str, now: datetime) -> None:
    """Raises ChannelUnavailable: by this clock it cannot be said from when on the channel is read."""
    if now < MADE:
        raise ChannelUnavailable(
            f"{channel}: this machine's clock shows {_shown(now)} UTC, when this program was not made yet; expected the"
            " time it is, from when on the channel is read: set the clock right"
        )


def check_has_come(channel: str, begin: datetime, now: datetime) -> None:
    """Raises ChannelUnavailable: it has not."""
    if begin > now + STEERED:
        raise ChannelUnavailable(
            f"{channel}: it is to be read from {_shown(begin)} UTC on, which lies in the future; expected a time that"
            " has come: set the channel's start_from or this machine's clock right"
        )


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

"""From when on a channel is read must have come: who reads from the future reads nothing, and says so to nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.base import ChannelUnavailable

STEERED = timedelta(minutes=1)
"""What lies so far ahead is asked for soon: a clock was put right by a little."""


def check_has_come(channel: str, begin: datetime, now: datetime) -> None:
    """Raises ChannelUnavailable: it has not."""
    if begin > now + STEERED:
        when = begin.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        raise ChannelUnavailable(
            f"{channel}: it is to be read from {when} UTC on, which lies in the future; expected a time that has come:"
            " set the channel's start_from or this machine's clock right"
        )

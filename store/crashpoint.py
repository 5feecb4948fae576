"""Named places where a test kills the process: XINQIAO_CRASH_AT="name", or "name:3" for the third time there."""

from __future__ import annotations

import os
import signal
import threading

_ENVIRONMENT = "XINQIAO_CRASH_AT"
_counting = threading.Lock()


def _armed(setting: str | None) -> dict[str, int]:
    """The point to die at and how many times it has yet to be reached; empty when the setting is unset."""
    if not setting:
        return {}
    name, _, times = setting.partition(":")
    if not name or (times and not (times.isdecimal() and int(times) > 0)):
        raise ValueError(f'{_ENVIRONMENT}: "{setting}" is neither "name" nor "name:times"')
    return {name: int(times or 1)}


_remaining = _armed(os.environ.get(_ENVIRONMENT))


def arm() -> None:
    """By the environment as it is now: for a process that was forked after this module was loaded."""
    _remaining.clear()
    _remaining.update(_armed(os.environ.get(_ENVIRONMENT)))


def reach(name: str) -> None:
    """Nothing, unless the environment says that the process dies here: then at once, with no clean-up."""
    if name not in _remaining:
        return
    with _counting:
        _remaining[name] -= 1
        if _remaining[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

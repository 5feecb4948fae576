"""The heaps, Python's and the C library's: few, what stays not looked through again, what is free given back."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_M_ARENA_MAX = -8


def share() -> None:
    """Give our dozen threads two heaps: one for each, as the C library would have it, costs more than it brings."""
    with suppress(AttributeError):  # a library without it has other ways
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def settle() -> None:
    """What is there stays: the garbage collector need not look through it any more."""
    gc.freeze()


def trim() -> None:
    """Give back what is free between what is used: mails of every size leave holes, which otherwise only grow."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)

"""Structured log lines on standard error: an event and its facts, for people or as JSON."""

from __future__ import annotations

import io
import json
import logging
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog

from store.failure import place_of


def configure(form: Literal["console", "json"], level: str, *, final: bool = False) -> None:
    """Set up structlog, and send what libraries log (warnings and worse) the same way.

    `final`: it will not be set up anew in this process, so loggers need not look at each line whether it was.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=False),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(_as_json)
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _AsFarAsItGoes(sys.stderr))),
        cache_logger_on_first_use=final,
    )
    formatter = structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(_without_words)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def _as_json(facts: object, **_: object) -> str:
    """An encoder made once: making one for each line would cost more than the line."""
    return _ENCODER.encode(facts)


class _AsFarAsItGoes(io.TextIOBase):
    """A log on a full disk or a closed pipe loses its lines: no work ends because nobody could be told of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):  # ValueError: closed
            self._stream.flush()


def _without_words(record: logging.LogRecord) -> bool:
    """Leave of a library's record its first line, and of an error its kind and place: what it says may quote a citizen.

    asyncio writes an error's words into its further lines, others hand the error over to be written into the first.
    """
    arguments = record.args
    if isinstance(arguments, tuple):
        record.args = tuple(place_of(one) if isinstance(one, BaseException) else one for one in arguments)
    record.msg, record.args = record.getMessage().partition("\n")[0], ()
    if record.exc_info and record.exc_info[1] is not None:
        record.msg = f"{record.msg}: {place_of(record.exc_info[1])}"
    record.exc_info = record.exc_text = record.stack_info = None
    return True

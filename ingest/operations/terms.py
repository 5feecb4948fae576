"""What operations are made of: their shape, their refusal, and what several of them ask."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from dispatch.stranded import owed
from ingest.office import Office
from store.schema import cases

Answer: TypeAlias = dict[str, Any]
Operation: TypeAlias = Callable[[Office, Mapping[str, Any], str], Awaitable[Answer]]
"""(office, arguments, who asks) -> answer."""


class OperationRefused(Exception):
    """It cannot be done as asked; the message says why. To a page that has words of its own `code` does, and
    `problems`: of each field that is at fault, its code.
    """

    def __init__(self, said: str, *, code: str = "refused", problems: Mapping[str, str] | None = None) -> None:
        super().__init__(said)
        self.code = code
        self.problems = problems or {}


def case_id_of(conn: Connection, named: str) -> str:
    """The case with this id or number."""
    found: str | None = conn.execute(
        select(cases.c.case_id).where((cases.c.case_id == named) | (cases.c.case_no == named))
    ).scalar_one_or_none()
    if found is None:
        raise OperationRefused(
            f"case {named}: there is no such case; expected its case_id or case_no such as 2026-000123"
        )
    return found


def known_target(office: Office, target: str | None) -> None:
    if target is not None and target not in office.config.targets:
        known = ", ".join(office.config.targets)
        raise OperationRefused(f"target {target}: not in the configuration; there are {known}")


def known_or_owed(conn: Connection, office: Office, target: str) -> None:
    """In the configuration, or gone from it with something still owed to it."""
    if target not in office.config.targets and not owed(conn, target):
        known_target(office, target)


def known_channel(office: Office, name: str) -> None:
    if name not in office.config.channels:
        known = ", ".join(office.config.channels)
        raise OperationRefused(f"channel {name}: not in the configuration; there are {known}")


def asked(arguments: Mapping[str, Any]) -> Answer:
    return {name: value for name, value in arguments.items() if value not in (None, False)}


def plain(value: Any) -> Any:  # noqa: ANN401 - to JSON
    """Dataclasses, times and mappings as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value

"""Cutting a list into pages, rightly or with the records of the page before coming again."""

from __future__ import annotations

from typing import TypeVar

Row = TypeVar("Row")


def page_of(rows: list[Row], page: int, size: int) -> list[Row]:
    """Page 1 is the first."""
    return rows[(page - 1) * size : page * size]


def repeated(rows: list[Row], page: int, size: int) -> list[Row]:
    """The page, preceded by the end of the one before it and with its first record twice; nothing is missing."""
    own = page_of(rows, page, size)
    before = rows[max(0, (page - 1) * size - 3) : (page - 1) * size]
    return [*before, *own[:1], *own]

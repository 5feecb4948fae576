"""The manual says of hostile input what the tests prove."""

from __future__ import annotations

import pytest

from tests.hostile.table import BEGIN, DOCS, PAGES, written


@pytest.mark.parametrize("page", PAGES)
def test_the_page_holds_the_table_of_the_catalogue(page: str) -> None:
    """`python -m tests.hostile.table` renews it."""
    text = (DOCS / page).read_text("utf-8")

    assert BEGIN in text
    assert text == written(page)

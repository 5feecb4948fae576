"""Pages whose size is no size are refused, not painted."""

from __future__ import annotations

import pytest

from normalize.raster import Limits, leaves
from normalize.reading import Unreadable
from tests.fuzz.seeds import pdfs


def test_a_page_of_infinite_size_is_unreadable() -> None:
    endless = pdfs()[1].replace(b" 20.0 ]", b" 2" + b"0" * 150 + b".0 ]")
    with pytest.raises(Unreadable, match="没有尺寸"):
        list(leaves(endless, Limits()))

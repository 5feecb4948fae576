"""One daemon on SQLite, killed at every border and at many moments in between, its lines cut, its disk full."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.session import session, strikes_for
from tests.faults.short import check, seed_drawn
from tests.faults.town import SQLITE

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.timeout(1500)]


async def test_struck_again_and_again_every_matter_is_one_case_in_its_last_words(tmp_path: Path) -> None:
    seed = seed_drawn()
    kinds = list(strikes_for(SQLITE))

    result = await session(tmp_path, SQLITE, seed, 1, kinds)

    check(result, kinds, seed, 38)
